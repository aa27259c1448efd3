/* An entry for every int8; rows of 256, one for each channel or one for all. */
static void look_up(const int8_t *in, int8_t *out, uint32_t size, const int8_t *entries,
                    uint32_t rows)
{
    uint32_t i;
    uint32_t row = 0u;
    for (i = 0u; i < size; ++i) {
        out[i] = entries[row * 256u + (uint32_t)((int32_t)in[i] + 128)];
        row = (row + 1u == rows) ? 0u : row + 1u;
    }
}
