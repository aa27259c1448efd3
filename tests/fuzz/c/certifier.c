/* libFuzzer's entry to the certifier: sizes, tables, requests, votes.
 *
 * An input is a control byte, a pilot, a purpose, a key (two bytes), then 32-bit words of tables.
 * The words that every table shares (identifier, version, length, CRC-32) are put right unless the
 * control byte says otherwise: behind them is where faults would be. Every buffer is as large as
 * what the tables claim and no larger. What has to hold beyond memory is checked by `hold`. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "qrobust_certify.h"

enum {
    HEAD = 14,
    CONTROL = 5,
    /* Larger tables are opened and asked for radii, and draw nothing: a fuzzer needs speed. */
    MOST_COORDINATES = 4096,
    MOST_CLASSES = 4096,
    MOST_DRAWS = 1 << 17
};

typedef struct {
    int8_t *input;
    int8_t *outputs;
    uint32_t coordinates;
    uint32_t classes;
    uint32_t runs;
    uint32_t fails_at; /* run that returns nothing; 0: none does */
    int decided;       /* for one class, whatever it reads */
} network_t;

static void hold(int condition)
{
    if (!condition) {
        abort();
    }
}

static uint32_t crc32(const uint32_t *words, uint32_t count)
{
    uint32_t crc = 0xFFFFFFFFu;
    uint32_t i;
    uint32_t bit;

    for (i = 0; i < count; i++) {
        if (i != 3u) {
            crc ^= words[i];
            for (bit = 0; bit < 32u; bit++) {
                crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
            }
        }
    }
    return ~crc;
}

/* A network of no sense that reads its whole input and overwrites it, as one of ours may. */
static const int8_t *run(void *context)
{
    network_t *network = context;
    uint32_t sum = 0;
    uint32_t i;

    network->runs++;
    for (i = 0; i < network->coordinates; i++) {
        sum = (sum * 31u) + (uint8_t)network->input[i];
    }
    sum = network->decided ? 1u : sum;
    memset(network->input, 0, network->coordinates);
    for (i = 0; i < network->classes; i++) {
        sum = (sum * 1103515245u) + 12345u;
        network->outputs[i] = (int8_t)((int32_t)((sum >> 16) & 0xFFu) - 128);
    }
    return (network->runs == network->fails_at) ? NULL : network->outputs;
}

static uint64_t total(const uint32_t *votes, uint32_t classes)
{
    uint64_t sum = 0;
    uint32_t i;

    for (i = 0; i < classes; i++) {
        sum += votes[i];
    }
    return sum;
}

static void ask_radii(const qrc_certifier *certifier)
{
    const uint32_t n = certifier->samples;

    hold(qrc_radius(certifier, n + 1u) == QRC_ABSTAIN);
    hold(qrc_radius(certifier, UINT32_MAX) == QRC_ABSTAIN);
    hold((n == 0u) || (certifier->least_votes == 0u) ||
         (qrc_radius(certifier, certifier->least_votes - 1u) == QRC_ABSTAIN));
    if ((n > 0u) && (n <= 100000u)) {
        hold(qrc_radius(certifier, certifier->least_votes) == (int64_t)certifier->first_radius);
        hold(qrc_radius(certifier, n) >= 0);
    }
}

static void judge(const qrc_certifier *certifier, qrc_status status, const qrc_certificate *found,
                  const uint32_t *votes)
{
    if (status != QRC_OK) {
        hold(status == QRC_MODEL_FAILED);
        return;
    }
    hold(found->candidate < certifier->classes);
    hold(total(votes, certifier->classes) == found->samples);
    hold((found->decision == QRC_CERTIFIED) ? (found->label == (int32_t)found->candidate)
                                            : ((found->label == QRC_ABSTAIN) &&
                                               (found->radius_q16 == 0u)));
}

static void draw(const qrc_certifier *certifier, const uint8_t *control)
{
    const uint32_t size = certifier->coordinates;
    const uint32_t classes = certifier->classes;
    const uint32_t affordable = MOST_DRAWS / size;
    const qrc_purpose purpose = (qrc_purpose)(control[2] % 3u);
    int8_t *image = malloc(size);
    uint32_t *votes = calloc(classes, sizeof(*votes));
    uint32_t *parts = calloc(classes, sizeof(*parts));
    network_t network = {malloc(size), malloc(classes), size, classes, 0, 0, 0};
    qrc_model model = {network.input, run, &network};
    qrc_request request = {{control[3], control[4]}, control[1]};
    qrc_certificate found;
    const uint32_t count = (affordable < 9u) ? affordable : 9u;
    const uint32_t cut = (count == 0u) ? 0u : (control[1] % (count + 1u));
    uint32_t i;

    for (i = 0; i < size; i++) {
        image[i] = (int8_t)((int32_t)(((i * 37u) + control[4]) & 0xFFu) - 128);
    }
    /* A count may be cut anywhere, and far from the start. */
    hold(qrc_count(certifier, &model, image, &request, purpose, (uint64_t)control[4] << 36, count,
                   votes) == QRC_OK);
    hold(total(votes, classes) == count);
    hold(qrc_count(certifier, &model, image, &request, purpose, (uint64_t)control[4] << 36, cut,
                   parts) == QRC_OK);
    hold(qrc_count(certifier, &model, image, &request, purpose,
                   ((uint64_t)control[4] << 36) + cut, count - cut, parts) == QRC_OK);
    hold(memcmp(votes, parts, (size_t)classes * sizeof(*votes)) == 0);
    hold(qrc_winner(votes, classes) < classes);
    qrc_sample(certifier, image, &request, purpose, UINT64_MAX, network.input);
    for (i = 0; i < size; i++) {
        hold((network.input[i] >= certifier->low) && (network.input[i] <= certifier->high));
    }

    network.runs = 0;
    network.decided = (control[0] & 16u) != 0u;
    network.fails_at = ((control[0] & 8u) != 0u) ? (control[3] + 1u) : 0u;
    if (request.pilot == 0u) {
        hold(qrc_certify(certifier, &model, image, &request, votes, &found) == QRC_BAD_REQUEST);
        hold(qrc_test(certifier, &model, image, &request, votes, &found) == QRC_BAD_REQUEST);
    } else {
        if ((certifier->samples > 0u) && (certifier->samples <= affordable)) {
            judge(certifier, qrc_certify(certifier, &model, image, &request, votes, &found),
                  &found, votes);
        }
        if ((certifier->checkpoints > 0u) &&
            (certifier->stops[(certifier->checkpoints - 1u) * 3u] <= affordable)) {
            judge(certifier, qrc_test(certifier, &model, image, &request, votes, &found), &found,
                  votes);
        }
    }
    free(image);
    free(votes);
    free(parts);
    free(network.input);
    free(network.outputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t count = (size < CONTROL) ? 0u : (uint32_t)((size - CONTROL) / 4u);
    qrc_certifier certifier;
    uint32_t *words;

    if (count == 0u) {
        return 0;
    }
    words = malloc((size_t)count * 4u);
    memcpy(words, &data[CONTROL], (size_t)count * 4u);
    if (count >= HEAD) {
        words[0] = ((data[0] & 1u) == 0u) ? 0x43425251u : words[0];
        words[1] = ((data[0] & 1u) == 0u) ? 1u : words[1];
        words[2] = ((data[0] & 2u) == 0u) ? count : words[2];
        words[3] = ((data[0] & 4u) == 0u) ? crc32(words, count) : words[3];
    }
    if (qrc_open(&certifier, words, count) == QRC_OK) {
        ask_radii(&certifier);
        if ((certifier.coordinates <= MOST_COORDINATES) && (certifier.classes <= MOST_CLASSES)) {
            draw(&certifier, data);
        }
    } else {
        uint32_t vote = 0;

        /* What did not open certifies nothing. */
        hold(certifier.coordinates == 0u);
        hold(qrc_radius(&certifier, 1) == QRC_ABSTAIN);
        hold(qrc_test(&certifier, NULL, NULL, NULL, &vote, NULL) == QRC_BAD_REQUEST);
    }
    free(words);
    return 0;
}
