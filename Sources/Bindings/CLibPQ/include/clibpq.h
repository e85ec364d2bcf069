/* libpq as Swift sees it: its own header, plus what Swift cannot import from it.
 *
 * The functions are libpq's, by their own names, but the library is opened at the first call of
 * clibpq_load instead of at program start: it brings 25 libraries with it (GSSAPI, LDAP, ...),
 * which cost 3.5 ms that `--help`, `--version` and refused command lines need not pay. */
#ifndef CLIBPQ_H
#define CLIBPQ_H

#include <postgresql/libpq-fe.h>
#include <stdbool.h>

/* Opens libpq; NULL, or what went wrong. Must be called before any other function. */
const char *clibpq_load(void);

/* Character-literal macros are not imported; enumerators are. */
enum {
    CLIBPQ_DIAG_SQLSTATE = PG_DIAG_SQLSTATE,
    CLIBPQ_DIAG_MESSAGE = PG_DIAG_MESSAGE_PRIMARY,
    CLIBPQ_DIAG_DETAIL = PG_DIAG_MESSAGE_DETAIL,
    CLIBPQ_DIAG_HINT = PG_DIAG_MESSAGE_HINT,
    CLIBPQ_DIAG_CONTEXT = PG_DIAG_CONTEXT,
};

/* Throws notices away instead of printing them between our own messages. */
void clibpq_silence_notices(PGconn *connection);

/* Whether a connect_timeout is in force, wherever it comes from. */
bool clibpq_has_connect_timeout(PGconn *connection);

#endif
