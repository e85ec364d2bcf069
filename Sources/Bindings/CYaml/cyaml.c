#include "cyaml.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FUNCTIONS(X)                \
    X(yaml_parser_initialize)       \
    X(yaml_parser_delete)           \
    X(yaml_parser_set_input_string) \
    X(yaml_parser_parse)            \
    X(yaml_event_delete)

static struct {
#define FIELD(name) __typeof__(name) *name;
    FUNCTIONS(FIELD)
#undef FIELD
} table;

static int is_loaded = 0;

const char *cyaml_load(void) {
    if (is_loaded) return NULL;
    void *library = dlopen("libyaml-0.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define LOOK_UP(name)                                \
    *(void **)(&table.name) = dlsym(library, #name); \
    if (!table.name) return dlerror();
    FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    is_loaded = 1;
    return NULL;
}

struct cyaml_reader {
    yaml_parser_t parser;
    yaml_event_t event;
    int has_event;
    unsigned char *text;
};

cyaml_reader *cyaml_open(const void *text, size_t length) {
    cyaml_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return NULL;
    reader->text = malloc(length + 1);
    if (!reader->text || !table.yaml_parser_initialize(&reader->parser)) {
        free(reader->text);
        free(reader);
        return NULL;
    }
    if (length > 0) memcpy(reader->text, text, length);
    table.yaml_parser_set_input_string(&reader->parser, reader->text, length);
    return reader;
}

static void forget_event(cyaml_reader *reader) {
    if (reader->has_event) table.yaml_event_delete(&reader->event);
    reader->has_event = 0;
}

static int kind_of(yaml_event_type_t type) {
    switch (type) {
    case YAML_DOCUMENT_START_EVENT: return CYAML_DOCUMENT;
    case YAML_DOCUMENT_END_EVENT: return CYAML_DOCUMENT_END;
    case YAML_SCALAR_EVENT: return CYAML_SCALAR;
    case YAML_SEQUENCE_START_EVENT: return CYAML_SEQUENCE;
    case YAML_SEQUENCE_END_EVENT: return CYAML_SEQUENCE_END;
    case YAML_MAPPING_START_EVENT: return CYAML_MAPPING;
    case YAML_MAPPING_END_EVENT: return CYAML_MAPPING_END;
    case YAML_ALIAS_EVENT: return CYAML_ALIAS;
    default: return CYAML_END;
    }
}

static void describe(const yaml_event_t *event, struct cyaml_event *out) {
    memset(out, 0, sizeof *out);
    out->kind = kind_of(event->type);
    out->line = event->start_mark.line + 1;
    out->column = event->start_mark.column + 1;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        out->value = event->data.scalar.value;
        out->length = event->data.scalar.length;
        out->style = (int)event->data.scalar.style;
        out->has_tag = event->data.scalar.tag != NULL;
        out->has_anchor = event->data.scalar.anchor != NULL;
        break;
    case YAML_SEQUENCE_START_EVENT:
        out->has_tag = event->data.sequence_start.tag != NULL;
        out->has_anchor = event->data.sequence_start.anchor != NULL;
        break;
    case YAML_MAPPING_START_EVENT:
        out->has_tag = event->data.mapping_start.tag != NULL;
        out->has_anchor = event->data.mapping_start.anchor != NULL;
        break;
    default:
        break;
    }
}

int cyaml_next(cyaml_reader *reader, struct cyaml_event *out) {
    do {
        forget_event(reader);
        if (!table.yaml_parser_parse(&reader->parser, &reader->event)) return -1;
        reader->has_event = 1;
    } while (reader->event.type == YAML_STREAM_START_EVENT);
    describe(&reader->event, out);
    return 0;
}

const char *cyaml_problem(const cyaml_reader *reader, size_t *line, size_t *column) {
    *line = reader->parser.problem_mark.line + 1;
    *column = reader->parser.problem_mark.column + 1;
    if (reader->parser.error == YAML_READER_ERROR) {
        /* Here libyaml knows the byte only. */
        *line = 1;
        *column = 1;
        for (size_t i = 0; i < reader->parser.problem_offset; i++) {
            if (reader->text[i] == '\n') {
                ++*line;
                *column = 1;
            } else {
                ++*column;
            }
        }
    }
    if (reader->parser.error == YAML_MEMORY_ERROR) return "out of memory";
    return reader->parser.problem ? reader->parser.problem : "not understood";
}

void cyaml_close(cyaml_reader *reader) {
    forget_event(reader);
    table.yaml_parser_delete(&reader->parser);
    free(reader->text);
    free(reader);
}
