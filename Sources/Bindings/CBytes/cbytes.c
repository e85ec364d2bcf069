#include "cbytes.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[8][256];

static void fill_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
        table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int slice = 1; slice < 8; slice++)
            table[slice][i] = (table[slice - 1][i] >> 8) ^ table[0][table[slice - 1][i] & 0xFF];
}

/* Eight table look-ups for eight bytes. */
static uint32_t portable(uint32_t crc, const uint8_t *bytes, size_t len) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    for (; len >= 8; bytes += 8, len -= 8) {
        crc ^= (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
               (uint32_t)bytes[3] << 24;
        crc = table[7][crc & 0xFF] ^ table[6][crc >> 8 & 0xFF] ^ table[5][crc >> 16 & 0xFF] ^
              table[4][crc >> 24] ^ table[3][bytes[4]] ^ table[2][bytes[5]] ^ table[1][bytes[6]] ^
              table[0][bytes[7]];
    }
    while (len--) crc = (crc >> 8) ^ table[0][(crc ^ *bytes++) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

/* The instruction takes three cycles and can begin anew in each: so three blocks at a time. */
enum { block_bytes = 256 };

/* What block_bytes zeros behind it make of a checksum, by its four bytes. */
static uint32_t shifted[4][256];

static void fill_shifted(void) {
    uint32_t images[32];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t crc = (uint32_t)1 << bit;
        for (int i = 0; i < block_bytes * 8; i++) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
        images[bit] = crc;
    }
    for (int byte = 0; byte < 4; byte++)
        for (uint32_t value = 0; value < 256; value++)
            for (int bit = 0; bit < 8; bit++)
                if (value >> bit & 1) shifted[byte][value] ^= images[byte * 8 + bit];
}

static uint64_t shift(uint64_t crc) {
    return shifted[0][crc & 0xFF] ^ shifted[1][crc >> 8 & 0xFF] ^ shifted[2][crc >> 16 & 0xFF] ^
           shifted[3][crc >> 24 & 0xFF];
}

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

__attribute__((target("sse4.2"))) static uint32_t
instruction(uint32_t crc, const uint8_t *bytes, size_t len) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t wide = crc;
    if (len >= 3 * block_bytes) {
        pthread_once(&once, fill_shifted);
        for (; len >= 3 * block_bytes; bytes += 3 * block_bytes, len -= 3 * block_bytes) {
            uint64_t second = 0, third = 0;
            for (int i = 0; i < block_bytes; i += 8) {
                wide = _mm_crc32_u64(wide, word_at(bytes + i));
                second = _mm_crc32_u64(second, word_at(bytes + block_bytes + i));
                third = _mm_crc32_u64(third, word_at(bytes + 2 * block_bytes + i));
            }
            wide = shift(shift(wide) ^ second) ^ third;
        }
    }
    for (; len >= 8; bytes += 8, len -= 8) wide = _mm_crc32_u64(wide, word_at(bytes));
    crc = (uint32_t)wide;
    while (len--) crc = _mm_crc32_u8(crc, *bytes++);
    return crc;
}

uint32_t cbytes_crc32c(uint32_t crc, const void *bytes, size_t len) {
    return __builtin_cpu_supports("sse4.2") ? ~instruction(~crc, bytes, len)
                                            : ~portable(~crc, bytes, len);
}
#else
uint32_t cbytes_crc32c(uint32_t crc, const void *bytes, size_t len) {
    return ~portable(~crc, bytes, len);
}
#endif
