/* Proofs by exhaustion: a network is run on every member of a family of changes.
 *
 * The same members in the same order as `qrobust verify --family light:B` and `shift:R`. No tables
 * at all, no heap, no floating point. A proof is certain; it is about the integers that the network
 * is given, and says that the label of `image` is the label of every member.
 *
 *     qrc_inputs inputs = {28, 28, 1, -128, 127, -128, 10};
 *     qrc_prove_light(&inputs, &model, image, 32, &proof);
 */
#ifndef QROBUST_FAMILIES_H
#define QROBUST_FAMILIES_H

#include "qrobust_certify.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an input is. */
typedef struct {
    uint32_t height;
    uint32_t width;
    uint32_t channels;
    int32_t low;  /* least and greatest input integer */
    int32_t high;
    int32_t zero; /* the integer that stands for 0: the input's zero point */
    uint32_t classes;
} qrc_inputs;

/* What comes in where a picture moves. */
typedef enum {
    QRC_EDGE = 0, /* the nearest pixel of the border */
    QRC_ZERO = 1, /* 0 */
    QRC_WRAP = 2  /* what left on the other side */
} qrc_border;

typedef struct {
    int32_t label;      /* the proven class, or QRC_ABSTAIN */
    uint32_t predicted; /* class of the image itself */
    uint32_t members;   /* of the family */
    uint32_t runs;      /* of the network */
    int32_t member;     /* the first with another label, or -1; it is in `model->input` only if the
                         * network leaves its input alone: write it again with qrc_light, qrc_shift */
    uint32_t found;     /* that label */
} qrc_proof;

/* Writes member `member` of sat(x + k): k = 0, 1, -1, 2, -2, ... */
void qrc_light(const qrc_inputs *inputs, const int8_t *image, uint32_t member, int8_t *out);

/* Proves, or refutes, that the label stays for every whole k from -bound to bound. */
qrc_status qrc_prove_light(const qrc_inputs *inputs, const qrc_model *model, const int8_t *image,
                           uint32_t bound, qrc_proof *proof);

/* Writes x moved by `rows` down and `columns` to the right. */
void qrc_shift(const qrc_inputs *inputs, const int8_t *image, int32_t rows, int32_t columns,
               qrc_border border, int8_t *out);

/* Tells the move of member `member` of all moves by at most `reach`, nearest first. */
qrc_status qrc_move(uint32_t reach, uint32_t member, int32_t *rows, int32_t *columns);

/* Proves, or refutes, that the label stays for every move by at most `reach` rows and columns. */
qrc_status qrc_prove_shift(const qrc_inputs *inputs, const qrc_model *model, const int8_t *image,
                           uint32_t reach, qrc_border border, qrc_proof *proof);

#ifdef __cplusplus
}
#endif

#endif /* QROBUST_FAMILIES_H */
