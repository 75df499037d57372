/* src/main/config_yaml.c - heddle.yaml as a flat list of keys and texts, each with its line.
 *
 * Only what a configuration needs is taken: one document, mappings of mappings, values and flat
 * lists of values. Anchors, merged keys and further documents are refused, so that what a person
 * reads in the file is all there is.
 */
#include "main/config_private.h"

#include <yaml.h>

enum { MAX_DEPTH = 6, MAX_ENTRIES = 1000 };

struct reader {
    struct arena *a;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event, failed;
    Str name;
    struct config_entries *entries;
    struct buf *complaints;
};

static void complain(struct reader *r, size_t line, const char *what)
{
    buf_add_fmt(r->complaints, "%.*s:%zu: %s\n", P(r->name), line + 1, what);
}

/* Fetch the next event into r->event. After a failure, which is told once, it is a stream end. */
static yaml_event_type_t next(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = false;
    if (r->failed)
        return YAML_STREAM_END_EVENT;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        const char *problem = r->parser.problem ? r->parser.problem : "it cannot be read";
        AUTO_BUF(text, KIB(1));

        buf_add_fmt(&text, "this is not valid YAML: %s", problem);
        buf_add_char(&text, 0);
        complain(r, r->parser.problem_mark.line,
                 buf_ok(&text) == OK ? text.p : "this is not valid YAML");
        r->failed = true;
        return YAML_STREAM_END_EVENT;
    }
    r->has_event = true;
    return r->event.type;
}

static size_t line_of(const struct reader *r)
{
    return r->has_event ? r->event.start_mark.line : 0;
}

static Str scalar(struct reader *r)
{
    return str_dup(r->a,
                   str_from((const char *)r->event.data.scalar.value, r->event.data.scalar.length));
}

/* A plain "key:" with nothing, "~" or "null" behind it. */
static bool is_null(const struct reader *r)
{
    Str s = {(const char *)r->event.data.scalar.value, r->event.data.scalar.length};

    return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (s.n == 0 || str_eq(s, S("~")) || str_eq_nocase(s, S("null")));
}

static void add(struct reader *r, enum config_entry_kind kind, Str key, Str text, size_t line)
{
    if (r->entries->n >= MAX_ENTRIES) {
        complain(r, line, "there are too many entries");
        r->failed = true;
        return;
    }
    struct config_entry *entry = vec_add(r->a, r->entries);
    *entry = (struct config_entry){.key = key, .text = text, .line = (int)line + 1, .kind = kind};
}

/* Skip what began with the present event, so that reading can go on behind it. */
static void skip(struct reader *r)
{
    int depth = 0;

    do {
        switch (r->has_event ? r->event.type : YAML_STREAM_END_EVENT) {
        case YAML_MAPPING_START_EVENT:
        case YAML_SEQUENCE_START_EVENT:
            depth++;
            break;
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT:
            depth--;
            break;
        case YAML_STREAM_END_EVENT:
            return;
        default:
            break;
        }
        if (depth > 0)
            next(r);
    } while (depth > 0);
}

static void read_list(struct reader *r, Str key)
{
    AUTO_BUF(joined, KIB(64));
    size_t line = line_of(r);
    yaml_event_type_t type;

    while ((type = next(r)) != YAML_SEQUENCE_END_EVENT && type != YAML_STREAM_END_EVENT) {
        if (type != YAML_SCALAR_EVENT) {
            complain(r, line_of(r), "a list may only hold plain values");
            skip(r);
            continue;
        }
        if (joined.n)
            buf_add_char(&joined, ',');
        buf_add(&joined, scalar(r));
    }
    if (buf_ok(&joined) != OK)
        complain(r, line, "this list is too long");
    add(r, CONFIG_ENTRY_LIST, key, str_dup(r->a, buf_str(&joined)), line);
}

static void read_mapping(struct reader *r, Str prefix, unsigned depth);

static void read_value(struct reader *r, Str key, unsigned depth)
{
    switch (next(r)) {
    case YAML_SCALAR_EVENT:
        if (is_null(r))
            complain(r, line_of(r),
                     str_dup_c(r->a, str_fmt(r->a,
                                             "%.*s: there is no value; give one or leave the "
                                             "line out",
                                             P(key))));
        else
            add(r, CONFIG_ENTRY_PLAIN, key, scalar(r), line_of(r));
        break;
    case YAML_SEQUENCE_START_EVENT:
        read_list(r, key);
        break;
    case YAML_MAPPING_START_EVENT:
        if (depth < MAX_DEPTH) {
            read_mapping(r, key, depth + 1);
        } else {
            complain(r, line_of(r), "this is nested too deep");
            skip(r);
        }
        break;
    case YAML_ALIAS_EVENT:
        complain(r, line_of(r), "aliases (*name) are not taken here; write the value out");
        break;
    default:
        break;
    }
}

static void read_mapping(struct reader *r, Str prefix, unsigned depth)
{
    size_t line = line_of(r), n = 0;
    yaml_event_type_t type;

    for (; (type = next(r)) != YAML_MAPPING_END_EVENT && type != YAML_STREAM_END_EVENT; n++) {
        if (type != YAML_SCALAR_EVENT) {
            complain(r, line_of(r), "a key must be plain text");
            skip(r);
            next(r);
            skip(r);
            continue;
        }
        Str key = scalar(r);
        read_value(r, prefix.n ? str_fmt(r->a, "%.*s.%.*s", P(prefix), P(key)) : key, depth);
    }
    if (n == 0 && prefix.n)
        add(r, CONFIG_ENTRY_GROUP, prefix, S(""), line);
}

static void read_document(struct reader *r)
{
    yaml_event_type_t type;

    while ((type = next(r)) == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT)
        ;
    if (type == YAML_STREAM_END_EVENT)
        return;
    if (type == YAML_MAPPING_START_EVENT)
        read_mapping(r, S(""), 0);
    else if (!(type == YAML_SCALAR_EVENT && is_null(r)))
        complain(r, line_of(r), "settings must stand as \"key: value\"");
    while ((type = next(r)) != YAML_STREAM_END_EVENT) {
        if (type == YAML_DOCUMENT_START_EVENT) {
            complain(r, line_of(r), "there is a second document; only one is taken");
            return;
        }
    }
}

void config_yaml_read(struct arena *a, Str text, Str name, struct config_entries *ret_entries,
                      struct buf *complaints)
{
    struct config_entries entries = {0};
    struct reader r = {.a = a, .name = name, .entries = &entries, .complaints = complaints};

    if (!yaml_parser_initialize(&r.parser))
        DIE("out of memory");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
    read_document(&r);
    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    *ret_entries = entries;
}
