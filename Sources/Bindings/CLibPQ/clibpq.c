#include "clibpq.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Every libpq function that is used here: result, name, parameters, arguments. */
#define FUNCTIONS(F)                                                                              \
    F(PGconn *, PQconnectStartParams,                                                             \
      (const char *const *keywords, const char *const *values, int expand),                       \
      (keywords, values, expand))                                                                 \
    F(PGconn *, PQconnectdbParams,                                                                \
      (const char *const *keywords, const char *const *values, int expand),                       \
      (keywords, values, expand))                                                                 \
    F(PostgresPollingStatusType, PQconnectPoll, (PGconn * conn), (conn))                          \
    F(ConnStatusType, PQstatus, (const PGconn *conn), (conn))                                     \
    F(char *, PQerrorMessage, (const PGconn *conn), (conn))                                       \
    F(int, PQsocket, (const PGconn *conn), (conn))                                                \
    F(int, PQserverVersion, (const PGconn *conn), (conn))                                         \
    F(char *, PQdb, (const PGconn *conn), (conn))                                                 \
    F(int, PQconnectionNeedsPassword, (const PGconn *conn), (conn))                               \
    F(int, PQsendQuery, (PGconn * conn, const char *sql), (conn, sql))                            \
    F(int, PQsendQueryParams,                                                                     \
      (PGconn * conn, const char *sql, int count, const Oid *types, const char *const *values,    \
       const int *lengths, const int *formats, int format),                                       \
      (conn, sql, count, types, values, lengths, formats, format))                                \
    F(int, PQsendPrepare,                                                                         \
      (PGconn * conn, const char *name, const char *sql, int count, const Oid *types),            \
      (conn, name, sql, count, types))                                                            \
    F(int, PQsendQueryPrepared,                                                                   \
      (PGconn * conn, const char *name, int count, const char *const *values,                     \
       const int *lengths, const int *formats, int format),                                       \
      (conn, name, count, values, lengths, formats, format))                                      \
    F(int, PQconsumeInput, (PGconn * conn), (conn))                                               \
    F(int, PQisBusy, (PGconn * conn), (conn))                                                     \
    F(PGresult *, PQgetResult, (PGconn * conn), (conn))                                           \
    F(int, PQsetnonblocking, (PGconn * conn, int value), (conn, value))                           \
    F(int, PQflush, (PGconn * conn), (conn))                                                      \
    F(int, PQgetCopyData, (PGconn * conn, char **buffer, int async), (conn, buffer, async))       \
    F(int, PQputCopyData, (PGconn * conn, const char *bytes, int count), (conn, bytes, count))    \
    F(int, PQputCopyEnd, (PGconn * conn, const char *error), (conn, error))                       \
    F(ExecStatusType, PQresultStatus, (const PGresult *res), (res))                               \
    F(char *, PQresultErrorField, (const PGresult *res, int field), (res, field))                 \
    F(int, PQntuples, (const PGresult *res), (res))                                               \
    F(int, PQnfields, (const PGresult *res), (res))                                               \
    F(char *, PQgetvalue, (const PGresult *res, int row, int column), (res, row, column))         \
    F(int, PQgetlength, (const PGresult *res, int row, int column), (res, row, column))           \
    F(int, PQgetisnull, (const PGresult *res, int row, int column), (res, row, column))           \
    F(char *, PQcmdTuples, (PGresult * res), (res))                                               \
    F(PGcancel *, PQgetCancel, (PGconn * conn), (conn))                                           \
    F(int, PQcancel, (PGcancel * cancel, char *error, int size), (cancel, error, size))           \
    F(PQconninfoOption *, PQconninfo, (PGconn * conn), (conn))                                    \
    F(PQnoticeProcessor, PQsetNoticeProcessor,                                                    \
      (PGconn * conn, PQnoticeProcessor processor, void *argument), (conn, processor, argument))

#define PROCEDURES(F)                                          \
    F(PQfinish, (PGconn * conn), (conn))                       \
    F(PQclear, (PGresult * res), (res))                        \
    F(PQfreemem, (void *memory), (memory))                     \
    F(PQconninfoFree, (PQconninfoOption * options), (options)) \
    F(PQfreeCancel, (PGcancel * cancel), (cancel))

#define SLOT(result, name, parameters, arguments) result(*name) parameters;
#define SLOT_VOID(name, parameters, arguments) void(*name) parameters;
static struct {
    FUNCTIONS(SLOT)
    PROCEDURES(SLOT_VOID)
} libpq;

#define STUB(result, name, parameters, arguments) \
    result name parameters { return libpq.name arguments; }
#define STUB_VOID(name, parameters, arguments) \
    void name parameters { libpq.name arguments; }
FUNCTIONS(STUB)
PROCEDURES(STUB_VOID)

static const char *problem;

static void load(void) {
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        problem = dlerror();
        return;
    }
#define FIND(name)                                              \
    if (!(*(void **)&libpq.name = dlsym(library, #name))) {     \
        problem = "libpq lacks the function " #name;            \
        return;                                                 \
    }
#define FIND_FUNCTION(result, name, parameters, arguments) FIND(name)
#define FIND_PROCEDURE(name, parameters, arguments) FIND(name)
    FUNCTIONS(FIND_FUNCTION)
    PROCEDURES(FIND_PROCEDURE)
}

const char *clibpq_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return problem;
}

static void ignore_notice(void *argument, const char *message) {
    (void)argument;
    (void)message;
}

void clibpq_silence_notices(PGconn *connection) {
    libpq.PQsetNoticeProcessor(connection, ignore_notice, NULL);
}

bool clibpq_has_connect_timeout(PGconn *connection) {
    PQconninfoOption *options = libpq.PQconninfo(connection);
    int seconds = 0;
    for (PQconninfoOption *option = options; option && option->keyword; option++) {
        if (option->val && strcmp(option->keyword, "connect_timeout") == 0) seconds = atoi(option->val);
    }
    libpq.PQconninfoFree(options);
    return seconds > 0;
}
