/* Opens tables and, where they are accepted, draws from them; see test_certifier.py.
 *
 * Standard input: records of a word count, the words, seed, image (64 bits each), purpose, sample.
 * Standard output, for each: the status; when it is 0 the number of drawn coordinates, their
 * noise on an image of zeros, and the radii of `n - 63` to `n` votes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qrobust_certify.h"

static void get(void *data, size_t size)
{
    if (fread(data, 1, size, stdin) != size) {
        exit(1);
    }
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

    while (fread(&count, 1, sizeof(count), stdin) == sizeof(count)) {
        /* As large as the tables and no larger: what reads past them is caught. */
        uint32_t *words = malloc((size_t)count * 4u + (count == 0u));
        qrc_certifier certifier;
        qrc_request request;
        uint64_t numbers[4];
        uint32_t status;

        get(words, (size_t)count * 4u);
        get(numbers, sizeof(numbers));
        status = (uint32_t)qrc_open(&certifier, words, count);
        put(&status, sizeof(status));
        if (status == 0u) {
            const uint32_t kept = (certifier.coordinates > 5000u) ? 0u : certifier.coordinates;
            int8_t *image = calloc((size_t)kept + 1u, 1);
            int8_t *out = calloc((size_t)kept + 1u, 1);
            uint32_t i;

            request.key[0] = numbers[0];
            request.key[1] = numbers[1];
            request.pilot = 1;
            if (kept > 0u) {
                qrc_sample(&certifier, image, &request, (qrc_purpose)numbers[2], numbers[3], out);
            }
            put(&kept, sizeof(kept));
            put(out, kept);
            for (i = 0; i < 64u; i++) {
                const int64_t radius =
                    (certifier.samples < 100000u) ? qrc_radius(&certifier, certifier.samples - i)
                                                  : 0;
                put(&radius, sizeof(radius));
            }
            free(image);
            free(out);
        }
        free(words);
    }
    return 0;
}
