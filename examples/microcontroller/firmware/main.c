/* Runs and certifies images that the host hands over, and says what it costs.
 *
 * Reads job.bin: the words magic, images, index of the first, seed (low, high), pilot samples,
 * whether the test is sequential; then the images. Prints a line for each image and one with what
 * was measured:
 *
 *     outputs INDEX INTEGER...
 *     certificate INDEX DECISION LABEL CANDIDATE RADIUS_Q16 SAMPLES VOTES...
 *     meter MILLION RUN SAMPLE STACK_RUN STACK_CERTIFY
 *
 * The meter's first three are SysTick ticks: of a million instructions, of one inference, of the
 * noise of one sample; stacks are bytes. No pilot samples: no certificates. A file that counts views
 * (WITH_VIEWS) takes images of its own size, C of the network's 2 C channels for all but splits,
 * prints no outputs, runs every view, and SAMPLE is what makes one. */
#include <string.h>

#include "meter.h"
#include "model.h"
#include "semihost.h"
#ifdef WITH_CERTIFIER
#include "certifier_tables.h"
#include "qrobust_certify.h"
#endif
#ifdef WITH_VIEWS
#include "certifier_tables.h"
#include "qrobust_views.h"
#endif

enum {
    JOB_MAGIC = 0,
    JOB_IMAGES = 1,
    JOB_FIRST = 2,
    JOB_SEED_LOW = 3,
    JOB_SEED_HIGH = 4,
    JOB_PILOT = 5,
    JOB_SEQUENTIAL = 6,
    JOB_WORDS = 7
};

static const uint32_t MAGIC = 0x4A425251u; /* "QRBJ" */

static int8_t image[MODEL_INPUT_SIZE];
static uint32_t image_size = MODEL_INPUT_SIZE;

static void print_number(int64_t number)
{
    char text[24];
    uint32_t at = sizeof(text) - 1u;
    uint64_t rest = (number < 0) ? (uint64_t)-number : (uint64_t)number;

    text[at] = '\0';
    do {
        at--;
        text[at] = (char)('0' + (char)(rest % 10u));
        rest /= 10u;
    } while (rest > 0u);
    if (number < 0) {
        at--;
        text[at] = '-';
    }
    semihost_print(" ");
    semihost_print(&text[at]);
}

#ifndef WITH_VIEWS
static void run_image(uint32_t index)
{
    const int8_t *outputs;
    uint32_t i;

    (void)memcpy(model_input(0), image, sizeof(image));
    model_run();
    outputs = model_output(0);
    semihost_print("outputs");
    print_number((int64_t)index);
    for (i = 0; i < MODEL_OUTPUT_SIZE; i++) {
        print_number(outputs[i]);
    }
    semihost_print("\n");
}
#endif

#if defined(WITH_CERTIFIER) || defined(WITH_VIEWS)
static uint32_t votes[MODEL_OUTPUT_SIZE];

/* The network behind the certifier's function pointer. */
static const int8_t *run_model(void *context)
{
    (void)context;
    model_run();
    return model_output(0);
}

static void print_certificate(uint32_t index, const qrc_certificate *certificate)
{
    uint32_t i;

    semihost_print("certificate");
    print_number((int64_t)index);
    print_number((int64_t)certificate->decision);
    print_number(certificate->label);
    print_number(certificate->candidate);
    print_number(certificate->radius_q16);
    print_number(certificate->samples);
    for (i = 0; i < MODEL_OUTPUT_SIZE; i++) {
        print_number(votes[i]);
    }
    semihost_print("\n");
}
#endif

#ifdef WITH_VIEWS
static qrc_views certifier;

static int open_tables(void)
{
    const qrc_status status = qrc_open_views(&certifier, certifier_tables, CERTIFIER_TABLES_WORDS);
    const uint32_t wide = (certifier.kind == QRC_SPLITS) ? 1u : 2u;

    image_size = certifier.height * certifier.width * certifier.channels;
    return (status == QRC_OK) && ((wide * image_size) == MODEL_INPUT_SIZE) &&
           (certifier.classes == MODEL_OUTPUT_SIZE);
}

static int certify_image(const uint32_t *job, uint32_t index)
{
    qrc_model model;
    qrc_certificate certificate;

    (void)job;
    model.input = model_input(0);
    model.run = run_model;
    model.context = NULL;
    if (qrc_certify_views(&certifier, &model, image, QRC_LARGEST, votes, &certificate) != QRC_OK) {
        return 0;
    }
    print_certificate(index, &certificate);
    return 1;
}

static void make_sample(void)
{
    qrc_view(&certifier, image, certifier.count / 2u, model_input(0));
}
#endif

#ifdef WITH_CERTIFIER
static qrc_certifier certifier;

static int open_tables(void)
{
    return (qrc_open(&certifier, certifier_tables, CERTIFIER_TABLES_WORDS) == QRC_OK) &&
           (certifier.coordinates == MODEL_INPUT_SIZE) &&
           (certifier.classes == MODEL_OUTPUT_SIZE);
}

static int certify_image(const uint32_t *job, uint32_t index)
{
    qrc_model model;
    qrc_request request;
    qrc_certificate certificate;
    qrc_status status;

    request.key[0] = ((uint64_t)job[JOB_SEED_HIGH] << 32) | job[JOB_SEED_LOW];
    request.key[1] = index;
    request.pilot = job[JOB_PILOT];
    model.input = model_input(0);
    model.run = run_model;
    model.context = NULL;
    if (job[JOB_SEQUENTIAL] != 0u) {
        status = qrc_test(&certifier, &model, image, &request, votes, &certificate);
    } else {
        status = qrc_certify(&certifier, &model, image, &request, votes, &certificate);
    }
    if (status != QRC_OK) {
        return 0;
    }
    print_certificate(index, &certificate);
    return 1;
}

static void make_sample(void)
{
    const qrc_request request = {{1u, 2u}, 1u};

    qrc_sample(&certifier, image, &request, QRC_BOUND, 0, model_input(0));
}
#endif

static void print_meter(uint32_t stack_certify)
{
    const uint32_t million = meter_million();
    uint32_t sample = 0;
    uint32_t stack_run;
    uint32_t from;
    uint32_t to;

    meter_paint_stack();
    from = meter_ticks();
    model_run();
    to = meter_ticks();
    semihost_print("meter");
    print_number(million);
    print_number(meter_between(from, to));
    stack_run = meter_stack_used();
#if defined(WITH_CERTIFIER) || defined(WITH_VIEWS)
    from = meter_ticks();
    make_sample();
    sample = meter_between(from, meter_ticks());
#endif
    print_number(sample);
    print_number(stack_run);
    print_number(stack_certify);
    semihost_print("\n");
}

int main(void)
{
    uint32_t job[JOB_WORDS];
    const int32_t file = semihost_open("job.bin", SEMIHOST_READ);
    uint32_t stack_certify = 0;
    uint32_t i;

    if ((file < 0) || (semihost_read(file, job, sizeof(job)) != 0) || (job[JOB_MAGIC] != MAGIC)) {
        semihost_print("error: no job.bin\n");
        return 1;
    }
#if defined(WITH_CERTIFIER) || defined(WITH_VIEWS)
    if (!open_tables()) {
        semihost_print("error: the tables are damaged or not this model's\n");
        return 1;
    }
#endif
    meter_start();
    for (i = 0; i < job[JOB_IMAGES]; i++) {
        const uint32_t index = job[JOB_FIRST] + i;

        if (semihost_read(file, image, image_size) != 0) {
            semihost_print("error: job.bin ends too early\n");
            return 1;
        }
#ifndef WITH_VIEWS
        run_image(index);
#endif
#if defined(WITH_CERTIFIER) || defined(WITH_VIEWS)
        if (job[JOB_PILOT] > 0u) {
            meter_paint_stack();
            if (!certify_image(job, index)) {
                semihost_print("error: no such table, or the network failed\n");
                return 1;
            }
            stack_certify = meter_stack_used();
        }
#endif
    }
    semihost_close(file);
    print_meter(stack_certify);
    return 0;
}
