static uint32_t label_of(const place_t *place)
{
    const uint32_t first = ${first}u; /* members that are asked whether they agree */
    uint32_t said = 0;
    int agreed = 1;
    uint32_t number;

    (void)place;
    (void)memset(sums, 0, sizeof(sums));
    for (number = 0; number < first; number++) {
        const int8_t *outputs = ask(number);
        const uint32_t label = qrc_highest(outputs, BUNDLE_CLASSES);

        said = (number == 0u) ? label : said;
        agreed = agreed && (label == said);
        add(number, outputs);
    }
    if (!agreed) {
        for (number = first; number < BUNDLE_MEMBERS; number++) {
            add(number, ask(number));
        }
        said = highest_sum();
    }
    return said;
}

