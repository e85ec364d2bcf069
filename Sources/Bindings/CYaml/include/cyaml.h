/* libyaml's event reader. Its parser and its events are structures of unions that Swift would have to take apart unsafely;
 * here they are flat.
 *
 * The library is loaded when it is first needed, because most tools never read any. No function but cyaml_load may be
 * called before it has succeeded. */
#ifndef CYAML_H
#define CYAML_H

#include <stddef.h>

typedef struct cyaml_reader cyaml_reader;

enum {
    CYAML_END = 0,
    CYAML_DOCUMENT = 1,
    CYAML_DOCUMENT_END = 2,
    CYAML_SCALAR = 3,
    CYAML_SEQUENCE = 4,
    CYAML_SEQUENCE_END = 5,
    CYAML_MAPPING = 6,
    CYAML_MAPPING_END = 7,
    CYAML_ALIAS = 8,
};

enum {
    CYAML_PLAIN = 1,
    CYAML_SINGLE_QUOTED = 2,
    CYAML_DOUBLE_QUOTED = 3,
    CYAML_LITERAL = 4,
    CYAML_FOLDED = 5,
};

/* What comes next in the text. Lines and columns count from 1. */
struct cyaml_event {
    int kind;
    /* Of a scalar; UTF-8, valid until the next event is read. */
    const unsigned char *value;
    size_t length;
    int style;
    int has_tag;
    int has_anchor;
    size_t line;
    size_t column;
};

/* NULL, or what went wrong. Call it from one thread. */
const char *cyaml_load(void);

/* Copies the text; NULL where there is no memory for it. */
cyaml_reader *cyaml_open(const void *text, size_t length);
/* Reads the next event; 0, or -1 where the text is no YAML. After -1 or CYAML_END there is no next one. */
int cyaml_next(cyaml_reader *reader, struct cyaml_event *out);
/* What was wrong and where, after cyaml_next returned -1. */
const char *cyaml_problem(const cyaml_reader *reader, size_t *line, size_t *column);
void cyaml_close(cyaml_reader *reader);

#endif
