/* Certain predictions by counting: every view of an input is run, nothing is drawn.
 *
 * The same views, votes and radii as `qrobust certify` of a file whose spec counts splits (L1),
 * bands or blocks (a square patch) or disjoint subsets of the pixels (ablation, L0). No noise
 * tables: the tables are 52 bytes. No heap, no floating point.
 *
 *     qrc_views views;
 *     if (qrc_open_views(&views, tables, tables_words) == QRC_OK) {
 *         qrc_certify_views(&views, &model, image, QRC_LARGEST, votes, &certificate);
 *     }
 */
#ifndef QROBUST_VIEWS_H
#define QROBUST_VIEWS_H

#include "qrobust_certify.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Run every view and state the largest radius. */
#define QRC_LARGEST UINT32_MAX

typedef enum {
    QRC_SPLITS = 0,  /* the middle of the cell of M values that each number lies in */
    QRC_BANDS = 1,   /* some columns of the picture, wrapping around */
    QRC_BLOCKS = 2,  /* a square of the picture, wrapping around */
    QRC_ABLATION = 3 /* one of M disjoint subsets of the pixels */
} qrc_kind;

/* Tables that passed every check. Read it, do not write it. */
typedef struct {
    uint32_t kind;
    uint32_t size;      /* M of splits and subsets, columns of a band, side of a block */
    uint32_t threshold; /* a margin below it, in output steps, is no vote */
    uint32_t classes;
    uint32_t height;    /* of splits: all numbers of an input, one column, one channel */
    uint32_t width;
    uint32_t channels;  /* of the image; but for splits the network reads twice as many */
    int32_t low;        /* least and greatest input integer */
    int32_t high;
    uint32_t count;     /* of views */
} qrc_views;

/* Checks tables; nothing points into `words` afterwards. */
qrc_status qrc_open_views(qrc_views *views, const uint32_t *words, uint32_t count);

/* Writes view `view` of an image to `out`: as many integers as the image has, for splits; else
 * twice as many, x and T - x of every pixel that is seen, and `low` twice (NULL) of all others. */
void qrc_view(const qrc_views *views, const int8_t *image, uint32_t view, int8_t *out);

/* Adds the votes of views `start` to `start + count - 1` to `votes[classes]`. Work may be cut
 * anywhere and go on later. */
qrc_status qrc_count_views(const qrc_views *views, const qrc_model *model, const int8_t *image,
                           uint32_t start, uint32_t count, uint32_t *votes);

/* The most views that a change of this size reaches: L1 in steps, a patch's side, or pixels. */
uint32_t qrc_touched(const qrc_views *views, uint32_t radius);

/* The largest radius at which the winner of `votes` stays, whatever `unseen` more views say;
 * QRC_ABSTAIN where they may choose another winner. */
int64_t qrc_views_radius(const qrc_views *views, const uint32_t *votes, uint32_t unseen);

/* Certifies one input at a wanted radius, with as few views as decide it, or at QRC_LARGEST.
 * `samples` are the views that ran; `radius_q16` is 2^16 times a whole radius, which is itself
 * certified; `candidate` is the winner of the views that ran. */
qrc_status qrc_certify_views(const qrc_views *views, const qrc_model *model, const int8_t *image,
                             uint32_t wanted, uint32_t *votes, qrc_certificate *certificate);

#ifdef __cplusplus
}
#endif

#endif /* QROBUST_VIEWS_H */
