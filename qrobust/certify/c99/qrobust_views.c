#include "qrobust_views.h"
#include "qrobust_words.h"

#include <string.h>

/* Layout of the tables, in 32-bit words. */
enum {
    HEAD_MAGIC = 0,
    HEAD_VERSION = 1,
    HEAD_WORDS = 2,
    HEAD_CHECKSUM = QRC_CHECKSUM_AT, /* CRC-32 of every other word */
    HEAD_KIND = 4,
    HEAD_SIZE_OF_VIEW = 5,
    HEAD_THRESHOLD = 6,
    HEAD_CLASSES = 7,
    HEAD_HEIGHT = 8,
    HEAD_WIDTH = 9,
    HEAD_CHANNELS = 10,
    HEAD_LOW = 11,
    HEAD_HIGH = 12,
    HEAD_SIZE = 13
};

static const uint32_t MAGIC = 0x56425251u; /* "QRBV" */
static const uint32_t VERSION = 1u;
static const uint32_t MAX_SIZE = 0x00010000u;
static const uint32_t MAX_COUNT = 0x00FFFFFFu;
/* Views between two looks at the votes; where a run ends is part of its certificate. */
static const uint32_t STEP = 64u;
/* "splits" and "ablate" in ASCII: the keys of the words that views depend on. */
static const uint64_t SPLIT_KEY[2] = {0x73706C697473u, 0u};
static const uint64_t SUBSET_KEY[2] = {0x61626C617465u, 0u};

static uint32_t least(uint32_t a, uint32_t b)
{
    return (a < b) ? a : b;
}

static int is_sound(const qrc_views *views)
{
    const uint32_t side = least(views->height, views->width);
    const uint64_t pixels = (uint64_t)views->height * views->width;
    uint64_t most = MAX_SIZE; /* of splits */

    if (views->kind == (uint32_t)QRC_ABLATION) {
        most = (pixels < MAX_SIZE) ? pixels : MAX_SIZE;
    } else if (views->kind != (uint32_t)QRC_SPLITS) {
        most = side;
    } else {
        /* The limit of splits stands above. */
    }
    return (views->kind <= (uint32_t)QRC_ABLATION) && (views->height >= 1u) &&
           (views->height <= MAX_COUNT) && (views->width >= 1u) && (views->width <= MAX_COUNT) &&
           (views->channels >= 1u) && (views->channels <= MAX_COUNT) && (pixels <= MAX_COUNT) &&
           ((pixels * views->channels) <= MAX_COUNT) && (views->size >= 1u) &&
           (views->size <= most) && (views->threshold <= 255u) && (views->classes >= 2u) &&
           (views->classes <= MAX_COUNT) && (views->low >= -128) && (views->high <= 127) &&
           (views->low < views->high) &&
           ((views->kind != (uint32_t)QRC_SPLITS) ||
            ((views->width == 1u) && (views->channels == 1u)));
}

static uint32_t count_of(const qrc_views *views)
{
    uint32_t count = views->size;

    if (views->kind == (uint32_t)QRC_BANDS) {
        count = views->width;
    }
    if (views->kind == (uint32_t)QRC_BLOCKS) {
        count = views->height * views->width;
    }
    return count;
}

qrc_status qrc_open_views(qrc_views *views, const uint32_t *words, uint32_t count)
{
    qrc_status status = QRC_BAD_TABLES;

    if ((views == NULL) || (words == NULL)) {
        return QRC_BAD_REQUEST;
    }
    (void)memset(views, 0, sizeof(*views));
    if ((count == (uint32_t)HEAD_SIZE) && (words[HEAD_MAGIC] == MAGIC) &&
        (words[HEAD_VERSION] == VERSION) && (words[HEAD_WORDS] == count) &&
        (words[HEAD_CHECKSUM] == qrc_checksum(words, count))) {
        qrc_views read;

        read.kind = words[HEAD_KIND];
        read.size = words[HEAD_SIZE_OF_VIEW];
        read.threshold = words[HEAD_THRESHOLD];
        read.classes = words[HEAD_CLASSES];
        read.height = words[HEAD_HEIGHT];
        read.width = words[HEAD_WIDTH];
        read.channels = words[HEAD_CHANNELS];
        read.low = (int32_t)words[HEAD_LOW];
        read.high = (int32_t)words[HEAD_HIGH];
        read.count = 0;
        if (is_sound(&read)) {
            read.count = count_of(&read);
            *views = read;
            status = QRC_OK;
        }
    }
    return status;
}

/* ---- views ---- */

/* Word `index` of the words that belong to every device, the blocks kept between calls. */
static uint32_t fixed_word(const uint64_t key[2], uint32_t index, qrc_block *block)
{
    if ((index % 8u) == 0u) {
        qrc_philox(key, 0, index / 8u, block);
    }
    return block->half[index % 8u];
}

/* The middle of the cell of `size` values that begins at `begin` modulo `size` and holds `x`. */
static uint32_t middle(uint32_t x, uint32_t begin, uint32_t size, uint32_t top)
{
    uint32_t low = 0;
    uint32_t high = begin - 1u; /* the cell before `begin`, cut off at 0; x < begin */

    if (x >= begin) {
        low = begin + (((x - begin) / size) * size);
        high = (low + size) - 1u;
    }
    return (low + least(high, top)) / 2u;
}

static int is_seen(const qrc_views *views, uint32_t view, uint32_t row, uint32_t column)
{
    const uint32_t across = (column + views->width - (view % views->width)) % views->width;
    const uint32_t down =
        (row + views->height - ((view / views->width) % views->height)) % views->height;

    return (across < views->size) &&
           ((views->kind != (uint32_t)QRC_BLOCKS) || (down < views->size));
}

static void split(const qrc_views *views, const int8_t *image, uint32_t view, int8_t *out)
{
    const uint32_t top = (uint32_t)(views->high - views->low);
    qrc_block block;
    uint32_t i;

    (void)memset(&block, 0, sizeof(block));
    for (i = 0; i < views->height; i++) {
        const uint32_t shift = fixed_word(SPLIT_KEY, i, &block) % views->size;
        const uint32_t x = (uint32_t)((int32_t)image[i] - views->low);
        const uint32_t shown = middle(x, (view + shift) % views->size, views->size, top);

        out[i] = (int8_t)((int32_t)shown + views->low);
    }
}

static void uncover(const qrc_views *views, const int8_t *image, uint32_t view, int8_t *out)
{
    const uint32_t pixels = views->height * views->width;
    qrc_block block;
    uint32_t i;

    (void)memset(&block, 0, sizeof(block));
    for (i = 0; i < pixels; i++) {
        const int8_t *pixel = &image[(size_t)i * views->channels];
        int8_t *shown = &out[(size_t)i * views->channels * 2u];
        int seen;
        uint32_t c;

        if (views->kind == (uint32_t)QRC_ABLATION) {
            seen = (fixed_word(SUBSET_KEY, i, &block) % views->size) == view;
        } else {
            seen = is_seen(views, view, i / views->width, i % views->width);
        }
        for (c = 0; c < views->channels; c++) {
            shown[c] = seen ? pixel[c] : (int8_t)views->low;
            shown[c + views->channels] =
                (int8_t)(seen ? ((views->high - pixel[c]) + views->low) : views->low);
        }
    }
}

void qrc_view(const qrc_views *views, const int8_t *image, uint32_t view, int8_t *out)
{
    if (views->kind == (uint32_t)QRC_SPLITS) {
        split(views, image, view, out);
    } else {
        uncover(views, image, view, out);
    }
}

/* ---- votes ---- */

static int is_usable(const qrc_views *views, const qrc_model *model, const int8_t *image,
                     const uint32_t *votes)
{
    return (views != NULL) && (views->count > 0u) && (model != NULL) && (model->input != NULL) &&
           (model->run != NULL) && (image != NULL) && (votes != NULL);
}

/* Adds the vote of some outputs, if they are far enough apart. */
static void vote(const qrc_views *views, const int8_t *outputs, uint32_t *votes)
{
    const uint32_t best = qrc_highest(outputs, views->classes);
    int32_t second = -128;
    uint32_t i;

    for (i = 0; i < views->classes; i++) {
        if ((i != best) && (outputs[i] > second)) {
            second = outputs[i];
        }
    }
    if (((int32_t)outputs[best] - second) >= (int32_t)views->threshold) {
        votes[best]++;
    }
}

qrc_status qrc_count_views(const qrc_views *views, const qrc_model *model, const int8_t *image,
                           uint32_t start, uint32_t count, uint32_t *votes)
{
    qrc_status status = QRC_OK;
    uint32_t i;

    if (!is_usable(views, model, image, votes) || (start > views->count) ||
        (count > (views->count - start))) {
        return QRC_BAD_REQUEST;
    }
    for (i = 0; (i < count) && (status == QRC_OK); i++) {
        const int8_t *outputs;

        qrc_view(views, image, start + i, model->input);
        outputs = model->run(model->context);
        if (outputs == NULL) {
            status = QRC_MODEL_FAILED;
        } else {
            vote(views, outputs, votes);
        }
    }
    return status;
}

/* ---- certificates ---- */

static uint32_t leader(const qrc_views *views, const uint32_t *votes)
{
    uint32_t best = 0;
    uint32_t i;

    for (i = 1; i < views->classes; i++) {
        if (votes[i] > votes[best]) {
            best = i;
        }
    }
    return best;
}

/* n_A - max(n_c + [c < A]), at least 0: ties go to the lowest index. */
static uint32_t margin_of(const qrc_views *views, const uint32_t *votes)
{
    const uint32_t best = leader(views, votes);
    uint32_t most = 0;
    uint32_t i;

    for (i = 0; i < views->classes; i++) {
        if (i != best) {
            const uint32_t other = votes[i] + ((i < best) ? 1u : 0u);
            most = (other > most) ? other : most;
        }
    }
    return votes[best] - most;
}

uint32_t qrc_touched(const qrc_views *views, uint32_t radius)
{
    uint32_t touched = radius;

    if ((radius > 0u) && ((views->kind == (uint32_t)QRC_BANDS) ||
                          (views->kind == (uint32_t)QRC_BLOCKS))) {
        /* A patch larger than the picture is the whole picture. */
        const uint32_t side = least(radius, MAX_COUNT);

        touched = least((side + views->size) - 1u, views->width);
        if (views->kind == (uint32_t)QRC_BLOCKS) {
            touched *= least((side + views->size) - 1u, views->height);
        }
    }
    return touched;
}

int64_t qrc_views_radius(const qrc_views *views, const uint32_t *votes, uint32_t unseen)
{
    const uint32_t margin = margin_of(views, votes);
    int64_t radius = QRC_ABSTAIN;

    if (margin >= unseen) {
        const uint32_t left = margin - unseen;
        const uint32_t side = least(views->height, views->width);
        uint32_t size = 0;

        if ((views->kind == (uint32_t)QRC_BANDS) || (views->kind == (uint32_t)QRC_BLOCKS)) {
            while ((size < side) && ((left / 2u) >= qrc_touched(views, size + 1u))) {
                size++;
            }
        } else {
            size = left / 2u;
        }
        radius = (int64_t)size;
    }
    return radius;
}

/* Whether a patch of this side fits into the picture; other changes always do. */
static int fits(const qrc_views *views, uint32_t wanted)
{
    return (wanted == QRC_LARGEST) || (views->kind == (uint32_t)QRC_SPLITS) ||
           (views->kind == (uint32_t)QRC_ABLATION) ||
           (wanted <= least(views->height, views->width));
}

static void accept(qrc_certificate *certificate, uint32_t radius)
{
    certificate->decision = QRC_CERTIFIED;
    certificate->label = (int32_t)certificate->candidate;
    certificate->radius_q16 = radius << 16;
}

qrc_status qrc_certify_views(const qrc_views *views, const qrc_model *model, const int8_t *image,
                             uint32_t wanted, uint32_t *votes, qrc_certificate *certificate)
{
    qrc_status status = QRC_OK;
    uint32_t unseen;
    int open = 1;

    if (!is_usable(views, model, image, votes) || (certificate == NULL) || !fits(views, wanted)) {
        return QRC_BAD_REQUEST;
    }
    (void)memset(certificate, 0, sizeof(*certificate));
    (void)memset(votes, 0, (size_t)views->classes * sizeof(votes[0]));
    certificate->label = QRC_ABSTAIN;
    certificate->decision = QRC_GAVE_UP;
    unseen = views->count;
    while ((unseen > 0u) && (status == QRC_OK) && open) {
        const uint32_t count = (wanted == QRC_LARGEST) ? unseen : least(STEP, unseen);

        status = qrc_count_views(views, model, image, views->count - unseen, count, votes);
        unseen -= count;
        certificate->samples = views->count - unseen;
        certificate->candidate = leader(views, votes);
        if ((status == QRC_OK) && (wanted != QRC_LARGEST)) {
            const uint64_t needed = 2u * (uint64_t)qrc_touched(views, wanted);
            const uint64_t margin = margin_of(views, votes);

            if (margin >= (needed + unseen)) {
                accept(certificate, wanted);
                open = 0;
            } else if ((margin + unseen) < needed) { /* whoever wins in the end */
                open = 0;
            } else {
                /* The next views decide. */
            }
        }
    }
    if ((status == QRC_OK) && (wanted == QRC_LARGEST)) {
        accept(certificate, (uint32_t)qrc_views_radius(views, votes, 0));
    }
    return status;
}
