#include "ccrypto.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define FUNCTIONS(X)      \
    X(EVP_MD_CTX_new)     \
    X(EVP_MD_CTX_free)    \
    X(EVP_DigestInit_ex)  \
    X(EVP_DigestUpdate)   \
    X(EVP_DigestFinal_ex) \
    X(EVP_sha256)         \
    X(EVP_md5)            \
    X(HMAC)

static struct {
#define FIELD(name) __typeof__(name) *name;
    FUNCTIONS(FIELD)
#undef FIELD
} table;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Nothing useful can be done without digests, and the package that holds libcurl needs it too. */
static void load(void) {
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    int found = library != NULL;
#define LOOK_UP(name) \
    found = found && (*(void **)(&table.name) = dlsym(library, #name)) != NULL;
    FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    if (!found) {
        fprintf(stderr, "could not load libcrypto: %s\n", dlerror());
        exit(78);
    }
}

static void *new_digest(const EVP_MD *kind) {
    EVP_MD_CTX *digest = table.EVP_MD_CTX_new();
    if (digest && table.EVP_DigestInit_ex(digest, kind, NULL) != 1) {
        table.EVP_MD_CTX_free(digest);
        return NULL;
    }
    return digest;
}

void *ccrypto_sha256_new(void) {
    pthread_once(&once, load);
    return new_digest(table.EVP_sha256());
}

void *ccrypto_md5_new(void) {
    pthread_once(&once, load);
    return new_digest(table.EVP_md5());
}

int ccrypto_update(void *digest, const void *bytes, size_t length) {
    return table.EVP_DigestUpdate(digest, bytes, length);
}

int ccrypto_finish(void *digest, uint8_t *out) {
    return table.EVP_DigestFinal_ex(digest, out, NULL);
}

void ccrypto_free(void *digest) { table.EVP_MD_CTX_free(digest); }

int ccrypto_hmac_sha256(
    const void *key, size_t key_length, const void *bytes, size_t length, uint8_t *out) {
    pthread_once(&once, load);
    return table.HMAC(
        table.EVP_sha256(), key, (int)key_length, bytes, length, out, NULL) != NULL;
}
