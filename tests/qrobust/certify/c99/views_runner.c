/* Counts the views of images with a generated network; see test_views.py.
 *
 * Standard input: a word count and the words of tables, then records of a wanted radius and an
 * image. Standard output: the status of the tables, and for each record the status and, when it is
 * 0, decision, label, candidate, radius in Q16, samples and the votes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "qrobust_views.h"

static const int8_t *run(void *context)
{
    (void)context;
    model_run();
    return model_output(0);
}

static void put(const void *data, size_t size)
{
    if (fwrite(data, 1, size, stdout) != size) {
        exit(1);
    }
}

int main(void)
{
    uint32_t count;
    uint32_t *words;
    uint32_t status;
    uint32_t wanted;
    qrc_views views;

    if (fread(&count, 1, sizeof(count), stdin) != sizeof(count)) {
        return 1;
    }
    words = malloc((size_t)count * 4u + 1u);
    if (fread(words, 4u, count, stdin) != count) {
        return 1;
    }
    status = (uint32_t)qrc_open_views(&views, words, count);
    free(words);
    put(&status, sizeof(status));
    while ((status == 0u) && (fread(&wanted, 1, sizeof(wanted), stdin) == sizeof(wanted))) {
        const size_t size = (size_t)views.height * views.width * views.channels;
        int8_t *image = malloc(size);
        uint32_t *votes = malloc(4u * views.classes);
        const qrc_model model = {model_input(0), run, NULL};
        qrc_certificate found;
        uint32_t said;

        if (fread(image, 1, size, stdin) != size) {
            return 1;
        }
        said = (uint32_t)qrc_certify_views(&views, &model, image, wanted, votes, &found);
        put(&said, sizeof(said));
        if (said == 0u) {
            const int32_t row[5] = {(int32_t)found.decision, found.label,
                                    (int32_t)found.candidate, (int32_t)found.radius_q16,
                                    (int32_t)found.samples};
            put(row, sizeof(row));
            put(votes, 4u * views.classes);
        }
        free(image);
        free(votes);
    }
    return 0;
}
