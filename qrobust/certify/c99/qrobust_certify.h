/* Certified predictions in integer arithmetic: noise, votes, certificates.
 *
 * The same draws, votes and radii as `qrobust certify` on a computer, bit for bit, from tables of a
 * few kilobytes. No heap, no floating point, nothing of the C library but <stdint.h> and
 * <string.h>. The network sits behind one function pointer.
 *
 *     qrc_certifier certifier;
 *     if (qrc_open(&certifier, tables, tables_words) == QRC_OK) {
 *         qrc_certify(&certifier, &model, image, &request, votes, &certificate);
 *     }
 */
#ifndef QROBUST_CERTIFY_H
#define QROBUST_CERTIFY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The label of an input about which nothing is certified, and its radius. */
#define QRC_ABSTAIN (-1)

typedef enum {
    QRC_OK = 0,
    QRC_BAD_TABLES = 1, /* damaged, of another version, or cut off */
    QRC_BAD_REQUEST = 2, /* a null pointer, no pilot, or tables without what was asked for */
    QRC_MODEL_FAILED = 3 /* the network returned no outputs */
} qrc_status;

/* What samples are drawn for; each purpose has a stream of random words of its own. */
typedef enum {
    QRC_PILOT = 0,
    QRC_BOUND = 1,
    QRC_PREDICT = 2
} qrc_purpose;

/* A network: `run` reads `input` and returns one int8 per class, or a null pointer. It may
 * overwrite `input`. */
typedef struct {
    int8_t *input;
    const int8_t *(*run)(void *context);
    void *context;
} qrc_model;

/* Tables that passed every check. Read it, do not write it. */
typedef struct {
    uint32_t coordinates; /* numbers in one input */
    uint32_t classes;
    int32_t low; /* least and greatest input integer */
    int32_t high;
    uint32_t span;        /* high - low */
    uint32_t samples;     /* n of the radius table; 0 where there is none */
    uint32_t least_votes; /* fewest that certify anything */
    uint32_t checkpoints; /* of the sequential test; 0 where there is none */
    uint32_t sequential_radius_q16;
    uint32_t first_radius;
    uint32_t nibbles;
    const uint32_t *guide;
    const uint32_t *tops;
    const uint32_t *rests;
    const uint32_t *radii;
    const uint32_t *stops;
} qrc_certifier;

/* The key decides what a certificate is worth. Where strangers supply the inputs, fill it for every
 * query with 128 bits of entropy that they cannot know (a true random number generator), and keep
 * it with the certificate: with it, `qrobust audit` counts the same votes. A counter or a clock is
 * no entropy, nor is a number that starts again with the device. {seed, index} gives the votes of
 * `qrobust certify --seed`, for experiments. */
typedef struct {
    uint64_t key[2];
    uint32_t pilot; /* samples that choose the class; n comes with the tables */
} qrc_request;

typedef enum {
    QRC_CERTIFIED = 0,
    QRC_ABSTAINED = 1, /* too few votes for any radius */
    QRC_GAVE_UP = 2,   /* sequential: the radius does not hold, or not by much */
    QRC_UNDECIDED = 3  /* sequential: the samples ran out */
} qrc_decision;

typedef struct {
    qrc_decision decision;
    int32_t label;       /* certified class, or QRC_ABSTAIN */
    uint32_t candidate;  /* class that the pilot chose */
    uint32_t radius_q16; /* L2 radius in units of 2^-16 input steps; 0 when abstaining */
    uint32_t samples;    /* noisy copies after the pilot */
} qrc_certificate;

/* Checks tables and makes a certifier of them; it keeps pointing into `words`. */
qrc_status qrc_open(qrc_certifier *certifier, const uint32_t *words, uint32_t count);

/* Writes sample `sample` of an image, saturated: `coordinates` integers to `out`. */
void qrc_sample(const qrc_certifier *certifier, const int8_t *image, const qrc_request *request,
                qrc_purpose purpose, uint64_t sample, int8_t *out);

/* Adds the votes of samples `start` to `start + count - 1` to `votes[classes]`. Work may be cut
 * anywhere and go on later. */
qrc_status qrc_count(const qrc_certifier *certifier, const qrc_model *model, const int8_t *image,
                     const qrc_request *request, qrc_purpose purpose, uint64_t start,
                     uint32_t count, uint32_t *votes);

/* The class with most votes; a tie goes to the lowest index. */
uint32_t qrc_winner(const uint32_t *votes, uint32_t classes);

/* Certified radius in Q16 input steps of `votes` out of the table's n, or QRC_ABSTAIN. */
int64_t qrc_radius(const qrc_certifier *certifier, uint32_t votes);

/* Certifies one input by the n samples of the radius table; `votes[classes]` holds theirs
 * afterwards. Needs a radius table. */
qrc_status qrc_certify(const qrc_certifier *certifier, const qrc_model *model, const int8_t *image,
                       const qrc_request *request, uint32_t *votes, qrc_certificate *certificate);

/* Certifies one input at the radius of the sequential test, with as few samples as the votes
 * allow. Needs a sequential test. */
qrc_status qrc_test(const qrc_certifier *certifier, const qrc_model *model, const int8_t *image,
                    const qrc_request *request, uint32_t *votes, qrc_certificate *certificate);

#ifdef __cplusplus
}
#endif

#endif /* QROBUST_CERTIFY_H */
