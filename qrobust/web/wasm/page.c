/* The network and the certifier as a WebAssembly module: what the page's worker calls.
 *
 * Nothing is imported: no clock, no entropy, no files. The worker writes an image, a key and the
 * tables to the places that the module names, asks for votes in small pieces, and reads them. */
#include "model.h"
#include "qrobust_certify.h"

#include <stddef.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))

/* Of one input, of one noisy copy, of one count a class, of the certifier's tables. */
static int8_t page_image[MODEL_INPUT_SIZE];
static int8_t page_copy[MODEL_INPUT_SIZE];
static uint32_t page_votes[MODEL_OUTPUT_SIZE];
static uint32_t page_tables[TABLE_WORDS];
static uint64_t page_key[2];

EXPORT("image_at") int8_t *image_at(void) { return page_image; }
EXPORT("copy_at") int8_t *copy_at(void) { return page_copy; }
EXPORT("votes_at") uint32_t *votes_at(void) { return page_votes; }
EXPORT("tables_at") uint32_t *tables_at(void) { return page_tables; }
EXPORT("key_at") uint64_t *key_at(void) { return page_key; }
EXPORT("classes") uint32_t page_classes(void) { return MODEL_OUTPUT_SIZE; }
EXPORT("most_table_words") uint32_t most_table_words(void) { return TABLE_WORDS; }

EXPORT("clear_votes") void clear_votes(void) { (void)memset(page_votes, 0, sizeof(page_votes)); }
EXPORT("winner") uint32_t page_winner(void) { return qrc_winner(page_votes, MODEL_OUTPUT_SIZE); }

static const int8_t *run_network(void *context)
{
    (void)context;
    model_run();
    return model_output(0);
}

static qrc_model page_network(void)
{
    qrc_model found;

    found.input = model_input(0);
    found.run = run_network;
    found.context = NULL;
    return found;
}

/* The outputs of the image as it is, at the place that this returns. */
EXPORT("outputs_of_image") const int8_t *outputs_of_image(void)
{
    (void)memcpy(model_input(0), page_image, sizeof(page_image));
    return run_network(NULL);
}

static qrc_certifier page_certifier;

static qrc_request page_request(void)
{
    qrc_request found;

    found.key[0] = page_key[0];
    found.key[1] = page_key[1];
    found.pilot = 1; /* the worker counts the pilot itself, in pieces */
    return found;
}

EXPORT("open") uint32_t page_open(uint32_t words)
{
    return (uint32_t)qrc_open(&page_certifier, page_tables, words);
}
EXPORT("draw") void page_draw(uint32_t purpose, uint32_t sample)
{
    const qrc_request asked = page_request();

    qrc_sample(&page_certifier, page_image, &asked, (qrc_purpose)purpose, sample, page_copy);
}
EXPORT("count") uint32_t page_count(uint32_t purpose, uint32_t start, uint32_t samples)
{
    const qrc_model model = page_network();
    const qrc_request asked = page_request();

    return (uint32_t)qrc_count(&page_certifier, &model, page_image, &asked, (qrc_purpose)purpose,
                               start, samples, page_votes);
}
/* Of a class's votes at hand out of all samples; QRC_ABSTAIN for none. */
EXPORT("radius_q16") int32_t page_radius_q16(uint32_t label)
{
    return (int32_t)qrc_radius(&page_certifier, page_votes[label]);
}
