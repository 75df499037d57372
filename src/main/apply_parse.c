/* src/main/apply_parse.c - YAML, or JSON, which is YAML, as a tree. */
#include "base/json.h"
#include "base/utf8.h"
#include "main/apply.h"

#include <yaml.h>

enum { DEPTH_MAX = 16, NODES_MAX = 200000, SECRET_NAME_MAX = 128 };

struct reader {
    struct arena *a;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    size_t nodes;
};

static Err wrong(const struct reader *r, const char *what)
{
    size_t line = r->has_event ? r->event.start_mark.line : r->parser.problem_mark.line;

    return err_detail(E_SYNTAX, "Line %zu: %s.", line + 1, what);
}

static Err next(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event))
        return wrong(r, r->parser.problem ? r->parser.problem : "this is no YAML");
    r->has_event = true;
    return OK;
}

/* A plain word is what it looks like; a quoted one is a text. */
static struct json *scalar(struct reader *r)
{
    Str s = str_dup(
        r->a, str_from((const char *)r->event.data.scalar.value, r->event.data.scalar.length));
    struct json *v;
    char first = s.n ? s.p[0] : 0;

    if (r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return json_str(r->a, s);
    if (!s.n || str_eq(s, S("~")) || str_eq(s, S("null")))
        return json_null(r->a);
    if (str_eq(s, S("true")) || str_eq(s, S("false")))
        return json_bool(r->a, s.p[0] == 't');
    if (((first >= '0' && first <= '9') || first == '-') && json_parse(r->a, s, &v) == OK &&
        json_is_number(v))
        return v;
    return json_str(r->a, s);
}

static Err read_node(struct reader *r, int depth, struct json **ret_value);

static Err read_list(struct reader *r, int depth, struct json **ret_value)
{
    struct json *list = json_arr(r->a), *item = NULL;

    for (;;) {
        TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        TRY(read_node(r, depth + 1, &item));
        json_push(r->a, list, item);
    }
    *ret_value = list;
    return OK;
}

static Err read_mapping(struct reader *r, int depth, struct json **ret_value)
{
    struct json *v = json_obj(r->a, NULL), *value = NULL;

    for (;;) {
        TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (r->event.type != YAML_SCALAR_EVENT)
            return wrong(r, "a name must be plain text");
        Str name = str_dup(
            r->a, str_from((const char *)r->event.data.scalar.value, r->event.data.scalar.length));
        if (json_get(v, name))
            return wrong(r, "this name stands here twice");
        TRY(next(r));
        TRY(read_node(r, depth + 1, &value));
        json_set(r->a, v, name, value);
    }
    *ret_value = v;
    return OK;
}

/* The present event begins it. */
static Err read_node(struct reader *r, int depth, struct json **ret_value)
{
    if (depth > DEPTH_MAX)
        return wrong(r, "this is nested too deep");
    if (++r->nodes > NODES_MAX)
        return wrong(r, "there is too much in this file");
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        if (r->event.data.scalar.anchor || r->event.data.scalar.tag)
            return wrong(r, "anchors and tags are not taken here");
        *ret_value = scalar(r);
        return OK;
    case YAML_SEQUENCE_START_EVENT:
        if (r->event.data.sequence_start.anchor || r->event.data.sequence_start.tag)
            return wrong(r, "anchors and tags are not taken here");
        return read_list(r, depth, ret_value);
    case YAML_MAPPING_START_EVENT:
        if (r->event.data.mapping_start.anchor || r->event.data.mapping_start.tag)
            return wrong(r, "anchors and tags are not taken here");
        return read_mapping(r, depth, ret_value);
    default:
        return wrong(r, "aliases (*name) are not taken here; write the value out");
    }
}

static Err read_document(struct reader *r, struct json **ret_value)
{
    *ret_value = json_obj(r->a, NULL); /* an empty file says nothing */
    TRY(next(r));
    TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return OK;
    TRY(next(r));
    TRY(read_node(r, 0, ret_value));
    TRY(next(r));
    TRY(next(r));
    return r->event.type == YAML_STREAM_END_EVENT
               ? OK
               : wrong(r, "there is a second document; only one is taken");
}

Err apply_parse(struct arena *a, Str text, struct json **ret_value)
{
    struct reader *r = arena_new_of(a, struct reader);

    r->a = a;
    if (!utf8_valid(text))
        return err_detail(E_SYNTAX, "The file is not UTF-8.");
    if (!yaml_parser_initialize(&r->parser))
        DIE("out of memory");
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text.p, text.n);
    Err e = read_document(r, ret_value);
    if (r->has_event)
        yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    return e;
}

/* ---- the environment ---- */

static bool find_variable(const char *const *env, Str name, Str *ret_value)
{
    for (; env && *env; env++) {
        Str one = str_c(*env);
        if (str_starts(one, name) && one.n > name.n && one.p[name.n] == '=') {
            *ret_value = str_skip(one, name.n + 1);
            return true;
        }
    }
    return false;
}

Err apply_expand(struct arena *a, const char *const *env, Str text, Str *ret_text)
{
    AUTO_BUF(out, MIB(1));
    size_t at;

    while ((at = str_find(text, S("${"))) != SIZE_MAX) {
        Str value;
        buf_add(&out, str_head(text, at));
        text = str_skip(text, at + 2);
        size_t end = str_find_char(text, '}');
        if (end == SIZE_MAX || !end || end > SECRET_NAME_MAX)
            return err_detail(E_INVALID, "\"${\" takes the name of a variable and \"}\".");
        if (!find_variable(env, str_head(text, end), &value))
            return err_detail(E_NOT_FOUND, "${%.*s} is not set in the environment.",
                              P(str_head(text, end)));
        buf_add(&out, value);
        text = str_skip(text, end + 1);
    }
    buf_add(&out, text);
    TRY(buf_ok(&out));
    *ret_text = str_dup(a, buf_str(&out));
    return OK;
}
