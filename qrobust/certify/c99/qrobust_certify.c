#include "qrobust_certify.h"
#include "qrobust_words.h"

#include <string.h>

/* Layout of the tables, in 32-bit words; what comes after the head lies in this order. */
enum {
    HEAD_MAGIC = 0,
    HEAD_VERSION = 1,
    HEAD_WORDS = 2,
    HEAD_CHECKSUM = QRC_CHECKSUM_AT, /* CRC-32 of every other word, least significant byte first */
    HEAD_COORDINATES = 4,
    HEAD_CLASSES = 5,
    HEAD_LOW = 6,
    HEAD_HIGH = 7,
    HEAD_SAMPLES = 8,
    HEAD_LEAST_VOTES = 9,
    HEAD_FIRST_RADIUS = 10,
    HEAD_NIBBLES = 11,
    HEAD_CHECKPOINTS = 12,
    HEAD_SEQUENTIAL_RADIUS = 13,
    HEAD_SIZE = 14,
    GUIDE_WORDS = 32 /* 128 bytes: thresholds below each 256th of a half */
};

static const uint32_t MAGIC = 0x43425251u; /* "QRBC" */
static const uint32_t VERSION = 1u;
static const uint32_t MAX_SPAN = 255u;
static const uint32_t MAX_COUNT = 0x00FFFFFFu; /* keeps every sum of counts within 32 bits */

/* ---- tables ---- */

static uint32_t top_of(const qrc_certifier *certifier, uint32_t index)
{
    return (certifier->tops[index / 2u] >> (16u * (index % 2u))) & 0xFFFFu;
}

static uint64_t rest_of(const qrc_certifier *certifier, uint32_t index)
{
    const uint32_t *rest = &certifier->rests[(size_t)index * 2u];

    return ((uint64_t)rest[1] << 32) | rest[0];
}

static uint32_t guide_of(const qrc_certifier *certifier, uint32_t word)
{
    const uint32_t byte = word >> 8;

    return (certifier->guide[byte / 4u] >> (8u * (byte % 4u))) & 0xFFu;
}

/* Whether the sequential test's checkpoints come in order. */
static int stops_are_sound(const qrc_certifier *certifier)
{
    int sound = 1;
    uint32_t before = 0;
    uint32_t i;

    for (i = 0; i < certifier->checkpoints; i++) {
        const uint32_t samples = certifier->stops[3u * i];
        sound = sound && (samples > before) && (samples <= MAX_COUNT);
        before = samples;
    }
    return sound;
}

/* Whether the thresholds rise and the guide points right before each run of them. */
static int thresholds_are_sound(const qrc_certifier *certifier)
{
    int sound = 1;
    uint32_t below = 0;
    uint32_t i;

    for (i = 0; i < certifier->span; i++) {
        const uint32_t top = top_of(certifier, i);
        sound = sound && (top < 0x8000u);
        if (i > 0u) {
            const uint32_t before = top_of(certifier, i - 1u);
            sound = sound && ((before < top) || ((before == top) && (rest_of(certifier, i - 1u) <=
                                                                     rest_of(certifier, i))));
        }
    }
    for (i = 0; sound && (i < 128u); i++) {
        while ((below < certifier->span) && (top_of(certifier, below) < (i << 8))) {
            below++;
        }
        sound = guide_of(certifier, i << 8) == below;
    }
    return sound;
}

/* ---- votes to radius: second differences in nibbles of three bits, the fourth says "more" ---- */

typedef struct {
    const uint32_t *words;
    uint32_t at;
    uint32_t end;
} reader_t;

/* The next signed number; 0 past the end, so that a reader always stops. */
static int32_t read_number(reader_t *reader)
{
    uint32_t value = 0;
    uint32_t shift = 0;
    uint32_t more = 1;

    while ((more != 0u) && (reader->at < reader->end) && (shift < 32u)) {
        const uint32_t nibble =
            (reader->words[reader->at / 8u] >> (4u * (reader->at % 8u))) & 0xFu;
        value |= (nibble & 7u) << shift;
        more = nibble & 8u;
        shift += 3u;
        reader->at++;
    }
    /* Zigzag: 0, -1, 1, -2, ... */
    return (int32_t)((value >> 1) ^ (0u - (value & 1u)));
}

int64_t qrc_radius(const qrc_certifier *certifier, uint32_t votes)
{
    int64_t radius = QRC_ABSTAIN;

    if ((votes >= certifier->least_votes) && (votes <= certifier->samples)) {
        reader_t reader;
        uint32_t value = certifier->first_radius;
        uint32_t step = 0;
        uint32_t i;

        reader.words = certifier->radii;
        reader.at = 0;
        reader.end = certifier->nibbles;
        for (i = certifier->least_votes; i < votes; i++) {
            step += (uint32_t)read_number(&reader);
            value += step;
        }
        radius = (int64_t)value;
    }
    return radius;
}

/* ---- opening ---- */

static uint32_t words_of(uint32_t items, uint32_t per_word)
{
    return (items + per_word - 1u) / per_word;
}

static int head_is_sound(const qrc_certifier *certifier)
{
    return (certifier->coordinates >= 1u) && (certifier->coordinates <= MAX_COUNT) &&
           (certifier->classes >= 1u) && (certifier->classes <= MAX_COUNT) &&
           (certifier->low >= -128) && (certifier->high <= 127) &&
           (certifier->low < certifier->high) && (certifier->span <= MAX_SPAN) &&
           (certifier->samples <= MAX_COUNT) && (certifier->least_votes <= certifier->samples) &&
           ((certifier->samples == 0u) || (certifier->least_votes >= 1u)) &&
           (certifier->nibbles <= MAX_COUNT) && (certifier->checkpoints <= MAX_COUNT);
}

qrc_status qrc_open(qrc_certifier *certifier, const uint32_t *words, uint32_t count)
{
    qrc_status status = QRC_BAD_TABLES;

    if ((certifier == NULL) || (words == NULL)) {
        return QRC_BAD_REQUEST;
    }
    (void)memset(certifier, 0, sizeof(*certifier));
    if ((count >= (uint32_t)HEAD_SIZE) && (words[HEAD_MAGIC] == MAGIC) &&
        (words[HEAD_VERSION] == VERSION) && (words[HEAD_WORDS] == count) &&
        (words[HEAD_CHECKSUM] == qrc_checksum(words, count))) {
        qrc_certifier read;

        read.coordinates = words[HEAD_COORDINATES];
        read.classes = words[HEAD_CLASSES];
        read.low = (int32_t)words[HEAD_LOW];
        read.high = (int32_t)words[HEAD_HIGH];
        read.span = words[HEAD_HIGH] - words[HEAD_LOW];
        read.samples = words[HEAD_SAMPLES];
        read.least_votes = words[HEAD_LEAST_VOTES];
        read.first_radius = words[HEAD_FIRST_RADIUS];
        read.nibbles = words[HEAD_NIBBLES];
        read.checkpoints = words[HEAD_CHECKPOINTS];
        read.sequential_radius_q16 = words[HEAD_SEQUENTIAL_RADIUS];
        if (head_is_sound(&read)) {
            read.guide = &words[HEAD_SIZE];
            read.tops = &read.guide[GUIDE_WORDS];
            read.rests = &read.tops[words_of(read.span, 2u)];
            read.radii = &read.rests[(size_t)read.span * 2u];
            read.stops = &read.radii[words_of(read.nibbles, 8u)];
            if ((((uint32_t)HEAD_SIZE + (uint32_t)GUIDE_WORDS + words_of(read.span, 2u) +
                  (read.span * 2u) + words_of(read.nibbles, 8u) + (read.checkpoints * 3u)) ==
                 count) &&
                thresholds_are_sound(&read) && stops_are_sound(&read)) {
                *certifier = read;
                status = QRC_OK;
            }
        }
    }
    return status;
}

/* ---- noise ---- */

/* Where the words of one sample lie, and the block of refinement words at hand. */
typedef struct {
    const qrc_certifier *certifier;
    const qrc_request *request;
    uint64_t stream;
    uint64_t sample;
    uint64_t reserve_start; /* word index */
    uint32_t reserve;       /* refinement words in the window */
    uint32_t used;          /* refinement words taken */
    qrc_block block;
} refiner_t;

/* The other 64 bits of the next ambiguous draw. */
static uint64_t next_rest(refiner_t *refiner)
{
    const qrc_request *request = refiner->request;
    const uint32_t rank = refiner->used;
    uint64_t rest;

    if (rank < refiner->reserve) {
        const uint64_t word = refiner->reserve_start + rank;
        if ((rank % 4u) == 0u) { /* the reserve starts on a block */
            qrc_philox(request->key, refiner->stream, word / 4u, &refiner->block);
        }
        rest = qrc_word_of(&refiner->block, rank % 4u);
    } else {
        const uint64_t word = (refiner->sample * refiner->certifier->coordinates) + rank;
        qrc_philox(request->key, refiner->stream + 1u, word / 4u, &refiner->block);
        rest = qrc_word_of(&refiner->block, (uint32_t)(word % 4u));
    }
    refiner->used = rank + 1u;
    return rest;
}

/* The noise of one 16-bit word. The tables hold the lower half of the thresholds; a draw in the
 * upper half is the mirror image of one below, U' = 2^80 - 1 - U. */
static int32_t draw(refiner_t *refiner, uint32_t word)
{
    const qrc_certifier *certifier = refiner->certifier;
    const uint32_t span = certifier->span;
    const int mirrored = (word & 0x8000u) != 0u;
    const uint32_t folded = mirrored ? (word ^ 0xFFFFu) : word;
    uint32_t count = guide_of(certifier, folded);

    while ((count < span) && (top_of(certifier, count) < folded)) {
        count++;
    }
    if ((count < span) && (top_of(certifier, count) == folded)) {
        /* A threshold shares the word. Sixteen bits settle the draw all the same where each such
         * threshold is the word's very first (from above: its last) value. */
        uint32_t end = count + 1u;
        int settled;

        while ((end < span) && (top_of(certifier, end) == folded)) {
            end++;
        }
        settled = mirrored ? (rest_of(certifier, count) == UINT64_MAX)
                           : (rest_of(certifier, end - 1u) == 0u);
        if (settled) {
            count = mirrored ? count : end;
        } else {
            const uint64_t rest = next_rest(refiner);
            while ((count < end) && (mirrored ? (rest_of(certifier, count) < ~rest)
                                              : (rest_of(certifier, count) <= rest))) {
                count++;
            }
        }
    }
    return mirrored ? ((int32_t)span - (int32_t)count) : ((int32_t)count - (int32_t)span);
}

void qrc_sample(const qrc_certifier *certifier, const int8_t *image, const qrc_request *request,
                qrc_purpose purpose, uint64_t sample, int8_t *out)
{
    const uint32_t coordinates = certifier->coordinates;
    const uint64_t main_words = 4u * (uint64_t)words_of(coordinates, 16u);
    const uint64_t reserve = 4u * (1u + (uint64_t)(coordinates / 256u));
    const uint64_t start = sample * (main_words + reserve);
    refiner_t refiner;
    qrc_block block;
    uint32_t i;

    refiner.certifier = certifier;
    refiner.request = request;
    refiner.stream = 2u * (uint64_t)purpose;
    refiner.sample = sample;
    refiner.reserve_start = start + main_words;
    refiner.reserve = (uint32_t)reserve;
    refiner.used = 0;
    (void)memset(&block, 0, sizeof(block)); /* the first round of the loop fills it */
    for (i = 0; i < coordinates; i++) {
        int32_t value;

        if ((i % 16u) == 0u) {
            qrc_philox(request->key, refiner.stream, (start / 4u) + (i / 16u),
                   &block);
        }
        value = draw(&refiner, (block.half[(i / 2u) % 8u] >> (16u * (i % 2u))) & 0xFFFFu);
        value += image[i];
        if (value < certifier->low) {
            value = certifier->low;
        }
        if (value > certifier->high) {
            value = certifier->high;
        }
        out[i] = (int8_t)value;
    }
}

/* ---- votes and certificates ---- */

uint32_t qrc_winner(const uint32_t *votes, uint32_t classes)
{
    uint32_t best = 0;
    uint32_t i;

    for (i = 1; i < classes; i++) {
        if (votes[i] > votes[best]) {
            best = i;
        }
    }
    return best;
}

static int is_usable(const qrc_certifier *certifier, const qrc_model *model, const int8_t *image,
                     const qrc_request *request, const uint32_t *votes)
{
    return (certifier != NULL) && (certifier->coordinates > 0u) && (model != NULL) &&
           (model->input != NULL) && (model->run != NULL) && (image != NULL) &&
           (request != NULL) && (votes != NULL);
}

qrc_status qrc_count(const qrc_certifier *certifier, const qrc_model *model, const int8_t *image,
                     const qrc_request *request, qrc_purpose purpose, uint64_t start,
                     uint32_t count, uint32_t *votes)
{
    qrc_status status = QRC_OK;
    uint32_t i;

    if (!is_usable(certifier, model, image, request, votes)) {
        return QRC_BAD_REQUEST;
    }
    for (i = 0; (i < count) && (status == QRC_OK); i++) {
        const int8_t *outputs;

        qrc_sample(certifier, image, request, purpose, start + i, model->input);
        outputs = model->run(model->context);
        if (outputs == NULL) {
            status = QRC_MODEL_FAILED;
        } else {
            votes[qrc_highest(outputs, certifier->classes)]++;
        }
    }
    return status;
}

/* Lets the pilot choose the class, and clears the votes: its samples never serve the bound. */
static qrc_status choose(const qrc_certifier *certifier, const qrc_model *model,
                         const int8_t *image, const qrc_request *request, uint32_t *votes,
                         qrc_certificate *certificate)
{
    qrc_status status = QRC_BAD_REQUEST;

    if (is_usable(certifier, model, image, request, votes) && (certificate != NULL) &&
        (request->pilot > 0u)) {
        const size_t bytes = (size_t)certifier->classes * sizeof(votes[0]);

        (void)memset(certificate, 0, sizeof(*certificate));
        certificate->label = QRC_ABSTAIN;
        (void)memset(votes, 0, bytes);
        status = qrc_count(certifier, model, image, request, QRC_PILOT, 0, request->pilot, votes);
        if (status == QRC_OK) {
            certificate->candidate = qrc_winner(votes, certifier->classes);
            (void)memset(votes, 0, bytes);
        }
    }
    return status;
}

static void accept(qrc_certificate *certificate, uint32_t radius_q16)
{
    certificate->decision = QRC_CERTIFIED;
    certificate->label = (int32_t)certificate->candidate;
    certificate->radius_q16 = radius_q16;
}

qrc_status qrc_certify(const qrc_certifier *certifier, const qrc_model *model, const int8_t *image,
                       const qrc_request *request, uint32_t *votes, qrc_certificate *certificate)
{
    qrc_status status;

    if ((certifier == NULL) || (certifier->samples == 0u)) {
        return QRC_BAD_REQUEST;
    }
    status = choose(certifier, model, image, request, votes, certificate);
    if (status == QRC_OK) {
        certificate->decision = QRC_ABSTAINED;
        status = qrc_count(certifier, model, image, request, QRC_BOUND, 0, certifier->samples,
                           votes);
        certificate->samples = certifier->samples;
    }
    if (status == QRC_OK) {
        const int64_t radius = qrc_radius(certifier, votes[certificate->candidate]);

        if (radius >= 0) {
            accept(certificate, (uint32_t)radius);
        }
    }
    return status;
}

qrc_status qrc_test(const qrc_certifier *certifier, const qrc_model *model, const int8_t *image,
                    const qrc_request *request, uint32_t *votes, qrc_certificate *certificate)
{
    qrc_status status;
    int open = 1;
    uint32_t i;

    if ((certifier == NULL) || (certifier->checkpoints == 0u)) {
        return QRC_BAD_REQUEST;
    }
    status = choose(certifier, model, image, request, votes, certificate);
    if (status == QRC_OK) {
        certificate->decision = QRC_UNDECIDED;
    }
    for (i = 0; (i < certifier->checkpoints) && (status == QRC_OK) && open; i++) {
        const uint32_t *stop = &certifier->stops[(size_t)i * 3u];
        const uint32_t drawn = certificate->samples;

        status = qrc_count(certifier, model, image, request, QRC_BOUND, drawn, stop[0] - drawn,
                           votes);
        certificate->samples = stop[0];
        if (status == QRC_OK) {
            const uint32_t count = votes[certificate->candidate];

            if (count >= stop[1]) {
                accept(certificate, certifier->sequential_radius_q16);
                open = 0;
            } else if ((int32_t)count <= (int32_t)stop[2]) { /* -1: it never gives up here */
                certificate->decision = QRC_GAVE_UP;
                open = 0;
            } else {
                /* The next checkpoint decides. */
            }
        }
    }
    return status;
}
