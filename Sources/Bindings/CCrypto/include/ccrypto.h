/* The digests of libcrypto, loaded when the first one is made: linking it costs each start of a
 * tool half a millisecond. Its headers stay out of Swift's sight, which would take long over them. */
#ifndef CCRYPTO_H
#define CCRYPTO_H

#include <stddef.h>
#include <stdint.h>

enum { CCRYPTO_SHA256_BYTES = 32, CCRYPTO_MD5_BYTES = 16 };

/* A digest in the making; NULL when there is no memory. */
void *ccrypto_sha256_new(void);
void *ccrypto_md5_new(void);
/* 1, or 0 on failure, as libcrypto has it. */
int ccrypto_update(void *digest, const void *bytes, size_t length);
int ccrypto_finish(void *digest, uint8_t *out);
void ccrypto_free(void *digest);

int ccrypto_hmac_sha256(
    const void *key, size_t key_length, const void *bytes, size_t length, uint8_t *out);

/* True where the processor can do the next one. */
int ccrypto_has_sha256_twin(void);
/* Takes `count` blocks of 64 bytes into two SHA-256 states of eight words at once: the rounds of
 * one run in the time that those of the other wait. */
void ccrypto_sha256_twin(uint32_t *one, uint32_t *other, const uint8_t *blocks, size_t count);

#endif
