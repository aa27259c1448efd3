/* The lower clip of a grid; `output` may be the input. */
static void maximum(const int8_t *input, int8_t *output, uint32_t size, int8_t bound)
{
    uint32_t i;

    for (i = 0; i < size; i++) {
        output[i] = (input[i] < bound) ? bound : input[i];
    }
}
