#include "ccrypto.h"

#if defined(__x86_64__)
#include <immintrin.h>

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

int ccrypto_has_sha256_twin(void) {
    unsigned int a, b = 0, c, d;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    return (b >> 29 & 1) && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

/* The instructions hold a state as ABEF and CDGH. */
struct lane {
    __m128i abef, cdgh;
};

#define USES_SHA __attribute__((target("sha,sse4.1,ssse3")))

USES_SHA static inline struct lane load(const uint32_t *state) {
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    struct lane lane = {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xF0)};
    return lane;
}

USES_SHA static inline void store(uint32_t *state, struct lane lane) {
    __m128i feba = _mm_shuffle_epi32(lane.abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(lane.cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

USES_SHA static inline void four_rounds(struct lane *lane, __m128i words) {
    lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, words);
    lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(words, 0x0E));
}

USES_SHA void ccrypto_sha256_twin(
    uint32_t *one, uint32_t *other, const uint8_t *blocks, size_t count) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    struct lane a = load(one), b = load(other);
    for (; count > 0; count--, blocks += 64) {
        struct lane start_a = a, start_b = b;
        __m128i words[16];
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            if (i < 4) {
                words[i] = _mm_loadu_si128((const __m128i *)(blocks + 16 * i));
                words[i] = _mm_shuffle_epi8(words[i], swap);
            } else {
                __m128i next = _mm_sha256msg1_epu32(words[i - 4], words[i - 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(words[i - 1], words[i - 2], 4));
                words[i] = _mm_sha256msg2_epu32(next, words[i - 1]);
            }
            __m128i sum =
                _mm_add_epi32(words[i], _mm_loadu_si128((const __m128i *)(constants + 4 * i)));
            four_rounds(&a, sum);
            four_rounds(&b, sum);
        }
        a.abef = _mm_add_epi32(a.abef, start_a.abef);
        a.cdgh = _mm_add_epi32(a.cdgh, start_a.cdgh);
        b.abef = _mm_add_epi32(b.abef, start_b.abef);
        b.cdgh = _mm_add_epi32(b.cdgh, start_b.cdgh);
    }
    store(one, a);
    store(other, b);
}

#else

int ccrypto_has_sha256_twin(void) { return 0; }
void ccrypto_sha256_twin(
    uint32_t *one, uint32_t *other, const uint8_t *blocks, size_t count) {
    (void)one, (void)other, (void)blocks, (void)count;
}

#endif
