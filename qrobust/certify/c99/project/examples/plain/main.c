/* Certifies one picture and prints label and radius (Q16 steps). */
#include <stdio.h>

#include "certifier_tables.h"
#include "model.h"
#include "qrobust_certify.h"

static uint8_t picture[MODEL_INPUT_SIZE]; /* 0 to 255, from a camera */

static const int8_t *run(void *context) { (void)context; model_run(); return model_output(0); }

int main(void)
{
    static int8_t image[MODEL_INPUT_SIZE];
    static uint32_t votes[MODEL_OUTPUT_SIZE];
    /* Where strangers supply the pictures: 128 random bits, fresh for each of them. */
    const qrc_request request = {{0u, 0u}, 50u};
    const qrc_model model = {model_input(0), run, NULL};
    qrc_certifier certifier;
    qrc_certificate found;
    uint32_t i;

    for (i = 0; i < MODEL_INPUT_SIZE; i++) {
        image[i] = (int8_t)(picture[i] - 128); /* the network reads -128 to 127 */
    }
    if (qrc_open(&certifier, certifier_tables, CERTIFIER_TABLES_WORDS) != QRC_OK ||
        qrc_certify(&certifier, &model, image, &request, votes, &found) != QRC_OK) {
        return 1;
    }
    printf("%ld %lu\n", (long)found.label, (unsigned long)found.radius_q16);
    return 0;
}
