/* Convolution or dense layer with ${bits}-bit weights, one pixel and two channels at a time, in
 * 32-bit accumulators. */
static void dot_${bits}(const linear_t *layer, const int8_t *input, int8_t *output,
                  uint32_t *columns, int8_t *zeros)
{
    const uint32_t channels = layer->out_channels;
    uint32_t pixel;

    (void)memset(zeros, (int)layer->in_zero, layer->in_channels);
    for (pixel = 0; pixel < layer->pixels; pixel++) {
        const uint32_t *weights = layer->weights;
        int8_t *first = &output[(size_t)pixel * channels];
        const int32_t sum = gather_halves(layer, input, pixel, columns,
                                          (uint32_t)layer->words * ${fields}u, zeros);
        uint32_t channel;

        for (channel = 0; channel < channels; channel += 2u) {
            const uint32_t *x = columns;
            uint32_t words = layer->words;
#if defined(__ARM_FEATURE_DSP)
            /* Fields are read as w + ${half}, never negative; the excess is taken off ahead. */
            int32_t a = -${half} * sum;
            int32_t b = a;

            do {
                const uint32_t wa = weights[0] ^ ${signs}u;
                const uint32_t wb = weights[1] ^ ${signs}u;
                int16x2_t pair;

                weights = &weights[2];
${dsp_steps}
                x = &x[${halfspan}];
                words--;
            } while (words > 0u);
#else
            int32_t a = 0;
            int32_t b = 0;

            do {
                const uint32_t wa = weights[0];
                const uint32_t wb = weights[1];
                int32_t low;
                int32_t high;

                weights = &weights[2];
${steps}
                x = &x[${halfspan}];
                words--;
            } while (words > 0u);
            (void)sum;
#endif
            first[channel] = requantize(a + layer->bias[channel], layer->shift[channel],
                                        &layer->grid);
            if ((channel + 1u) < channels) {
                first[channel + 1u] = requantize(b + layer->bias[channel + 1u],
                                                 layer->shift[channel + 1u], &layer->grid);
            }
        }
    }
}
