#include "qrobust_families.h"
#include "qrobust_words.h"

#include <string.h>

static const uint32_t MAX_COUNT = 0x00FFFFFFu;

static int is_usable(const qrc_inputs *inputs, const qrc_model *model, const int8_t *image,
                     const qrc_proof *proof)
{
    return (inputs != NULL) && (model != NULL) && (model->input != NULL) &&
           (model->run != NULL) && (image != NULL) && (proof != NULL) &&
           (inputs->height >= 1u) && (inputs->width >= 1u) && (inputs->channels >= 1u) &&
           (inputs->height <= MAX_COUNT) && (inputs->width <= MAX_COUNT) &&
           (inputs->channels <= MAX_COUNT) &&
           (((uint64_t)inputs->height * inputs->width) <= MAX_COUNT) &&
           (((uint64_t)inputs->height * inputs->width * inputs->channels) <= MAX_COUNT) &&
           (inputs->low >= -128) && (inputs->high <= 127) && (inputs->low < inputs->high) &&
           (inputs->classes >= 2u) && (inputs->classes <= MAX_COUNT);
}

static void begin(qrc_proof *proof, uint32_t members)
{
    (void)memset(proof, 0, sizeof(*proof));
    proof->label = QRC_ABSTAIN;
    proof->member = -1;
    proof->members = members;
}

/* Runs member `member`, which `model->input` holds; member 0 is the image itself. Returns whether
 * the next one is wanted. */
static int try_member(const qrc_inputs *inputs, const qrc_model *model, uint32_t member,
                      qrc_proof *proof, qrc_status *status)
{
    const int8_t *outputs = model->run(model->context);
    int more = 0;

    proof->runs++;
    if (outputs == NULL) {
        *status = QRC_MODEL_FAILED;
    } else {
        const uint32_t label = qrc_highest(outputs, inputs->classes);

        if (member == 0u) {
            proof->predicted = label;
        }
        if (label == proof->predicted) {
            more = 1;
        } else {
            proof->member = (int32_t)member;
            proof->found = label;
        }
    }
    return more;
}

/* ---- light ---- */

static int32_t step_of(uint32_t member)
{
    const int32_t size = (int32_t)((member + 1u) / 2u);

    return ((member % 2u) == 1u) ? size : -size;
}

void qrc_light(const qrc_inputs *inputs, const int8_t *image, uint32_t member, int8_t *out)
{
    const uint32_t numbers = inputs->height * inputs->width * inputs->channels;
    const int32_t step = step_of(member);
    uint32_t i;

    for (i = 0; i < numbers; i++) {
        int32_t value = (int32_t)image[i] + step;

        if (value < inputs->low) {
            value = inputs->low;
        }
        if (value > inputs->high) {
            value = inputs->high;
        }
        out[i] = (int8_t)value;
    }
}

qrc_status qrc_prove_light(const qrc_inputs *inputs, const qrc_model *model, const int8_t *image,
                           uint32_t bound, qrc_proof *proof)
{
    qrc_status status = QRC_OK;
    uint32_t member;
    int more = 1;

    if (!is_usable(inputs, model, image, proof) || (bound < 1u) ||
        (bound > (uint32_t)(inputs->high - inputs->low))) {
        return QRC_BAD_REQUEST;
    }
    begin(proof, (2u * bound) + 1u);
    for (member = 0; more && (member < proof->members); member++) {
        qrc_light(inputs, image, member, model->input);
        more = try_member(inputs, model, member, proof, &status);
    }
    if (more) {
        proof->label = (int32_t)proof->predicted;
    }
    return status;
}

/* ---- position ---- */

/* A row or column of the source, or -1 for a pixel of zeros. */
static int32_t source_of(int32_t at, int32_t side, qrc_border border)
{
    int32_t source = at;

    if (border == QRC_WRAP) {
        source = ((at % side) + side) % side;
    } else if ((at < 0) || (at >= side)) {
        source = (border == QRC_ZERO) ? -1 : ((at < 0) ? 0 : (side - 1));
    } else {
        /* It lies inside. */
    }
    return source;
}

void qrc_shift(const qrc_inputs *inputs, const int8_t *image, int32_t rows, int32_t columns,
               qrc_border border, int8_t *out)
{
    const int32_t height = (int32_t)inputs->height;
    const int32_t width = (int32_t)inputs->width;
    int32_t row;
    int32_t column;
    size_t at = 0;

    for (row = 0; row < height; row++) {
        const int32_t from_row = source_of(row - rows, height, border);

        for (column = 0; column < width; column++) {
            const int32_t from = source_of(column - columns, width, border);
            uint32_t c;

            for (c = 0; c < inputs->channels; c++) {
                int32_t value = inputs->zero;

                if ((from_row >= 0) && (from >= 0)) {
                    const size_t pixel = ((size_t)from_row * inputs->width) + (size_t)from;

                    value = image[(pixel * inputs->channels) + c];
                }
                out[at] = (int8_t)value;
                at++;
            }
        }
    }
}

static int32_t size_of(int32_t value)
{
    return (value < 0) ? -value : value;
}

/* Whether a move is of ring `ring` (its larger part) and has `sum` steps in all. */
static int is_next(int32_t rows, int32_t columns, int32_t ring, int32_t sum)
{
    const int32_t down = size_of(rows);
    const int32_t across = size_of(columns);

    return (((down > across) ? down : across) == ring) && ((down + across) == sum);
}

qrc_status qrc_move(uint32_t reach, uint32_t member, int32_t *rows, int32_t *columns)
{
    uint32_t seen = 0;
    uint32_t ring;
    int32_t sum;
    int32_t row;
    int32_t column;

    if ((rows == NULL) || (columns == NULL) || (reach > 1000u) ||
        (member >= (((2u * reach) + 1u) * ((2u * reach) + 1u)))) {
        return QRC_BAD_REQUEST;
    }
    /* Rings hold (2 r + 1)^2 moves up to r: the first whose moves reach past the member. */
    ring = 0;
    while (member >= (((2u * ring) + 1u) * ((2u * ring) + 1u))) {
        seen = ((2u * ring) + 1u) * ((2u * ring) + 1u);
        ring++;
    }
    for (sum = (int32_t)ring; sum <= (2 * (int32_t)ring); sum++) {
        for (row = -(int32_t)ring; row <= (int32_t)ring; row++) {
            for (column = -(int32_t)ring; column <= (int32_t)ring; column++) {
                if (is_next(row, column, (int32_t)ring, sum)) {
                    if (seen == member) {
                        *rows = row;
                        *columns = column;
                        return QRC_OK;
                    }
                    seen++;
                }
            }
        }
    }
    return QRC_BAD_REQUEST; /* not reached: every member has a move */
}

qrc_status qrc_prove_shift(const qrc_inputs *inputs, const qrc_model *model, const int8_t *image,
                           uint32_t reach, qrc_border border, qrc_proof *proof)
{
    qrc_status status = QRC_OK;
    uint32_t member;
    int more = 1;

    if (!is_usable(inputs, model, image, proof) || (reach < 1u) || (reach > 1000u) ||
        (reach >= inputs->height) || (reach >= inputs->width) ||
        ((border != QRC_EDGE) && (border != QRC_ZERO) && (border != QRC_WRAP)) ||
        ((border == QRC_ZERO) &&
         ((inputs->zero < inputs->low) || (inputs->zero > inputs->high)))) {
        return QRC_BAD_REQUEST;
    }
    begin(proof, ((2u * reach) + 1u) * ((2u * reach) + 1u));
    for (member = 0; more && (member < proof->members); member++) {
        int32_t rows = 0;
        int32_t columns = 0;

        status = qrc_move(reach, member, &rows, &columns);
        if (status == QRC_OK) {
            qrc_shift(inputs, image, rows, columns, border, model->input);
            more = try_member(inputs, model, member, proof, &status);
        } else {
            more = 0;
        }
    }
    if (more) {
        proof->label = (int32_t)proof->predicted;
    }
    return status;
}
