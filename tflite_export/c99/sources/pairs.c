/* Convolution with ${bits}-bit weights, four pixels and two channels at a time.
 *
 * A word holds two pixels, a + b * 2^16, and so does their accumulator: the generator has checked
 * that every sum of products fits 16 bits once 2^15 is added. Halves borrow from each other on the
 * way; modulo 2^32 the last sum is right, which is all that is read. */
static void convolve_pairs_${bits}(const linear_t *layer, const int8_t *input, int8_t *output,
                             uint32_t *columns, int8_t *zeros)
{
    const uint32_t channels = layer->out_channels;
    uint32_t pixel;

    (void)memset(zeros, (int)layer->in_zero, layer->in_channels);
    for (pixel = 0; pixel < layer->pixels; pixel += 4u) {
        const uint32_t *weights = layer->weights;
        int8_t *first = &output[(size_t)pixel * channels];
        const uint32_t count = ((layer->pixels - pixel) < 4u) ? (layer->pixels - pixel) : 4u;
        uint32_t channel;

        gather_pairs(layer, input, pixel, columns, (uint32_t)layer->words * ${fields}u, zeros);
        for (channel = 0; channel < channels; channel += 2u) {
            const uint32_t *x = columns;
            uint32_t a0 = 0x80008000u;
            uint32_t a1 = 0x80008000u;
            uint32_t b0 = 0x80008000u;
            uint32_t b1 = 0x80008000u;
            uint32_t words = layer->words;

            do {
                const uint32_t wa = weights[0];
                const uint32_t wb = weights[1];
                uint32_t x0;
                uint32_t x1;
                uint32_t w;

                weights = &weights[2];
${steps}
                x = &x[${span}];
                words--;
            } while (words > 0u);
            store_pairs(layer, &first[channel], channel, count, a0, a1);
            if ((channel + 1u) < channels) {
                store_pairs(layer, &first[channel + 1u], channel + 1u, count, b0, b1);
            }
        }
    }
}
