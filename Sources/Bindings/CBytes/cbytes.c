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

__attribute__((target("sse4.2"))) static uint32_t
instruction(uint32_t crc, const uint8_t *bytes, size_t len) {
    uint64_t wide = crc;
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = _mm_crc32_u64(wide, word);
    }
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
