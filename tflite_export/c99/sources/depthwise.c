/* Depthwise convolution; weights 1HWC in int8, channel c reads input channel c / multiplier. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const int8_t *shift;
    grid_t grid;
    int16_t in_zero;
    uint16_t in_height;
    uint16_t in_width;
    uint16_t in_channels;
    uint16_t out_width;
    uint16_t out_channels;
    uint16_t multiplier;
    uint16_t kernel_height;
    uint16_t kernel_width;
    uint16_t stride_y;
    uint16_t stride_x;
    uint16_t dilation_y;
    uint16_t dilation_x;
    uint16_t pad_top;
    uint16_t pad_left;
    uint32_t pixels;
} depthwise_t;

/* Adds one place of the window to the accumulators of all channels. */
static void depthwise_place(const depthwise_t *layer, const int8_t *source, const int8_t *weights,
                            int32_t *acc)
{
    const int32_t zero = layer->in_zero;
    uint32_t channel;

    if (layer->multiplier == 1u) {
        for (channel = 0; channel < layer->out_channels; channel++) {
            acc[channel] += ((int32_t)source[channel] - zero) * weights[channel];
        }
    } else {
        uint32_t at = 0;
        for (channel = 0; channel < layer->in_channels; channel++) {
            const int32_t value = (int32_t)source[channel] - zero;
            uint32_t copy;
            for (copy = 0; copy < layer->multiplier; copy++) {
                acc[at] += value * weights[at];
                at++;
            }
        }
    }
}

static void convolve_depthwise(const depthwise_t *layer, const int8_t *input, int8_t *output,
                               int32_t *acc)
{
    const uint32_t channels = layer->out_channels;
    uint32_t pixel;

    for (pixel = 0; pixel < layer->pixels; pixel++) {
        const int32_t top =
            (int32_t)((pixel / layer->out_width) * layer->stride_y) - (int32_t)layer->pad_top;
        const int32_t left =
            (int32_t)((pixel % layer->out_width) * layer->stride_x) - (int32_t)layer->pad_left;
        uint32_t channel;
        uint32_t ky;
        uint32_t kx;

        (void)memcpy(acc, layer->bias, (size_t)channels * sizeof(acc[0]));
        for (ky = 0; ky < layer->kernel_height; ky++) {
            const int32_t y = top + (int32_t)(ky * layer->dilation_y);
            if ((y < 0) || (y >= (int32_t)layer->in_height)) {
                continue; /* padding is zero */
            }
            for (kx = 0; kx < layer->kernel_width; kx++) {
                const int32_t x = left + (int32_t)(kx * layer->dilation_x);
                if ((x >= 0) && (x < (int32_t)layer->in_width)) {
                    const size_t at = ((size_t)y * layer->in_width) + (size_t)x;
                    depthwise_place(layer, &input[at * layer->in_channels],
                                    &layer->weights[((ky * layer->kernel_width) + kx) * channels],
                                    acc);
                }
            }
        }
        for (channel = 0; channel < channels; channel++) {
            output[((size_t)pixel * channels) + channel] =
                requantize(acc[channel], layer->shift[channel], &layer->grid);
        }
    }
}
