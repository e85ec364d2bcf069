#include "ccurl.h"

#include <dlfcn.h>
#include <stddef.h>

/* The macros of curl.h check the types of literal options; ours are variables. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

#define FUNCTIONS(X)     \
    X(curl_global_init)  \
    X(curl_easy_init)    \
    X(curl_easy_cleanup) \
    X(curl_easy_reset)   \
    X(curl_easy_perform) \
    X(curl_easy_strerror) \
    X(curl_easy_setopt)  \
    X(curl_easy_getinfo) \
    X(curl_slist_append) \
    X(curl_slist_free_all)

static struct {
#define FIELD(name) __typeof__(name) *name;
    FUNCTIONS(FIELD)
#undef FIELD
} table;

static int is_loaded = 0;

const char *ccurl_load(void) {
    if (is_loaded) return NULL;
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define LOOK_UP(name)                                   \
    *(void **)(&table.name) = dlsym(library, #name);    \
    if (!table.name) return dlerror();
    FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    if (table.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return "libcurl could not be initialized";
    is_loaded = 1;
    return NULL;
}

CURL *ccurl_easy_init(void) { return table.curl_easy_init(); }
void ccurl_easy_cleanup(CURL *curl) { table.curl_easy_cleanup(curl); }
void ccurl_easy_reset(CURL *curl) { table.curl_easy_reset(curl); }
CURLcode ccurl_easy_perform(CURL *curl) { return table.curl_easy_perform(curl); }
const char *ccurl_easy_strerror(CURLcode code) { return table.curl_easy_strerror(code); }

struct curl_slist *ccurl_slist_append(struct curl_slist *list, const char *text) {
    return table.curl_slist_append(list, text);
}
void ccurl_slist_free_all(struct curl_slist *list) { table.curl_slist_free_all(list); }

CURLcode ccurl_set_long(CURL *curl, CURLoption option, long value) {
    return table.curl_easy_setopt(curl, option, value);
}
CURLcode ccurl_set_offset(CURL *curl, CURLoption option, curl_off_t value) {
    return table.curl_easy_setopt(curl, option, value);
}
CURLcode ccurl_set_string(CURL *curl, CURLoption option, const char *value) {
    return table.curl_easy_setopt(curl, option, value);
}
CURLcode ccurl_set_pointer(CURL *curl, CURLoption option, const void *value) {
    return table.curl_easy_setopt(curl, option, value);
}
CURLcode ccurl_set_sink(CURL *curl, CURLoption option, ccurl_sink sink) {
    return table.curl_easy_setopt(curl, option, sink);
}
CURLcode ccurl_set_seek(CURL *curl, ccurl_seek seek) {
    return table.curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek);
}
CURLcode ccurl_set_progress(CURL *curl, ccurl_progress progress) {
    return table.curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
}
CURLcode ccurl_get_long(CURL *curl, CURLINFO info, long *value) {
    return table.curl_easy_getinfo(curl, info, value);
}
