/* Asks a generated bundle; see test_bundle.py.
 *
 * Standard input: records of what (0: copies one by one, 1: radius table, 2: sequential test,
 * 3: the image itself), purpose, pilot, count, key, start, and the image.
 * Standard output, for each: the status, five numbers of the certificate, votes, evaluations; of
 * copies and the image every label before that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "certifier_tables.h"

typedef struct {
    uint32_t what;
    uint32_t purpose;
    uint32_t pilot;
    uint32_t count;
    uint64_t key[2];
    uint64_t start;
} record_t;

static void put(const void *data, size_t size)
{
    if (fwrite(data, 1, size, stdout) != size) {
        exit(1);
    }
}

/* Every copy by itself, so that its label is seen; then all at once, for their votes. */
static qrc_status copies(const qrc_certifier *certifier, const record_t *record,
                         const int8_t *image, const qrc_request *request, uint32_t *votes)
{
    qrc_status status = QRC_OK;
    uint32_t i;

    for (i = 0; (i < record->count) && (status == QRC_OK); i++) {
        uint32_t one[BUNDLE_CLASSES] = {0};
        uint32_t label;

        status = bundle_count(certifier, image, request, (qrc_purpose)record->purpose,
                              record->start + i, 1, one);
        label = qrc_winner(one, BUNDLE_CLASSES);
        put(&label, sizeof(label));
    }
    return (status != QRC_OK) ? status
                              : bundle_count(certifier, image, request,
                                             (qrc_purpose)record->purpose, record->start,
                                             record->count, votes);
}

int main(void)
{
    static qrc_certifier certifier;
    record_t record;

    if (qrc_open(&certifier, certifier_tables, CERTIFIER_TABLES_WORDS) != QRC_OK) {
        return 1;
    }
    while (fread(&record, 1, sizeof(record), stdin) == sizeof(record)) {
        int8_t image[BUNDLE_INPUT_SIZE];
        uint32_t votes[BUNDLE_CLASSES] = {0};
        qrc_request request;
        qrc_certificate found;
        qrc_status status = QRC_OK;
        uint64_t before = bundle_evaluations();
        int32_t numbers[6];
        uint32_t label;

        if (fread(image, 1, sizeof(image), stdin) != sizeof(image)) {
            return 1;
        }
        request.key[0] = record.key[0];
        request.key[1] = record.key[1];
        request.pilot = record.pilot;
        (void)memset(&found, 0, sizeof(found));
        switch (record.what) {
        case 0:
            status = copies(&certifier, &record, image, &request, votes);
            break;
        case 1:
            status = bundle_certify(&certifier, image, &request, votes, &found);
            break;
        case 2:
            status = bundle_test(&certifier, image, &request, votes, &found);
            break;
        default:
            label = bundle_classify(image);
            put(&label, sizeof(label));
            break;
        }
        numbers[0] = (int32_t)status;
        numbers[1] = (int32_t)found.decision;
        numbers[2] = found.label;
        numbers[3] = (int32_t)found.candidate;
        numbers[4] = (int32_t)found.radius_q16;
        numbers[5] = (int32_t)found.samples;
        before = bundle_evaluations() - before;
        put(numbers, sizeof(numbers));
        put(votes, sizeof(votes));
        put(&before, sizeof(before));
    }
    return 0;
}
