/* Proves a family with a generated network; see test_family_c99.py. Standard input: images.
 * Standard output, for each: status, label, predicted, members, runs, member, found. */
#include <stdio.h>

#include "model.h"
#include "proof_family.h"

static const int8_t *run(void *context)
{
    (void)context;
    model_run();
    return model_output(0);
}

int main(void)
{
    static int8_t image[MODEL_INPUT_SIZE];
    const qrc_model model = {model_input(0), run, NULL};

    while (fread(image, 1, sizeof(image), stdin) == sizeof(image)) {
        qrc_proof proof;
        const qrc_status status = prove_family(&model, image, &proof);
        const int32_t row[7] = {(int32_t)status,        proof.label,
                                (int32_t)proof.predicted, (int32_t)proof.members,
                                (int32_t)proof.runs,    proof.member,
                                (int32_t)proof.found};

        if (fwrite(row, sizeof(row), 1, stdout) != 1u) {
            return 1;
        }
    }
    return 0;
}
