/* A margin at which to stop after each member; the last always stops. */
static const uint32_t thresholds[BUNDLE_MEMBERS] = {$thresholds};

/* By how much the largest sum leads the second largest. */
static uint32_t margin(void)
{
    const uint32_t best = highest_sum();
    int32_t second = INT32_MIN;
    uint32_t i;

    for (i = 0; i < BUNDLE_CLASSES; i++) {
        if ((i != best) && (sums[i] > second)) {
            second = sums[i];
        }
    }
    return (uint32_t)(sums[best] - second);
}

static uint32_t label_of(const place_t *place)
{
    uint32_t number = 0;

    (void)place;
    (void)memset(sums, 0, sizeof(sums));
    add(0, ask(0));
    while (margin() < thresholds[number]) {
        number++;
        add(number, ask(number));
    }
    return highest_sum();
}

