/* A convolution or dense layer. Weights are fields of `bits` bits in 32-bit words, two channels
 * interleaved word by word; see the weight packing of the generator. */
typedef struct {
    const uint32_t *weights;
    const int32_t *bias;
    const int8_t *shift;
    grid_t grid;
    int16_t in_zero;
    uint16_t in_height;
    uint16_t in_width;
    uint16_t in_channels;
    uint16_t out_width;
    uint16_t out_channels;
    uint16_t kernel_height;
    uint16_t kernel_width;
    uint16_t stride_y;
    uint16_t stride_x;
    uint16_t dilation_y;
    uint16_t dilation_x;
    uint16_t pad_top;
    uint16_t pad_left;
    uint16_t words;  /* of weights, for one channel */
    uint32_t pixels; /* of the output */
} linear_t;

/* Where the window of one output pixel starts in the input; outside, where it is padded. */
typedef struct {
    int32_t y;
    int32_t x;
} corner_t;

static inline corner_t corner_of(const linear_t *layer, uint32_t pixel)
{
    corner_t corner;

    corner.y = (int32_t)((pixel / layer->out_width) * layer->stride_y) - (int32_t)layer->pad_top;
    corner.x = (int32_t)((pixel % layer->out_width) * layer->stride_x) - (int32_t)layer->pad_left;
    return corner;
}

/* Channels at one place of the input, or a row of zero points where the place is padding. */
static inline const int8_t *place(const linear_t *layer, const int8_t *input, const int8_t *zeros,
                                  int32_t y, int32_t x)
{
    const int8_t *channels = zeros;

    if ((y >= 0) && (y < (int32_t)layer->in_height) && (x >= 0) && (x < (int32_t)layer->in_width)) {
        channels = &input[(((uint32_t)y * layer->in_width) + (uint32_t)x) * layer->in_channels];
    }
    return channels;
}

/* Whether a whole row of the window lies in the picture, its places side by side in memory. */
static inline int row_is_inside(const linear_t *layer, int32_t y, int32_t x)
{
    return (y >= 0) && (y < (int32_t)layer->in_height) && (x >= 0) &&
           ((x + (int32_t)layer->kernel_width) <= (int32_t)layer->in_width) &&
           (layer->dilation_x == 1u);
}
