/* src/wf/form.c - see form.h. */
#include "wf/form.h"

#include "base/crypto.h"
#include "base/time.h"
#include "net/http.h"

enum { ERRORS_MAX = 50, LINES_FROM = 201 };

/* ---- what to ask ---- */

static Str text_of(const struct json *o, const char *name)
{
    return json_str_of(json_get(o, str_c(name)), S(""));
}

static Err not_simple(Str name, const char *why)
{
    return err_detail(E_INVALID, "A form cannot ask for \"%.*s\": %s.", P(str_head(name, 64)), why);
}

static bool are_texts(const struct json *list)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (!json_is(json_item(list, i), JSON_STR))
            return false;
    return json_is(list, JSON_ARR) && json_len(list) > 0 && json_len(list) <= 1000;
}

static bool is_file(const struct json *schema)
{
    return str_eq(text_of(schema, "type"), S("object")) &&
           str_eq(text_of(schema, "format"), S("file"));
}

static enum form_kind text_kind(const struct json *schema)
{
    static const struct {
        const char *format;
        enum form_kind kind;
    } kinds[] = {
        {"email", FORM_EMAIL}, {"uri", FORM_URL},          {"url", FORM_URL},
        {"date", FORM_DATE},   {"time", FORM_TIME},        {"password", FORM_PASSWORD},
        {"text", FORM_LINES},  {"multi-line", FORM_LINES}, {"textarea", FORM_LINES},
    };
    Str format = text_of(schema, "format");

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(format, str_c(kinds[i].format)))
            return kinds[i].kind;
    return json_int_of(json_at(schema, "maxLength"), 0) >= LINES_FROM ? FORM_LINES : FORM_TEXT;
}

static Err list_kind(struct form_field *f)
{
    const struct json *items = json_at(f->schema, "items");

    if (is_file(items)) {
        f->kind = FORM_FILES;
        return OK;
    }
    f->kind = FORM_CHOICES;
    f->options = json_at(items, "enum");
    return are_texts(f->options) ? OK
                                 : not_simple(f->name, "a list is of choices (\"enum\") or files");
}

static Err find_kind(struct form_field *f)
{
    Str type = text_of(f->schema, "type");

    f->options = json_at(f->schema, "enum");
    if (f->options) {
        f->kind = FORM_CHOICE;
        return are_texts(f->options) && (!type.n || str_eq(type, S("string")))
                   ? OK
                   : not_simple(f->name, "choices must be texts");
    }
    if (str_eq(type, S("string")))
        f->kind = text_kind(f->schema);
    else if (str_eq(type, S("number")))
        f->kind = FORM_NUMBER;
    else if (str_eq(type, S("integer")))
        f->kind = FORM_INTEGER;
    else if (str_eq(type, S("boolean")))
        f->kind = FORM_BOOLEAN;
    else if (is_file(f->schema))
        f->kind = FORM_FILE;
    else if (str_eq(type, S("array")))
        return list_kind(f);
    else
        return not_simple(f->name, "its type must be string, number, integer, boolean, an array of "
                                   "choices, or a file (an object of format \"file\")");
    return OK;
}

static bool is_listed(const struct json *names, Str name)
{
    for (size_t i = 0; i < json_len(names); i++)
        if (str_eq(json_str_of(json_item(names, i), S("")), name))
            return true;
    return false;
}

static Str initial_of(struct arena *a, const struct form_field *f)
{
    const struct json *v = json_at(f->schema, "default");

    if (json_is(v, JSON_STR))
        return json_str_of(v, S(""));
    if (f->kind == FORM_BOOLEAN)
        return json_bool_of(v, false) ? S("true") : S("");
    return json_is_number(v) ? json_text(a, v) : S("");
}

Err wf_form_fields(struct arena *a, const struct json *schema, FormFields *ret_fields)
{
    const struct json *properties = json_at(schema, "properties");
    FormFields fields = {0};

    if (!json_is(properties, JSON_OBJ) || json_len(properties) == 0)
        return err_detail(E_INVALID, "A form asks for the \"properties\" of an object.");
    if (json_len(properties) > FORM_FIELDS_MAX)
        return err_detail(E_INVALID, "A form has at most %d fields.", FORM_FIELDS_MAX);
    for (size_t i = 0; i < properties->n; i++) {
        struct form_field f = {.name = str_from(properties->obj[i].key.s, properties->obj[i].key.n),
                               .schema = &properties->obj[i].val};
        if (!f.name.n || f.name.n > 200)
            return err_detail(E_INVALID, "The name of a field has 1 to 200 bytes.");
        f.title = text_of(f.schema, "title");
        f.title = f.title.n ? f.title : f.name;
        f.help = text_of(f.schema, "description");
        f.required = is_listed(json_at(schema, "required"), f.name);
        TRY(find_kind(&f));
        f.initial = initial_of(a, &f);
        vec_push(a, &fields, f);
    }
    *ret_fields = fields;
    return OK;
}

/* ---- what was answered ---- */

struct reading {
    struct arena *a;
    const FormValues *values;
    struct json *out;
    FormErrors errors;
};

static void wrong(struct reading *r, Str field, enum form_wrong what)
{
    if (r->errors.n < ERRORS_MAX)
        vec_push(r->a, &r->errors, ((struct form_error){.field = field, .wrong = what}));
}

/* What is left of "a@b.c": a check that finds slips and refuses nobody's address. */
static bool is_email(Str s)
{
    size_t at = str_find_char(s, '@');

    return at != SIZE_MAX && at > 0 && at + 1 < s.n && s.n <= 320 &&
           str_find_char(str_skip(s, at + 1), '@') == SIZE_MAX &&
           str_find_char(s, ' ') == SIZE_MAX && s.p[s.n - 1] != '.' && s.p[at + 1] != '.';
}

static bool is_url(struct arena *a, Str s)
{
    struct url url;

    return s.n <= 4096 && url_parse(a, s, &url) == OK;
}

static bool is_date(struct arena *a, Str s)
{
    Usec wall;

    return s.n == 10 && time_parse_rfc3339(str_fmt(a, "%.*sT00:00:00Z", P(s)), &wall) == OK;
}

/* "13:45", "13:45:10", as browsers send it. */
static bool is_time(struct arena *a, Str s)
{
    const char *seconds = s.n == 5 ? ":00" : "";
    Usec wall;

    return (s.n == 5 || s.n == 8) &&
           time_parse_rfc3339(str_fmt(a, "2000-01-01T%.*s%sZ", P(s), seconds), &wall) == OK;
}

static enum form_wrong check_text(struct arena *a, const struct form_field *f, Str s)
{
    switch (f->kind) {
    case FORM_EMAIL:
        return is_email(s) ? FORM_RIGHT : FORM_NOT_EMAIL;
    case FORM_URL:
        return is_url(a, s) ? FORM_RIGHT : FORM_NOT_URL;
    case FORM_DATE:
        return is_date(a, s) ? FORM_RIGHT : FORM_NOT_DATE;
    case FORM_TIME:
        return is_time(a, s) ? FORM_RIGHT : FORM_NOT_TIME;
    case FORM_CHOICE:
        return is_listed(f->options, s) ? FORM_RIGHT : FORM_NOT_CHOICE;
    default:
        return FORM_RIGHT;
    }
}

static bool is_typed(const struct form_field *f)
{
    return f->kind != FORM_LINES && f->kind != FORM_TEXT && f->kind != FORM_PASSWORD &&
           f->kind != FORM_CHOICE;
}

/* Browsers end lines of a textarea with CR LF. */
static Str plain_lines(struct arena *a, Str s)
{
    char *out = arena_bytes(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\r' || i + 1 == s.n || s.p[i + 1] != '\n')
            out[n++] = s.p[i];
    return (Str){out, n};
}

static const struct form_value *value_of(const struct reading *r, Str name)
{
    vec_each(r->values, v)
        if (str_eq(v->name, name))
            return v;
    return NULL;
}

static void read_number(struct reading *r, const struct form_field *f, Str s)
{
    struct json *number;

    if (json_parse(r->a, s, &number) != OK || !json_is_number(number)) {
        wrong(r, f->name, f->kind == FORM_INTEGER ? FORM_NOT_INTEGER : FORM_NOT_NUMBER);
        return;
    }
    json_set(r->a, r->out, f->name, number);
}

static void read_text(struct reading *r, const struct form_field *f)
{
    const struct form_value *v = value_of(r, f->name);
    Str s = v && !v->file ? v->value : S("");

    if (is_typed(f))
        s = str_trim(s);
    if (f->kind == FORM_LINES)
        s = plain_lines(r->a, s);
    if (!s.n) {
        if (f->required)
            wrong(r, f->name, FORM_MISSING);
        return;
    }
    if (f->kind == FORM_NUMBER || f->kind == FORM_INTEGER) {
        read_number(r, f, s);
        return;
    }
    enum form_wrong what = check_text(r->a, f, s);
    if (what != FORM_RIGHT)
        wrong(r, f->name, what);
    json_set(r->a, r->out, f->name, json_str(r->a, s));
}

struct json *wf_form_file(struct arena *a, const struct form_value *v)
{
    return json_obj(a, "name", json_str(a, v->file_name), "type",
                    json_str(a, v->media_type.n ? v->media_type : S("application/octet-stream")),
                    "size", json_int(a, (int64_t)v->value.n), "data",
                    json_str(a, crypto_base64(a, v->value)), NULL);
}

/* Everything that was given under the name: choices, or files. */
static void read_list(struct reading *r, const struct form_field *f)
{
    struct json *list = json_arr(r->a);
    bool files = f->kind == FORM_FILE || f->kind == FORM_FILES;

    vec_each(r->values, v) {
        if (!str_eq(v->name, f->name) || v->file != files || (files && !v->file_name.n))
            continue;
        if (!files && !is_listed(f->options, v->value)) {
            wrong(r, f->name, FORM_NOT_CHOICE);
            return;
        }
        json_push(r->a, list, files ? wf_form_file(r->a, v) : json_str(r->a, v->value));
    }
    if (json_len(list) == 0 && f->required) {
        wrong(r, f->name, FORM_MISSING);
        return;
    }
    if (f->kind != FORM_FILE)
        json_set(r->a, r->out, f->name, list);
    else if (json_len(list))
        json_set(r->a, r->out, f->name, json_item(list, 0));
}

static void read_field(struct reading *r, const struct form_field *f)
{
    switch (f->kind) {
    case FORM_BOOLEAN:
        json_set(r->a, r->out, f->name, json_bool(r->a, value_of(r, f->name) != NULL));
        return;
    case FORM_CHOICES:
    case FORM_FILE:
    case FORM_FILES:
        read_list(r, f);
        return;
    default:
        read_text(r, f);
    }
}

static const struct form_field *field_of(const FormFields *fields, Str name)
{
    vec_each(fields, f)
        if (str_eq(f->name, name))
            return f;
    return NULL;
}

/* Whether @part, of a JSON Pointer, names @name. */
static bool is_part(Str part, Str name)
{
    size_t at = 0;

    for (size_t i = 0; i < part.n; i++, at++) {
        char c = part.p[i];
        if (c == '~' && i + 1 < part.n)
            c = part.p[++i] == '1' ? '/' : '~';
        if (at >= name.n || name.p[at] != c)
            return false;
    }
    return at == name.n;
}

/* The field that "/name/0" leads to; NULL: the form as a whole. */
static const struct form_field *field_at(const FormFields *fields, Str path)
{
    Str first;

    if (!path.n)
        return NULL;
    (void)str_cut(str_skip(path, 1), '/', &first);
    vec_each(fields, f)
        if (is_part(first, f->name))
            return f;
    return NULL;
}

static bool has_error(const struct reading *r, Str field)
{
    vec_each(&r->errors, e)
        if (str_eq(e->field, field))
            return true;
    return false;
}

static void add_schema_error(struct reading *r, const FormFields *fields,
                             const struct json_schema_error *e)
{
    static const struct {
        const char *keyword;
        enum form_wrong wrong;
    } known[] = {
        {"minLength", FORM_TOO_SHORT}, {"maxLength", FORM_TOO_LONG},
        {"minimum", FORM_TOO_SMALL},   {"exclusiveMinimum", FORM_TOO_SMALL},
        {"maximum", FORM_TOO_LARGE},   {"exclusiveMaximum", FORM_TOO_LARGE},
    };
    const struct form_field *f = field_at(fields, e->path);
    struct form_error out = {.field = f ? f->name : S(""), .wrong = FORM_OTHERWISE};

    if (r->errors.n >= ERRORS_MAX || (f && has_error(r, f->name)))
        return;
    if (!f && str_eq(e->keyword, S("required")) && r->errors.n)
        return; /* told beside the field */
    for (size_t i = 0; f && i < ARRAY_LEN(known); i++)
        if (str_eq(e->keyword, str_c(known[i].keyword))) {
            out.wrong = known[i].wrong;
            out.limit = json_double_of(json_get(f->schema, str_c(known[i].keyword)), 0);
        }
    if (f && f->kind == FORM_INTEGER && str_eq(e->keyword, S("type")))
        out.wrong = FORM_NOT_INTEGER;
    if (f && f->kind == FORM_BOOLEAN && str_eq(e->keyword, S("const")))
        out.wrong = FORM_MISSING; /* "I agree" */
    out.message = e->message;
    vec_push(r->a, &r->errors, out);
}

Err wf_form_read(struct arena *a, const FormFields *fields, const struct json_schema *compiled,
                 const FormValues *values, struct json **ret_json, FormErrors *ret_errors)
{
    struct reading r = {.a = a, .values = values, .out = json_obj(a, NULL)};
    JsonSchemaErrors errors = {0};

    vec_each(values, v)
        if (!field_of(fields, v->name))
            return err_detail(E_BAD_INPUT, "The form has no field \"%.*s\".",
                              P(str_head(v->name, 64)));
    vec_each(fields, f)
        read_field(&r, f);
    if (compiled) {
        Err e = json_schema_validate(compiled, a, r.out, ERRORS_MAX, &errors);
        if (e != OK && !(e == E_INVALID && errors.n))
            return e;
        vec_each(&errors, error)
            add_schema_error(&r, fields, error);
    }
    *ret_json = r.out;
    *ret_errors = r.errors;
    return OK;
}
