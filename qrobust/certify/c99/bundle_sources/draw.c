/* Members are drawn from this stream on, one a purpose; the noise has those below. Every stream is
 * two counters of Philox: the second one is of the noise's overflow. */
static const uint64_t FIRST_STREAM = ${stream}u;
static const uint64_t TICKETS = ${tickets}u; /* a power of two: every draw is exact */

/* The member that holds the copy's ticket, the highest bits of its word. */
static uint32_t drawn(const place_t *place)
{
    qrc_block block;
    uint32_t ticket;
    uint32_t number = 0;

    qrc_philox(place->request->key, 2u * (FIRST_STREAM + (uint64_t)place->purpose),
               place->sample / 4u, &block);
    ticket = (uint32_t)qrc_multiply_high(qrc_word_of(&block, (uint32_t)(place->sample % 4u)),
                                         TICKETS);
    while (ticket >= (uint32_t)members[number].weight) {
        ticket -= (uint32_t)members[number].weight;
        number++;
    }
    return number;
}

static uint32_t label_of(const place_t *place)
{
    uint32_t label;

    if (place != NULL) {
        label = qrc_highest(ask(drawn(place)), BUNDLE_CLASSES);
    } else {
        uint32_t votes[BUNDLE_CLASSES] = {0};
        uint32_t number;

        for (number = 0; number < BUNDLE_MEMBERS; number++) {
            votes[qrc_highest(ask(number), BUNDLE_CLASSES)] += (uint32_t)members[number].weight;
        }
        label = qrc_winner(votes, BUNDLE_CLASSES);
    }
    return label;
}

