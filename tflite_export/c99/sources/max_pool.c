typedef struct {
    uint16_t in_height;
    uint16_t in_width;
    uint16_t channels;
    uint16_t out_height;
    uint16_t out_width;
    uint16_t pool_height;
    uint16_t pool_width;
    uint16_t stride_y;
    uint16_t stride_x;
    uint16_t pad_top;
    uint16_t pad_left;
} max_pool_t;

static inline void keep_larger(int8_t *best, const int8_t *source, uint32_t count)
{
    uint32_t i;

    for (i = 0; i < count; i++) {
        if (source[i] > best[i]) {
            best[i] = source[i];
        }
    }
}

/* Largest integer of every window; what lies outside the picture never wins. */
static void max_pool(const max_pool_t *layer, const int8_t *input, int8_t *output)
{
    uint32_t row;
    uint32_t column;
    uint32_t ky;
    uint32_t kx;

    for (row = 0; row < layer->out_height; row++) {
        for (column = 0; column < layer->out_width; column++) {
            int8_t *best = &output[((row * layer->out_width) + column) * layer->channels];
            (void)memset(best, -128, layer->channels);
            for (ky = 0; ky < layer->pool_height; ky++) {
                const int32_t y = (int32_t)((row * layer->stride_y) + ky) - (int32_t)layer->pad_top;
                for (kx = 0; kx < layer->pool_width; kx++) {
                    const int32_t x =
                        (int32_t)((column * layer->stride_x) + kx) - (int32_t)layer->pad_left;
                    if ((y >= 0) && (y < (int32_t)layer->in_height) && (x >= 0) &&
                        (x < (int32_t)layer->in_width)) {
                        const uint32_t at = ((uint32_t)y * layer->in_width) + (uint32_t)x;
                        keep_larger(best, &input[at * layer->channels], layer->channels);
                    }
                }
            }
        }
    }
}
