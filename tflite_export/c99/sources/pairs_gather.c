/* Two pixels share a 32-bit word, 16 bits each, so one multiplication serves both. */
static uint32_t *gather_run(uint32_t *columns, const int8_t *const source[4], uint32_t count,
                            uint32_t zeros)
{
    const int8_t *s0 = source[0];
    const int8_t *s1 = source[1];
    const int8_t *s2 = source[2];
    const int8_t *s3 = source[3];
    uint32_t i;

    for (i = 0; i < count; i++) {
        columns[0] = (uint32_t)(int32_t)s0[i] + ((uint32_t)(int32_t)s1[i] << 16) - zeros;
        columns[1] = (uint32_t)(int32_t)s2[i] + ((uint32_t)(int32_t)s3[i] << 16) - zeros;
        columns = &columns[2];
    }
    return columns;
}

/* The inputs of four output pixels, `q - zero`, as pairs; past the last pixel it comes again. */
static void gather_pairs(const linear_t *layer, const int8_t *input, uint32_t pixel,
                         uint32_t *columns, uint32_t entries, const int8_t *zeros)
{
    const uint32_t zero_pair = (uint32_t)(int32_t)layer->in_zero * 0x00010001u;
    uint32_t *const end = &columns[(size_t)entries * 2u];
    corner_t corner[4];
    const int8_t *source[4];
    uint32_t ky;
    uint32_t kx;
    uint32_t i;

    for (i = 0; i < 4u; i++) {
        const uint32_t at = pixel + i;
        corner[i] = corner_of(layer, (at < layer->pixels) ? at : (layer->pixels - 1u));
    }
    for (ky = 0; ky < layer->kernel_height; ky++) {
        const int32_t dy = (int32_t)(ky * layer->dilation_y);
        int inside = 1;

        for (i = 0; i < 4u; i++) {
            inside = inside && row_is_inside(layer, corner[i].y + dy, corner[i].x);
        }
        if (inside) {
            for (i = 0; i < 4u; i++) {
                source[i] = place(layer, input, zeros, corner[i].y + dy, corner[i].x);
            }
            columns = gather_run(columns, source,
                                 (uint32_t)layer->kernel_width * layer->in_channels, zero_pair);
        } else {
            for (kx = 0; kx < layer->kernel_width; kx++) {
                const int32_t dx = (int32_t)(kx * layer->dilation_x);
                for (i = 0; i < 4u; i++) {
                    source[i] = place(layer, input, zeros, corner[i].y + dy, corner[i].x + dx);
                }
                columns = gather_run(columns, source, layer->in_channels, zero_pair);
            }
        }
    }
    while (columns < end) {
        *columns = 0;
        columns = &columns[1];
    }
}
