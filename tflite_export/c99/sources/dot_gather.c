/* The inputs of one output pixel, `q - zero`, two 16-bit halves a word; returns their sum. */
static int32_t gather_halves(const linear_t *layer, const int8_t *input, uint32_t pixel,
                             uint32_t *columns, uint32_t entries, const int8_t *zeros)
{
    const corner_t corner = corner_of(layer, pixel);
    const int32_t zero = layer->in_zero;
    uint32_t at = 0;
    int32_t sum = 0;
    uint32_t ky;
    uint32_t kx;
    uint32_t i;

    (void)memset(columns, 0, (size_t)entries * 2u);
    for (ky = 0; ky < layer->kernel_height; ky++) {
        const int32_t y = corner.y + (int32_t)(ky * layer->dilation_y);
        for (kx = 0; kx < layer->kernel_width; kx++) {
            const int32_t x = corner.x + (int32_t)(kx * layer->dilation_x);
            const int8_t *source = place(layer, input, zeros, y, x);
            for (i = 0; i < layer->in_channels; i++) {
                const int32_t value = (int32_t)source[i] - zero;
                columns[at >> 1] |= ((uint32_t)value & 0xFFFFu) << (16u * (at & 1u));
                sum += value;
                at++;
            }
        }
    }
    return sum;
}

#if defined(__ARM_FEATURE_DSP)
#include <arm_acle.h>
#endif
