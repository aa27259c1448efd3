/* Two tensors on their own grids: `factor_*` brings each to the finest step, `bias` holds zero
 * points and the rounding half. */
typedef struct {
    grid_t grid;
    int32_t factor_a;
    int32_t factor_b;
    int32_t bias;
    uint8_t shift;
    uint32_t size;
} add_t;

/* `output` may be either input. */
static void add(const add_t *layer, const int8_t *a, const int8_t *b, int8_t *output)
{
    const int32_t minimum = layer->grid.minimum;
    const int32_t maximum = layer->grid.maximum;
    const int32_t shift = layer->shift;
    uint32_t i;

    for (i = 0; i < layer->size; i++) {
        int32_t value =
            ((a[i] * layer->factor_a) + (b[i] * layer->factor_b) + layer->bias) >> shift;

        value = (value > maximum) ? maximum : value;
        value = (value < minimum) ? minimum : value;
        output[i] = (int8_t)value;
    }
}
