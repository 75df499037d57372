/* src/wf/field.c - settings read from JSON by tables of struct field.
 *
 * A table is the one place that says what a setting is called, what it may be and what it is by
 * default; this file turns it into a filled struct, located problems, and the JSON that the editor
 * builds its forms from.
 */
#include "rt/log.h"
#include "wf/check.h"

#include <math.h>

enum { STR_MAX = 1 << 20, NESTING_MAX = 8, KEY_SHOWN = 200, PATH_MAX_BYTES = 500 };

/* One field being read. */
struct slot {
    struct wf_check *ck;
    Str at; /* its path under the node's data */
    const struct field *field;
    void *to;
};

static struct checker *checker_of(const struct wf_check *ck)
{
    return ck->def_state;
}

#define SET(slot, type, value) (*(type *)(slot)->to = (value))

Str field_path(struct arena *a, Str prefix, Str name)
{
    char *p = arena_bytes(a, prefix.n + 1 + 2 * name.n);
    size_t n = prefix.n;

    if (n) {
        memcpy(p, prefix.p, n);
        p[n++] = '/';
    }
    for (size_t i = 0; i < name.n; i++) {
        bool escape = name.p[i] == '~' || name.p[i] == '/';
        if (escape)
            p[n++] = '~';
        p[n++] = !escape ? name.p[i] : name.p[i] == '~' ? '0' : '1';
    }
    return (Str){p, n};
}

static void wrong_type(struct slot *s, const char *wanted, const struct json *json)
{
    wf_check_problem(s->ck, s->at, S("type"), "\"%s\" must be %s, not %s.", s->field->name, wanted,
                     json_type_name(json));
}

/* ---- numbers ---- */

/* A bound as people write it: 8388608 bytes as 8MiB, 600 seconds as 10m. */
static Str bound_text(const struct field *f, double v, char out[TIME_RFC3339_SIZE])
{
    if (f->kind == F_USEC)
        return time_span((Usec)(v * (double)USEC_S), out);
    if (f->kind == F_SIZE && v >= 1048576 && fmod(v, 1048576) == 0)
        return (Str){out, (size_t)snprintf(out, TIME_RFC3339_SIZE, "%.0fMiB", v / 1048576)};
    return (Str){out, (size_t)snprintf(out, TIME_RFC3339_SIZE, "%.15g", v)};
}

static const char *unit_of(const struct field *f)
{
    switch (f->kind) {
    case F_STR:
        return " characters";
    case F_LIST:
    case F_STR_LIST:
        return " elements";
    default:
        return "";
    }
}

static bool in_bounds(struct slot *s, double v)
{
    const struct field *f = s->field;
    char min[TIME_RFC3339_SIZE], max[TIME_RFC3339_SIZE];

    if ((f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max))
        return true;
    wf_check_problem(s->ck, s->at, S("range"), "\"%s\" must be between %.*s and %.*s%s.", f->name,
                     P(bound_text(f, f->min, min)), P(bound_text(f, f->max, max)), unit_of(f));
    return false;
}

static void read_int(struct slot *s, const struct json *json)
{
    if (!json_is_number(json) || json_int_of(json, 0) != json_int_of(json, 1))
        wrong_type(s, "a whole number", json);
    else if (in_bounds(s, (double)json_int_of(json, 0)))
        SET(s, int64_t, json_int_of(json, 0));
}

static void read_real(struct slot *s, const struct json *json)
{
    if (!json_is_number(json))
        wrong_type(s, "a number", json);
    else if (in_bounds(s, json_double_of(json, 0)))
        SET(s, double, json_double_of(json, 0));
}

static void read_span(struct slot *s, const struct json *json)
{
    double seconds = json_double_of(json, -1);
    Usec span = 0;
    Err e = OK;

    if (json_is(json, JSON_STR))
        e = time_parse_span(json_str_of(json, S("")), &span);
    else if (json_is_number(json) && seconds >= 0 && seconds < 1e12)
        span = (Usec)llround(seconds * (double)USEC_S);
    else
        e = E_SYNTAX;
    if (e != OK)
        wf_check_problem(
            s->ck, s->at, S("type"),
            "\"%s\" must be a span such as \"250ms\", \"30s\", \"1h30m\" or a number of "
            "seconds.",
            s->field->name);
    else if (in_bounds(s, (double)span / (double)USEC_S))
        SET(s, Usec, span);
}

static void read_size(struct slot *s, const struct json *json)
{
    int64_t bytes = json_int_of(json, -1);
    size_t size = (size_t)bytes;
    Err e = OK;

    if (json_is(json, JSON_STR))
        e = str_to_size(json_str_of(json, S("")), &size);
    else if (!json_is_number(json) || bytes < 0)
        e = E_SYNTAX;
    if (e != OK)
        wf_check_problem(s->ck, s->at, S("type"),
                         "\"%s\" must be a size such as \"64KiB\", \"8MiB\" or a number of bytes.",
                         s->field->name);
    else if (in_bounds(s, (double)size))
        SET(s, size_t, size);
}

/* ---- text ---- */

static void unscrub(void *p)
{
    log_unscrub(*(Str *)p);
}

void wf_check_secret(struct wf_check *ck, Str secret)
{
    Str *kept = arena_new_of(ck->a, Str);

    *kept = secret;
    log_scrub(secret);
    arena_defer(ck->a, unscrub, kept);
}

static void scrub(struct slot *s, Str text)
{
    if (s->field->secret)
        wf_check_secret(s->ck, text);
}

static bool one_of(const char *words, Str word)
{
    Str rest = str_c(words), head;

    while (rest.p) {
        rest = str_cut(rest, ' ', &head);
        if (str_eq(head, word))
            return true;
    }
    return false;
}

/* "a, b, c" from "a b c". */
static Str listed(struct arena *a, const char *words)
{
    AUTO_BUF(b, KIB(8));

    for (const char *c = words; *c; c++)
        buf_add_c(&b, *c == ' ' ? ", " : (char[]){*c, 0});
    return str_dup(a, buf_str(&b));
}

static void not_one_of(struct slot *s, Str at, Str given)
{
    struct arena *tmp = checker_of(s->ck)->scratch;
    struct guess g = guess_begin(given);
    Str rest = str_c(s->field->one_of), head;

    while (rest.p) {
        rest = str_cut(rest, ' ', &head);
        guess_try(&g, head);
    }
    wf_check_problem(s->ck, at, S("one_of"), "\"%.*s\" is not one of %.*s.%.*s",
                     P(str_head(given, 60)), P(listed(tmp, s->field->one_of)),
                     P(guess_text(tmp, &g)));
}

static void read_enum(struct slot *s, const struct json *json)
{
    Str text = json_str_of(json, S(""));

    if (!json_is(json, JSON_STR))
        wrong_type(s, "a string", json);
    else if (!one_of(s->field->one_of, text))
        not_one_of(s, s->at, text);
    else
        SET(s, Str, text);
}

static void read_str(struct slot *s, const struct json *json)
{
    Str text = json_str_of(json, S(""));

    if (!json_is(json, JSON_STR))
        wrong_type(s, "a string", json);
    else if (text.n > STR_MAX)
        wf_check_problem(s->ck, s->at, S("range"), "\"%s\" is longer than 1 MiB.", s->field->name);
    else if (text.n && memchr(text.p, 0, text.n)) /* no database stores it as text */
        wf_check_problem(s->ck, s->at, S("range"), "\"%s\" has a NUL character in it.",
                         s->field->name);
    else if (in_bounds(s, (double)text.n)) {
        scrub(s, text);
        SET(s, Str, text);
    }
}

static void read_str_list(struct slot *s, const struct json *json)
{
    if (!json_is(json, JSON_ARR)) {
        wrong_type(s, "an array of strings", json);
        return;
    }
    if (!in_bounds(s, (double)json_len(json)))
        return;
    for (size_t i = 0; i < json_len(json); i++) {
        const struct json *item = json_item(json, i);
        Str at = str_fmt(checker_of(s->ck)->scratch, "%.*s/%zu", P(s->at), i);
        if (!json_is(item, JSON_STR))
            wf_check_problem(s->ck, at, S("type"), "\"%s\" must hold strings only, not %s.",
                             s->field->name, json_type_name(item));
        else if (s->field->one_of && !one_of(s->field->one_of, json_str_of(item, S(""))))
            not_one_of(s, at, json_str_of(item, S("")));
    }
    SET(s, const struct json *, json);
}

/* ---- templates ---- */

static void remember(struct checker *c, Str at, Str pointer, const struct wf_template *t)
{
    if (c->exprs > CHECK_EXPRS_MAX)
        return; /* told */
    c->exprs += t->n_exprs;
    at = str_fmt(c->scratch, "%.*s%.*s", P(at), P(str_head(pointer, PATH_MAX_BYTES)));
    if (c->exprs > CHECK_EXPRS_MAX)
        check_wrong(c, at, S("too_many"), "A workflow has at most %d expressions in braces.",
                    CHECK_EXPRS_MAX);
    else
        vec_push(c->scratch, &c->uses,
                 ((struct check_use){c->node ? c->node->index : -1, at, t, c->in_body}));
}

static void bad_template(struct wf_check *ck, Str at, Err e)
{
    wf_check_problem(ck, at, e == E_UNSUPPORTED ? S("unsupported") : S("template"), "%s",
                     err_client_text(e));
}

static void read_template(struct slot *s, const struct json *json)
{
    struct wf_template *t;

    if (!json_is(json, JSON_STR)) {
        wrong_type(s, "a string", json);
        return;
    }
    Err e = wf_template_compile(s->ck->a, json_str_of(json, S("")), &t);
    if (e != OK) {
        bad_template(s->ck, s->at, e);
        return;
    }
    if (!wf_template_is_fixed(t))
        remember(checker_of(s->ck), s->at, S(""), t);
    else
        scrub(s, wf_template_source(t));
    SET(s, struct wf_template *, t);
}

struct watched {
    struct wf_check *ck;
    Str at;
};

static void watch_found(void *ctx, Str pointer, const struct wf_template *t)
{
    struct watched *w = ctx;

    remember(checker_of(w->ck), w->at, pointer, t);
}

static void watch_wrong(void *ctx, Str pointer, Err e)
{
    struct watched *w = ctx;

    pointer = str_head(pointer, PATH_MAX_BYTES);
    if (check_is_full(checker_of(w->ck)))
        pointer = S("");
    bad_template(w->ck, str_fmt(checker_of(w->ck)->scratch, "%.*s%.*s", P(w->at), P(pointer)), e);
}

struct wf_value *wf_check_value(struct wf_check *ck, Str field, const struct json *json)
{
    struct watched w = {ck, field};
    struct wf_value_watch watch = {watch_found, watch_wrong, &w};
    struct wf_value *v = NULL;

    /* The problems have been reported one by one. */
    if (wf_value_compile_watched(ck->a, json, &watch, &v) != OK)
        return NULL;
    return v;
}

static void read_value(struct slot *s, const struct json *json)
{
    SET(s, struct wf_value *, wf_check_value(s->ck, s->at, json));
}

static void read_map(struct slot *s, const struct json *json)
{
    if (!json_is(json, JSON_OBJ)) {
        wrong_type(s, "an object", json);
        return;
    }
    for (size_t i = 0; i < json_len(json); i++) {
        const struct json *v = &json->obj[i].val;
        Str key = json_str_of(&json->obj[i].key, S(""));
        key = str_head(key, KEY_SHOWN);
        if (json_type(v) >= JSON_ARR)
            wf_check_problem(s->ck, field_path(checker_of(s->ck)->scratch, s->at, key), S("type"),
                             "The values of \"%s\" must be strings, not %s.", s->field->name,
                             json_type_name(v));
    }
    read_value(s, json);
}

/* ---- objects ---- */

static void read_object(struct slot *s, const struct json *json)
{
    const struct field *tables[] = {s->field->sub};

    if (!json_is(json, JSON_OBJ)) {
        wrong_type(s, "an object", json);
        return;
    }
    field_unknown(s->ck, s->at, tables, 1, json);
    field_read(s->ck, s->at, s->field->sub, json, s->to);
}

static void read_list(struct slot *s, const struct json *json)
{
    const struct field *f = s->field;
    const struct field *tables[] = {f->sub};
    size_t n = json_len(json);

    if (!json_is(json, JSON_ARR)) {
        wrong_type(s, "an array", json);
        return;
    }
    if (!in_bounds(s, (double)n))
        return;
    char *at = arena_alloc(s->ck->a, n * f->sub_size);
    for (size_t i = 0; i < n; i++) {
        const struct json *item = json_item(json, i);
        Str path = str_fmt(checker_of(s->ck)->scratch, "%.*s/%zu", P(s->at), i);
        if (!json_is(item, JSON_OBJ)) {
            wf_check_problem(s->ck, path, S("type"), "\"%s\" must hold objects only, not %s.",
                             f->name, json_type_name(item));
            continue;
        }
        field_unknown(s->ck, path, tables, 1, item);
        field_read(s->ck, path, f->sub, item, at + i * f->sub_size);
    }
    SET(s, struct wf_list, ((struct wf_list){at, n}));
}

/* ---- one field ---- */

static void free_schema(void *schema)
{
    json_schema_free(schema);
}

static void read_schema(struct slot *s, const struct json *json)
{
    struct json_schema *schema;
    Err e = json_schema_compile(json, NULL, 0, 0, &schema);

    if (e != OK) {
        wf_check_problem(s->ck, s->at, S("schema"), "\"%s\" is no valid JSON Schema: %s",
                         s->field->name, err_client_text(e));
        return;
    }
    arena_defer(s->ck->a, free_schema, schema);
    SET(s, struct json_schema *, schema);
}

static void read_kind(struct slot *s, const struct json *json)
{
    switch (s->field->kind) {
    case F_STR:
        read_str(s, json);
        break;
    case F_TEMPLATE:
        read_template(s, json);
        break;
    case F_VALUE:
        read_value(s, json);
        break;
    case F_MAP:
        read_map(s, json);
        break;
    case F_INT:
        read_int(s, json);
        break;
    case F_REAL:
        read_real(s, json);
        break;
    case F_BOOL:
        if (json_is_bool(json))
            SET(s, bool, json_bool_of(json, false));
        else
            wrong_type(s, "true or false", json);
        break;
    case F_ENUM:
        read_enum(s, json);
        break;
    case F_USEC:
        read_span(s, json);
        break;
    case F_SIZE:
        read_size(s, json);
        break;
    case F_JSON:
        SET(s, const struct json *, json);
        break;
    case F_SCHEMA:
        read_schema(s, json);
        break;
    case F_STR_LIST:
        read_str_list(s, json);
        break;
    case F_OBJECT:
        read_object(s, json);
        break;
    case F_LIST:
        read_list(s, json);
        break;
    }
}

static void read_one(struct slot *s, const struct json *json)
{
    struct checker *c = checker_of(s->ck);
    bool was = c->in_body;

    c->in_body = was || s->field->in_body;
    read_kind(s, json);
    c->in_body = was;
}

/* Defaults are written by programmers: a bad one ends the process, in the first test that reads the
 * table. */
static void set_number(struct slot *s, Str text)
{
    bool unset = str_eq(text, S(FIELD_UNSET)), flag = false;
    int64_t i = 0;
    size_t size = 0;
    Err e = OK;

    switch (s->field->kind) {
    case F_INT:
        e = unset ? OK : str_to_i64(text, &i);
        SET(s, int64_t, unset ? INT64_MIN : i);
        break;
    case F_REAL:
        SET(s, double, unset ? NAN : strtod(s->field->dflt, NULL));
        break;
    case F_BOOL:
        e = str_to_bool(text, &flag);
        SET(s, bool, flag);
        break;
    case F_USEC:
        e = unset ? OK : time_parse_span(text, &i);
        SET(s, Usec, unset ? -1 : i);
        break;
    case F_SIZE:
        e = str_to_size(text, &size);
        SET(s, size_t, size);
        break;
    default:
        e = E_UNSUPPORTED;
    }
    if (e != OK)
        DIE("field \"%s\": bad default \"%s\"", s->field->name, s->field->dflt);
}

static void set_default(struct slot *s)
{
    const struct field *f = s->field;
    struct wf_template *t;

    if (f->kind == F_OBJECT) {
        /* Its own defaults; what is required inside counts only when the object is given. */
        for (const struct field *sub = f->sub; sub->name; sub++)
            set_default(&(struct slot){s->ck, S(""), sub, (char *)s->to + sub->offset});
    } else if (!f->dflt) {
        return;
    } else if (f->kind == F_STR || f->kind == F_ENUM) {
        SET(s, Str, str_c(f->dflt));
    } else if (f->kind == F_TEMPLATE) {
        if (wf_template_compile(s->ck->a, str_c(f->dflt), &t) != OK)
            DIE("field \"%s\": bad default \"%s\"", f->name, f->dflt);
        SET(s, struct wf_template *, t);
    } else {
        set_number(s, str_c(f->dflt));
    }
}

/* Whether null says something else than "not given". */
static bool takes_null(enum field_kind kind)
{
    return kind == F_VALUE || kind == F_JSON;
}

static const struct field *find(const struct field *table, Str name)
{
    for (; table->name; table++)
        if (str_eq(str_c(table->name), name))
            return table;
    return NULL;
}

/* Whether @f belongs to what the field of its .when is set to. Fields named there are F_ENUMs
 * before it. */
static bool applies(const struct field *f, const struct field *table, const void *settings)
{
    Str name, word, words;

    if (!f->when)
        return true;
    words = str_cut(str_c(f->when), '=', &name);
    const struct field *of = find(table, name);
    if (!of || of->kind != F_ENUM)
        DIE("field \"%s\": bad condition \"%s\"", f->name, f->when);
    Str is = *(const Str *)(const void *)((const char *)settings + of->offset);
    while (words.p) {
        words = str_cut(words, ',', &word);
        if (str_eq(word, is))
            return true;
    }
    return is.n == 0; /* it was wrong itself, and reported */
}

/* "" counts as missing where something must stand. */
static bool is_blank(const struct field *f, const struct json *json)
{
    return (f->kind == F_STR || f->kind == F_TEMPLATE || f->kind == F_ENUM) &&
           json_is(json, JSON_STR) && json_str_of(json, S("")).n == 0;
}

void field_read(struct wf_check *ck, Str prefix, const struct field *table,
                const struct json *object, void *ret_settings)
{
    for (const struct field *f = table; f->name; f++) {
        const struct json *json = json_get(object, str_c(f->name));
        struct slot s = {.ck = ck, .field = f, .to = (char *)ret_settings + f->offset};
        set_default(&s);
        if (json_is(json, JSON_NULL) && !takes_null(f->kind))
            json = NULL;
        bool fits = applies(f, table, ret_settings);
        if (json || f->required)
            s.at = field_path(checker_of(ck)->scratch, prefix, str_c(f->name));
        if (json && !fits)
            wf_check_problem(ck, s.at, S("not_used"), "\"%s\" has no effect here: it is for %s.",
                             f->name, f->when);
        else if (fits && f->required && (!json || is_blank(f, json)))
            wf_check_problem(ck, s.at, S("required"), "\"%s\" is missing.", f->name);
        else if (json)
            read_one(&s, json);
    }
}

void field_unknown(struct wf_check *ck, Str prefix, const struct field *const *tables, size_t n,
                   const struct json *object)
{
    struct arena *tmp = checker_of(ck)->scratch;

    for (size_t i = 0; i < json_len(object); i++) {
        Str key = json_str_of(&object->obj[i].key, S(""));
        struct guess g = guess_begin(key);
        bool known = false;
        for (size_t k = 0; k < n && !known; k++)
            known = find(tables[k], key);
        if (known)
            continue;
        if (check_is_full(checker_of(ck))) {
            wf_check_problem(ck, prefix, S("unknown_field"), "There are more.");
            continue;
        }
        for (size_t k = 0; k < n; k++)
            for (const struct field *f = tables[k]; f->name; f++)
                guess_try(&g, str_c(f->name));
        wf_check_problem(ck, field_path(tmp, prefix, str_head(key, KEY_SHOWN)), S("unknown_field"),
                         "There is no field \"%.*s\" here.%.*s", P(str_head(key, 60)),
                         P(guess_text(tmp, &g)));
    }
}

/* ---- tables as JSON ---- */

static const char *const kind_names[] = {
    [F_STR] = "string",       [F_TEMPLATE] = "template", [F_VALUE] = "value",
    [F_MAP] = "map",          [F_INT] = "integer",       [F_REAL] = "number",
    [F_BOOL] = "boolean",     [F_ENUM] = "enum",         [F_USEC] = "span",
    [F_SIZE] = "size",        [F_JSON] = "json",         [F_SCHEMA] = "schema",
    [F_STR_LIST] = "strings", [F_OBJECT] = "object",     [F_LIST] = "list",
};

static struct json *words_json(struct arena *a, const char *words, char sep)
{
    struct json *arr = json_arr(a);
    Str rest = words ? str_c(words) : (Str){NULL, 0}, head;

    while (rest.p) {
        rest = str_cut(rest, sep, &head);
        json_push(a, arr, json_str(a, head));
    }
    return arr;
}

static struct json *default_json(struct arena *a, const struct field *f)
{
    bool flag;
    int64_t i;

    if (!f->dflt || strcmp(f->dflt, FIELD_UNSET) == 0)
        return NULL;
    if (f->kind == F_INT && str_to_i64(str_c(f->dflt), &i) == OK)
        return json_int(a, i);
    if (f->kind == F_REAL)
        return json_double(a, strtod(f->dflt, NULL));
    if (f->kind == F_BOOL && str_to_bool(str_c(f->dflt), &flag) == OK)
        return json_bool(a, flag);
    return json_str_c(a, f->dflt);
}

static struct json *when_json(struct arena *a, const char *when)
{
    Str field, values;

    if (!when)
        return NULL;
    values = str_cut(str_c(when), '=', &field);
    return json_obj(a, "field", json_str(a, field), "is", words_json(a, values.p, ','), NULL);
}

static struct json *table_json(struct arena *a, const struct field *table, int depth)
{
    struct json *arr = json_arr(a);

    if (depth > NESTING_MAX)
        DIE("tables of fields are nested too deep");
    for (const struct field *f = table; f->name; f++) {
        struct json *o = json_obj(a, "name", json_str_c(a, f->name), "kind",
                                  json_str_c(a, kind_names[f->kind]), NULL);
        json_set(a, o, S("title"), json_str_c(a, f->title ? f->title : f->name));
        json_set(a, o, S("help"), f->help ? json_str_c(a, f->help) : NULL);
        json_set(a, o, S("required"), json_bool(a, f->required));
        json_set(a, o, S("default"), default_json(a, f));
        json_set(a, o, S("one_of"), f->one_of ? words_json(a, f->one_of, ' ') : NULL);
        json_set(a, o, S("min"), f->min != 0 || f->max != 0 ? json_double(a, f->min) : NULL);
        json_set(a, o, S("max"), f->min != 0 || f->max != 0 ? json_double(a, f->max) : NULL);
        json_set(a, o, S("secret"), f->secret ? json_bool(a, true) : NULL);
        json_set(a, o, S("lines"), f->lines ? json_bool(a, true) : NULL);
        json_set(a, o, S("when"), when_json(a, f->when));
        json_set(a, o, S("fields"), f->sub ? table_json(a, f->sub, depth + 1) : NULL);
        json_push(a, arr, o);
    }
    return arr;
}

struct json *field_json(struct arena *a, const struct field *table)
{
    return table_json(a, table, 0);
}
