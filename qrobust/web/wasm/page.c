/* The network and the certifier as a WebAssembly module: what the page's worker calls.
 *
 * Nothing is imported: no clock, no entropy, no files. The worker writes an image, a key and the
 * tables to the places that the module names, asks for votes in small pieces, and reads them.
 * Compiled with WITH_VIEWS where the file counts views instead of drawing noise. */
#include "model.h"
#include "qrobust_certify.h"

#include <stddef.h>
#include <string.h>

#ifdef WITH_VIEWS
#include "qrobust_views.h"
#endif

#define EXPORT(name) __attribute__((export_name(name)))

/* Of one input, of one view or noisy copy, of one count a class, of the certifier's tables. */
static int8_t image[MODEL_INPUT_SIZE];
static int8_t copy[MODEL_INPUT_SIZE];
static uint32_t votes[MODEL_OUTPUT_SIZE];
static uint32_t tables[TABLE_WORDS];
static uint64_t key[2];

EXPORT("image_at") int8_t *image_at(void) { return image; }
EXPORT("copy_at") int8_t *copy_at(void) { return copy; }
EXPORT("votes_at") uint32_t *votes_at(void) { return votes; }
EXPORT("tables_at") uint32_t *tables_at(void) { return tables; }
EXPORT("key_at") uint64_t *key_at(void) { return key; }
EXPORT("classes") uint32_t classes(void) { return MODEL_OUTPUT_SIZE; }
EXPORT("most_table_words") uint32_t most_table_words(void) { return TABLE_WORDS; }

EXPORT("clear_votes") void clear_votes(void) { (void)memset(votes, 0, sizeof(votes)); }
EXPORT("winner") uint32_t winner(void) { return qrc_winner(votes, MODEL_OUTPUT_SIZE); }

static const int8_t *run_network(void *context)
{
    (void)context;
    model_run();
    return model_output(0);
}

static qrc_model network(void)
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
    (void)memcpy(model_input(0), image, sizeof(image));
    return run_network(NULL);
}

#ifdef WITH_VIEWS

static qrc_views views;

EXPORT("open") uint32_t open(uint32_t words) { return (uint32_t)qrc_open_views(&views, tables, words); }
EXPORT("views") uint32_t count_of_views(void) { return views.count; }
EXPORT("draw") void draw(uint32_t purpose, uint32_t sample)
{
    (void)purpose;
    qrc_view(&views, image, sample, copy);
}
EXPORT("count") uint32_t count(uint32_t purpose, uint32_t start, uint32_t samples)
{
    const qrc_model model = network();

    (void)purpose;
    return (uint32_t)qrc_count_views(&views, &model, image, start, samples, votes);
}
/* Of the votes at hand, all views having been run; QRC_ABSTAIN for none. */
EXPORT("radius_q16") int32_t radius_q16(uint32_t label)
{
    const int64_t radius = qrc_views_radius(&views, votes, 0);

    (void)label;
    return (radius < 0) ? QRC_ABSTAIN : (int32_t)(radius << 16);
}

#else

static qrc_certifier certifier;

static qrc_request request(void)
{
    qrc_request found;

    found.key[0] = key[0];
    found.key[1] = key[1];
    found.pilot = 1; /* the worker counts the pilot itself, in pieces */
    return found;
}

EXPORT("open") uint32_t open(uint32_t words) { return (uint32_t)qrc_open(&certifier, tables, words); }
EXPORT("draw") void draw(uint32_t purpose, uint32_t sample)
{
    const qrc_request asked = request();

    qrc_sample(&certifier, image, &asked, (qrc_purpose)purpose, sample, copy);
}
EXPORT("count") uint32_t count(uint32_t purpose, uint32_t start, uint32_t samples)
{
    const qrc_model model = network();
    const qrc_request asked = request();

    return (uint32_t)qrc_count(&certifier, &model, image, &asked, (qrc_purpose)purpose, start,
                               samples, votes);
}
/* Of a class's votes at hand out of all samples; QRC_ABSTAIN for none. */
EXPORT("radius_q16") int32_t radius_q16(uint32_t label)
{
    return (int32_t)qrc_radius(&certifier, votes[label]);
}

#endif

/* ---- what clang may call of the C library ---- */

void *memcpy(void *to, const void *from, size_t bytes)
{
    __builtin_memcpy(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    __builtin_memmove(to, from, bytes);
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    __builtin_memset(to, value, bytes);
    return to;
}
