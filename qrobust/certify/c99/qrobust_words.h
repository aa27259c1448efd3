/* What the certifiers share and nobody else needs: random words, a checksum, the label. */
#ifndef QROBUST_WORDS_H
#define QROBUST_WORDS_H

#include <stdint.h>

/* Where the checksum of every kind of tables stands. */
#define QRC_CHECKSUM_AT 3u

/* ---- random words: Philox4x64-10 (Salmon et al., SC 2011) ---- */

/* Four 64-bit words as halves, the lower one first. */
typedef struct {
    uint32_t half[8];
} qrc_block;

/* High half of a 64 x 64-bit product, from four products of halves. */
static inline uint64_t qrc_multiply_high(uint64_t a, uint64_t b)
{
    const uint64_t mask = 0xFFFFFFFFu;
    const uint64_t low = (a & mask) * (b & mask);
    const uint64_t left = ((a >> 32) * (b & mask)) + (low >> 32);
    const uint64_t right = ((a & mask) * (b >> 32)) + (left & mask);

    return ((a >> 32) * (b >> 32)) + (left >> 32) + (right >> 32);
}

static inline void qrc_philox(const uint64_t key[2], uint64_t stream, uint64_t index,
                              qrc_block *block)
{
    const uint64_t multiplier0 = 0xD2E7470EE14C6C93u;
    const uint64_t multiplier1 = 0xCA5A826395121157u;
    uint64_t key0 = key[0];
    uint64_t key1 = key[1];
    uint64_t c0 = index;
    uint64_t c1 = stream;
    uint64_t c2 = 0;
    uint64_t c3 = 0;
    uint32_t round;

    for (round = 0; round < 10u; round++) {
        const uint64_t high0 = qrc_multiply_high(multiplier0, c0);
        const uint64_t high1 = qrc_multiply_high(multiplier1, c2);
        const uint64_t low0 = multiplier0 * c0;
        const uint64_t low1 = multiplier1 * c2;

        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += 0x9E3779B97F4A7C15u;
        key1 += 0xBB67AE8584CAA73Bu;
    }
    block->half[0] = (uint32_t)c0;
    block->half[1] = (uint32_t)(c0 >> 32);
    block->half[2] = (uint32_t)c1;
    block->half[3] = (uint32_t)(c1 >> 32);
    block->half[4] = (uint32_t)c2;
    block->half[5] = (uint32_t)(c2 >> 32);
    block->half[6] = (uint32_t)c3;
    block->half[7] = (uint32_t)(c3 >> 32);
}

static inline uint64_t qrc_word_of(const qrc_block *block, uint32_t index)
{
    return ((uint64_t)block->half[(2u * index) + 1u] << 32) | block->half[2u * index];
}

static inline uint32_t qrc_crc32_word(uint32_t crc, uint32_t word)
{
    uint32_t bit;

    crc ^= word;
    for (bit = 0; bit < 32u; bit++) {
        crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return crc;
}

static inline uint32_t qrc_checksum(const uint32_t *words, uint32_t count)
{
    uint32_t crc = 0xFFFFFFFFu;
    uint32_t i;

    for (i = 0; i < count; i++) {
        if (i != QRC_CHECKSUM_AT) {
            crc = qrc_crc32_word(crc, words[i]);
        }
    }
    return ~crc;
}

/* The label of outputs: the largest one's index; a tie goes to the lowest. */
static inline uint32_t qrc_highest(const int8_t *outputs, uint32_t classes)
{
    uint32_t best = 0;
    uint32_t i;

    for (i = 1; i < classes; i++) {
        if (outputs[i] > outputs[best]) {
            best = i;
        }
    }
    return best;
}

#endif /* QROBUST_WORDS_H */
