#include "ccrypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void *new_digest(const EVP_MD *kind) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    if (digest && EVP_DigestInit_ex(digest, kind, NULL) != 1) {
        EVP_MD_CTX_free(digest);
        return NULL;
    }
    return digest;
}

void *ccrypto_sha256_new(void) { return new_digest(EVP_sha256()); }
void *ccrypto_md5_new(void) { return new_digest(EVP_md5()); }

int ccrypto_update(void *digest, const void *bytes, size_t length) {
    return EVP_DigestUpdate(digest, bytes, length);
}
int ccrypto_finish(void *digest, uint8_t *out) { return EVP_DigestFinal_ex(digest, out, NULL); }
void ccrypto_free(void *digest) { EVP_MD_CTX_free(digest); }

int ccrypto_hmac_sha256(
    const void *key, size_t key_length, const void *bytes, size_t length, uint8_t *out) {
    return HMAC(EVP_sha256(), key, (int)key_length, bytes, length, out, NULL) != NULL;
}
