/* Right shifts floor and narrowing wraps on every compiler for these cores; C99 leaves both to the
 * implementation, so a compiler that differs must fail here and not in the field. */
typedef char right_shift_must_floor[((int32_t)-3 >> 1) == (int32_t)-2 ? 1 : -1];
typedef char conversion_must_wrap[(int32_t)0xFFFFFFFEu == (int32_t)-2 ? 1 : -1];

/* Output grid: where zero lies and where the integers end. */
typedef struct {
    int16_t zero;
    int16_t minimum;
    int16_t maximum;
} grid_t;

/* clamp(zero + floor(acc * 2^-shift + 1/2)), without a sum that could overflow. */
static inline int8_t requantize(int32_t acc, int32_t shift, const grid_t *grid)
{
    int32_t value;

    if (shift > 0) {
        /* The last bit shifted out rounds: no constant is added to what may be a full int32. */
        const int32_t twice = acc >> (shift - 1);
        value = (twice >> 1) + (twice & 1);
    } else {
        /* Beyond 512 steps the grid saturates whatever follows; the product then fits. */
        value = (acc > 512) ? 512 : ((acc < -512) ? -512 : acc);
        value *= (int32_t)((uint32_t)1 << (uint32_t)(-shift));
    }
    value += grid->zero;
    if (value < grid->minimum) {
        value = grid->minimum;
    }
    if (value > grid->maximum) {
        value = grid->maximum;
    }
    return (int8_t)value;
}
