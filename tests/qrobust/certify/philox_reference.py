"""Philox4x64-10 written from the paper, and the sampler of streams.py written the slow way."""

from bisect import bisect_right

MASK = (1 << 64) - 1
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def philox_block(counter, key):
    """Four words of Philox4x64-10 (Salmon et al., SC 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> 64) ^ c1 ^ k0, p1 & MASK, (p0 >> 64) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def word(seed, image, purpose, index, overflow=0):
    counter = (index // 4, 2 * purpose + overflow, 0, 0)
    return philox_block(counter, (seed, image))[index % 4]


def sample(table, coordinates, *, seed, image, purpose, index):
    """Noise of one sample, draw by draw."""
    main = 4 * -(-coordinates // 16)
    reserve = 4 * (1 + coordinates // 256)
    start = index * (main + reserve)
    values, ambiguous = [], 0
    for j in range(coordinates):
        top = word(seed, image, purpose, start + j // 4) >> (16 * (j % 4)) & 0xFFFF
        low = bisect_right(table.thresholds, top << 64)
        if low != bisect_right(table.thresholds, (top << 64) + MASK):
            if ambiguous < reserve:
                rest = word(seed, image, purpose, start + main + ambiguous)
            else:
                rest = word(seed, image, purpose, index * coordinates + ambiguous, overflow=1)
            low = bisect_right(table.thresholds, (top << 64) + rest)
            ambiguous += 1
        values.append(low - table.span)
    return values, ambiguous
