/* libcurl, loaded when it is first needed: linking it brings in some thirty libraries, and with
 * them more start-up time than all else that a tool does before its first request.
 *
 * Typed wrappers stand for curl_easy_setopt, which is variadic and so not imported. No function
 * but ccurl_load may be called before it has succeeded. */
#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

/* Loads the library and makes it ready; NULL, or what went wrong. Call it from one thread. */
const char *ccurl_load(void);

CURL *ccurl_easy_init(void);
void ccurl_easy_cleanup(CURL *curl);
void ccurl_easy_reset(CURL *curl);
CURLcode ccurl_easy_perform(CURL *curl);
const char *ccurl_easy_strerror(CURLcode code);
struct curl_slist *ccurl_slist_append(struct curl_slist *list, const char *text);
void ccurl_slist_free_all(struct curl_slist *list);

CURLcode ccurl_set_long(CURL *curl, CURLoption option, long value);
CURLcode ccurl_set_offset(CURL *curl, CURLoption option, curl_off_t value);
CURLcode ccurl_set_string(CURL *curl, CURLoption option, const char *value);
CURLcode ccurl_set_pointer(CURL *curl, CURLoption option, const void *value);

/* For CURLOPT_WRITEFUNCTION, CURLOPT_HEADERFUNCTION and CURLOPT_READFUNCTION. */
typedef size_t (*ccurl_sink)(char *bytes, size_t size, size_t count, void *context);
CURLcode ccurl_set_sink(CURL *curl, CURLoption option, ccurl_sink sink);
/* What a source of a body returns to end the request; as size_t imports, an enumerator would not. */
static const size_t CCURL_READ_ABORT = CURL_READFUNC_ABORT;
typedef int (*ccurl_seek)(void *context, curl_off_t offset, int origin);
CURLcode ccurl_set_seek(CURL *curl, ccurl_seek seek);
typedef int (*ccurl_progress)(
    void *context, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put);
CURLcode ccurl_set_progress(CURL *curl, ccurl_progress progress);

CURLcode ccurl_get_long(CURL *curl, CURLINFO info, long *value);

#endif
