/* Weighted logits of the members asked so far. */
static int32_t sums[BUNDLE_CLASSES];

static void add(uint32_t number, const int8_t *outputs)
{
    const member_t *member = &members[number];
    uint32_t i;

    for (i = 0; i < BUNDLE_CLASSES; i++) {
        sums[i] += member->weight * ((int32_t)outputs[i] - member->zero);
    }
}

static uint32_t highest_sum(void)
{
    uint32_t best = 0;
    uint32_t i;

    for (i = 1; i < BUNDLE_CLASSES; i++) {
        if (sums[i] > sums[best]) {
            best = i;
        }
    }
    return best;
}

