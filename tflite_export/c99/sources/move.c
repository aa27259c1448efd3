/* Integers from one place to another: padding, cropping, transposing, repeating, joining. */
typedef struct {
    uint32_t in_start;
    uint32_t out_start;
    uint32_t extent[5];
    uint32_t in_step[5];
    uint32_t out_step[5];
} move_t;

static void move_row(const move_t *move, const int8_t *input, int8_t *output)
{
    const uint32_t count = move->extent[4];
    uint32_t i;

    if ((move->in_step[4] == 1u) && (move->out_step[4] == 1u)) {
        (void)memcpy(output, input, count);
    } else {
        for (i = 0; i < count; i++) {
            output[i * move->out_step[4]] = input[i * move->in_step[4]];
        }
    }
}

static void move_integers(const move_t *move, const int8_t *input, int8_t *output)
{
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;

    for (a = 0; a < move->extent[0]; a++) {
        for (b = 0; b < move->extent[1]; b++) {
            for (c = 0; c < move->extent[2]; c++) {
                for (d = 0; d < move->extent[3]; d++) {
                    const uint32_t from = move->in_start + (a * move->in_step[0]) +
                                          (b * move->in_step[1]) + (c * move->in_step[2]) +
                                          (d * move->in_step[3]);
                    const uint32_t to = move->out_start + (a * move->out_step[0]) +
                                        (b * move->out_step[1]) + (c * move->out_step[2]) +
                                        (d * move->out_step[3]);
                    move_row(move, &input[from], &output[to]);
                }
            }
        }
    }
}
