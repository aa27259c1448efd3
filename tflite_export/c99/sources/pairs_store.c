/* Compilers like to add products first and sums later, which takes more registers than an ARM has.
 * This says that the sums are wanted here; it is no instruction. */
#if defined(__GNUC__) && defined(__arm__)
#define KEEP_SUMS(a, b, c, d) __asm__("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d))
#else
#define KEEP_SUMS(a, b, c, d)
#endif

/* One half of a sum to its output integer. The bias holds the rounding half and the zero point,
 * and makes up for the 2^15 in every half; the generator has checked that nothing overflows. */
static inline int8_t finish_half(uint32_t half, int32_t bias, int32_t shift, const grid_t *grid)
{
    int32_t value = ((int32_t)half + bias) >> shift;

    value = (value > grid->maximum) ? grid->maximum : value;
    value = (value < grid->minimum) ? grid->minimum : value;
    return (int8_t)value;
}

/* One channel of up to four pixels. */
static inline void store_pairs(const linear_t *layer, int8_t *output, uint32_t channel,
                               uint32_t count, uint32_t first, uint32_t second)
{
    const int32_t bias = layer->bias[channel];
    const int32_t shift = layer->shift[channel];
    const uint32_t step = layer->out_channels;
    const grid_t *grid = &layer->grid;

    output[0] = finish_half(first & 0xFFFFu, bias, shift, grid);
    if (count == 4u) {
        output[step] = finish_half(first >> 16, bias, shift, grid);
        output[2u * step] = finish_half(second & 0xFFFFu, bias, shift, grid);
        output[3u * step] = finish_half(second >> 16, bias, shift, grid);
    } else {
        if (count > 1u) {
            output[step] = finish_half(first >> 16, bias, shift, grid);
        }
        if (count > 2u) {
            output[2u * step] = finish_half(second & 0xFFFFu, bias, shift, grid);
        }
    }
}
