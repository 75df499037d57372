/* src/wf/template.c - compiling and evaluating text and JSON with "{{ ... }}" in it.
 *
 * A template is cut into parts once; evaluation looks paths up and joins. Everything that grows
 * with a user's data is taken from the arena with a check, so that an oversized result is an error
 * and never the end of the process.
 */
#include "base/utf8.h"
#include "wf/template_private.h"

enum {
    SLACK = 64 << 10, /* of an arena: what small allocations may still need after a large one */
    SNIPPET = 60,     /* bytes of an expression that an error text shows */
};

/* Written once, while the process starts. */
static const struct wf_script *script;

void wf_script_set(const struct wf_script *engine)
{
    script = engine;
}

/* @s for an error text: at most SNIPPET bytes, whole characters. */
static Str snippet(Str s)
{
    s = str_trim(s);
    return s.n <= SNIPPET ? s : str_head(s, utf8_valid_prefix(str_head(s, SNIPPET)));
}

/* ---- compiling text ---- */

/* Where the expression that begins at @from ends: its "}}", outside of strings and of braces of its
 * own. */
static size_t expr_end_quoted(Str s, size_t from)
{
    size_t depth = 0;
    char quote = 0;

    for (size_t i = from; i < s.n; i++) {
        char c = s.p[i];
        if (quote) {
            if (c == '\\')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && depth) {
            depth--;
        } else if (c == '}' && i + 1 < s.n && s.p[i + 1] == '}') {
            return i;
        }
    }
    return SIZE_MAX;
}

/* The same; where quotes or braces do not pair up, the first "}}" there is. */
static size_t expr_end(Str s, size_t from)
{
    size_t end = expr_end_quoted(s, from);

    if (end != SIZE_MAX)
        return end;
    end = str_find(str_skip(s, from), S("}}"));
    return end == SIZE_MAX ? end : from + end;
}

/* Line and column (in characters, from 1) of byte @at. */
static void place(Str s, size_t at, size_t *ret_line, size_t *ret_column)
{
    size_t line = 1, start = 0;

    for (size_t i = 0; i < at && i < s.n; i++) {
        if (s.p[i] != '\n')
            continue;
        line++;
        start = i + 1;
    }
    *ret_line = line;
    *ret_column = utf8_count((Str){s.p + start, at - start}) + 1;
}

static Err compile_expr(struct arena *a, Str text, Str source, struct tmpl_expr **ret_expr)
{
    struct tmpl_expr *x = arena_new_of(a, struct tmpl_expr);
    const char *why;
    size_t at, line, column;

    *ret_expr = x;
    if (tmpl_expr_parse(a, source, x, &at, &why))
        return OK;
    place(text, (size_t)(source.p - text.p) + at, &line, &column);
    if (script && script->eval && tmpl_looks_like_script(source)) {
        *x = (struct tmpl_expr){.source = source, .script = true};
        return script->check ? script->check(a, source) : OK;
    }
    if (str_is_empty(str_trim(source)))
        return err_detail(E_SYNTAX,
                          "The braces at line %zu, column %zu are empty: write a path such as "
                          "{{ input.name }} between them.",
                          line, column);
    if (tmpl_looks_like_script(source))
        return err_detail(
            E_UNSUPPORTED,
            "\"%.*s\" is a JavaScript expression, and this build has no script engine: "
            "use a path, a literal, or \"??\" with a default.",
            P(snippet(source)));
    return err_detail(E_SYNTAX,
                      "\"%.*s\" is no expression: %s was expected at line %zu, column %zu.",
                      P(snippet(source)), why, line, column);
}

static Err unclosed(Str text, size_t at)
{
    size_t line, column;

    place(text, at, &line, &column);
    return err_detail(
        E_SYNTAX,
        "The \"{{\" at line %zu, column %zu is not closed by \"}}\"; for braces as text "
        "write {{ \"{{\" }}.",
        line, column);
}

Err wf_template_compile(struct arena *a, Str text, struct wf_template **ret_template)
{
    struct wf_template *t = arena_new_of(a, struct wf_template);
    VEC(struct tmpl_part) parts = {0};
    size_t at = 0;

    while (at < text.n) {
        size_t open = str_find(str_skip(text, at), S("{{"));
        open = open == SIZE_MAX ? text.n : at + open;
        if (open > at)
            vec_push(a, &parts, ((struct tmpl_part){.text = {text.p + at, open - at}}));
        if (open == text.n)
            break;
        size_t end = expr_end(text, open + 2);
        if (end == SIZE_MAX)
            return unclosed(text, open);
        if (t->n_exprs == TMPL_EXPRS_MAX)
            return err_detail(E_SYNTAX, "A text has at most %d expressions in braces.",
                              TMPL_EXPRS_MAX);
        struct tmpl_expr *x;
        TRY(compile_expr(a, text, (Str){text.p + open + 2, end - open - 2}, &x));
        vec_push(a, &parts, ((struct tmpl_part){.expr = x}));
        t->n_exprs++;
        at = end + 2;
    }
    t->source = text;
    t->parts = parts.at;
    t->n_parts = (int)parts.n;
    *ret_template = t;
    return OK;
}

bool wf_template_is_fixed(const struct wf_template *t)
{
    return t->n_exprs == 0;
}

Str wf_template_source(const struct wf_template *t)
{
    return t->source;
}

void wf_template_paths(const struct wf_template *t, void (*fn)(void *ctx, Str root, Str member),
                       void *ctx)
{
    for (int i = 0; i < t->n_parts; i++) {
        const struct tmpl_expr *x = t->parts[i].expr;
        for (int k = 0; x && k < x->n_operands; k++) {
            const struct tmpl_operand *op = &x->operands[k];
            bool named = op->n_steps && !op->steps[0].indexed;
            if (!op->literal)
                fn(ctx, op->root, named ? op->steps[0].name : (Str){NULL, 0});
        }
    }
}

struct roots {
    void (*fn)(void *ctx, Str name);
    void *ctx;
};

static void give_root(void *ctx, Str root, Str member)
{
    struct roots *r = ctx;

    (void)member; /* only first names were asked for */
    r->fn(r->ctx, root);
}

void wf_template_roots(const struct wf_template *t, void (*fn)(void *ctx, Str name), void *ctx)
{
    struct roots r = {fn, ctx};

    wf_template_paths(t, give_root, &r);
}

/* ---- evaluating ---- */

struct eval {
    struct arena *a;
    const struct wf_scope *scope;
    Usec deadline;
    size_t left; /* bytes of text that may still be made */
};

/* Room for a text of @n bytes that will live in the arena. */
static Err take_text(struct eval *ev, size_t n, char **ret_p)
{
    size_t used = arena_used(ev->a), max = arena_max(ev->a);
    char *p = NULL;

    if (n <= ev->left && used + SLACK < max && n < max - used - SLACK)
        p = arena_try(ev->a, n ? n : 1);
    if (!p)
        return err_detail(E_TOO_LARGE,
                          "The text that a template makes is larger than %d MiB or than "
                          "this step may hold.",
                          WF_TEMPLATE_MAX >> 20);
    ev->left -= n;
    *ret_p = p;
    return OK;
}

/* The member of @v that @step names; NULL if there is none. */
static struct json *step_into(struct eval *ev, struct json *v, const struct tmpl_step *step)
{
    int64_t index;

    if (step->indexed)
        return json_item(v, (size_t)step->index);
    if (json_is(v, JSON_OBJ))
        return json_get(v, step->name);
    if (json_is(v, JSON_ARR) && str_to_i64(step->name, &index) == OK && index >= 0)
        return json_item(v, (size_t)index);
    if (!str_eq(step->name, S("length")))
        return NULL;
    if (json_is(v, JSON_ARR))
        return json_int(ev->a, (int64_t)json_len(v));
    if (json_is(v, JSON_STR))
        return json_int(ev->a, (int64_t)utf8_count(json_str_of(v, S(""))));
    return NULL;
}

static Err nowhere(const struct tmpl_operand *op, const struct json *v,
                   const struct tmpl_step *step)
{
    Str source = snippet(op->source);

    if (!v)
        return err_detail(
            E_INVALID,
            "{{ %.*s }} leads nowhere: \"%.*s\" has no value here (its node did not run).",
            P(source), P(snippet(op->root)));
    if (step->indexed)
        return err_detail(E_INVALID,
                          "{{ %.*s }} leads nowhere: there is no element %lld in %s of %zu.",
                          P(source), (long long)step->index,
                          json_is(v, JSON_ARR) ? "the array" : "what is no array,", json_len(v));
    return err_detail(
        E_INVALID,
        "{{ %.*s }} leads nowhere: there is no \"%.*s\" in the %s before it. Write \"?.\" "
        "or \"?? default\" where it may be absent.",
        P(source), P(snippet(step->name)), json_type_name(v));
}

/* Follow a path. *ret_value is NULL when it leads nowhere and @may_lack or an optional step allows
 * that. */
static Err eval_path(struct eval *ev, const struct tmpl_operand *op, bool may_lack,
                     struct json **ret_value)
{
    struct json *v = ev->scope->root ? ev->scope->root(ev->scope->ctx, op->root) : NULL;

    *ret_value = NULL;
    if (!v && op->n_steps == 0)
        return may_lack ? OK : nowhere(op, NULL, NULL);
    for (int i = 0; i < op->n_steps; i++) {
        const struct tmpl_step *step = &op->steps[i];
        struct json *next = v ? step_into(ev, v, step) : NULL;
        if (!next)
            return may_lack || step->optional ? OK : nowhere(op, v, step);
        v = next;
    }
    *ret_value = v;
    return OK;
}

/* The first operand that is neither absent nor null; the last one as it is. *ret_value is NULL only
 * when
 * @may_lack. */
static Err eval_expr(struct eval *ev, const struct tmpl_expr *x, bool may_lack,
                     struct json **ret_value)
{
    struct json *v = NULL;

    if (x->script)
        return script->eval(ev->a, x->source, ev->scope, ev->deadline, ret_value);
    for (int i = 0; i < x->n_operands; i++) {
        const struct tmpl_operand *op = &x->operands[i];
        bool last = i == x->n_operands - 1;
        if (op->literal)
            v = (struct json *)op->literal;
        else
            TRY(eval_path(ev, op, may_lack || !last, &v));
        if (v && v->type != JSON_NULL)
            break;
    }
    *ret_value = v || may_lack ? v : json_null(ev->a);
    return OK;
}

/* A value as text, @v not a string: null is nothing. */
static Err json_as_text(struct eval *ev, const struct json *v, Str *ret_text)
{
    AUTO_BUF(b, ev->left);
    char *p;

    *ret_text = S("");
    if (json_type(v) == JSON_NULL)
        return OK;
    json_write(&b, v);
    size_t n = b.failed ? SIZE_MAX : b.n;
    TRY(take_text(ev, n, &p));
    memcpy(p, b.p, n);
    *ret_text = (Str){p, n};
    return OK;
}

static Err as_text(struct eval *ev, const struct json *v, Str *ret_text)
{
    if (!json_is(v, JSON_STR))
        return json_as_text(ev, v, ret_text);
    *ret_text = json_str_of(v, S(""));
    return OK;
}

/* All parts joined. */
static Err join(struct eval *ev, const struct wf_template *t, Str *ret_text)
{
    Str *texts = arena_array(ev->a, Str, t->n_parts);
    size_t total = 0;
    char *p, *at;

    for (int i = 0; i < t->n_parts; i++) {
        struct json *v;
        texts[i] = t->parts[i].text;
        if (t->parts[i].expr) {
            TRY(eval_expr(ev, t->parts[i].expr, false, &v));
            TRY(as_text(ev, v, &texts[i]));
        }
        total += texts[i].n;
        if (total > ev->left)
            break; /* take_text() says so */
    }
    TRY(take_text(ev, total, &p));
    at = p;
    for (int i = 0; i < t->n_parts; i++) {
        if (texts[i].n)
            memcpy(at, texts[i].p, texts[i].n);
        at += texts[i].n;
    }
    *ret_text = (Str){p, total};
    return OK;
}

static bool is_whole(const struct wf_template *t)
{
    return t->n_parts == 1 && t->parts[0].expr;
}

static Err eval_template(struct eval *ev, const struct wf_template *t, struct json **ret_value)
{
    Str text = t->source;

    if (is_whole(t))
        return eval_expr(ev, t->parts[0].expr, false, ret_value);
    if (t->n_exprs)
        TRY(join(ev, t, &text));
    *ret_value = json_str(ev->a, text);
    return OK;
}

static struct eval eval_begin(struct arena *a, const struct wf_scope *scope, Usec deadline)
{
    return (struct eval){a, scope, deadline, WF_TEMPLATE_MAX};
}

Err wf_template_eval(struct arena *a, const struct wf_template *t, const struct wf_scope *scope,
                     Usec deadline, struct json **ret_value)
{
    struct eval ev = eval_begin(a, scope, deadline);

    return eval_template(&ev, t, ret_value);
}

Err wf_template_text(struct arena *a, const struct wf_template *t, const struct wf_scope *scope,
                     Usec deadline, Str *ret_text)
{
    struct eval ev = eval_begin(a, scope, deadline);
    struct json *v;

    TRY(eval_template(&ev, t, &v));
    return as_text(&ev, v, ret_text);
}

/* ---- values ---- */

enum value_kind { VALUE_FIXED, VALUE_TEMPLATE, VALUE_ARRAY, VALUE_OBJECT };

struct wf_value {
    enum value_kind kind;
    uint32_t n;
    const struct json *json;     /* as written */
    const struct wf_template *t; /* VALUE_TEMPLATE */
    struct wf_value **items;     /* VALUE_ARRAY, VALUE_OBJECT */
};

struct compile {
    struct arena *a;
    const struct wf_value_watch *watch; /* NULL: the first error ends it */
    struct buf *pointer;                /* of the place in the value */
    Err first;
};

static Err wrong(struct compile *c, Err e)
{
    if (!c->watch)
        return e;
    if (c->first == OK)
        c->first = e;
    c->watch->wrong(c->watch->ctx, buf_str(c->pointer), e);
    return OK;
}

static void pointer_add(struct buf *b, Str key)
{
    buf_add_char(b, '/');
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == '~')
            buf_add_c(b, "~0");
        else if (key.p[i] == '/')
            buf_add_c(b, "~1");
        else
            buf_add_char(b, key.p[i]);
    }
}

static Err compile_value(struct compile *c, const struct json *json, struct wf_value *v);

static Err compile_string(struct compile *c, struct wf_value *v)
{
    struct wf_template *t;
    Err e = wf_template_compile(c->a, json_str_of(v->json, S("")), &t);

    if (e != OK)
        return wrong(c, e);
    if (t->n_exprs == 0)
        return OK;
    v->kind = VALUE_TEMPLATE;
    v->t = t;
    if (c->watch)
        c->watch->found(c->watch->ctx, buf_str(c->pointer), t);
    return OK;
}

/* A child; NULL stays for one that is fixed, so that plain data costs nothing. */
static Err compile_child(struct compile *c, struct wf_value *v, uint32_t i, const struct json *json)
{
    struct wf_value child;

    TRY(compile_value(c, json, &child));
    if (child.kind == VALUE_FIXED)
        return OK;
    if (!v->items)
        v->items = arena_array(c->a, struct wf_value *, v->n);
    v->items[i] = arena_new_of(c->a, struct wf_value);
    *v->items[i] = child;
    return OK;
}

static Err compile_array(struct compile *c, struct wf_value *v)
{
    size_t mark = c->pointer->n;

    for (uint32_t i = 0; i < v->n; i++) {
        buf_add_char(c->pointer, '/');
        buf_add_u64(c->pointer, i);
        TRY(compile_child(c, v, i, &v->json->arr[i]));
        c->pointer->n = mark;
    }
    if (v->items)
        v->kind = VALUE_ARRAY;
    return OK;
}

static Err compile_object(struct compile *c, struct wf_value *v)
{
    size_t mark = c->pointer->n;

    for (uint32_t i = 0; i < v->n; i++) {
        Str key = json_str_of(&v->json->obj[i].key, S(""));
        pointer_add(c->pointer, key);
        if (str_find(key, S("{{")) != SIZE_MAX)
            TRY(wrong(
                c, err_detail(E_UNSUPPORTED, "A template cannot stand in the name of a field.")));
        TRY(compile_child(c, v, i, &v->json->obj[i].val));
        c->pointer->n = mark;
    }
    if (v->items)
        v->kind = VALUE_OBJECT;
    return OK;
}

/* Recursion is as deep as the JSON, which its parser bounds. */
static Err compile_value(struct compile *c, const struct json *json, struct wf_value *v)
{
    *v = (struct wf_value){.json = json, .n = (uint32_t)json_len(json)};
    switch (json_type(json)) {
    case JSON_STR:
        return compile_string(c, v);
    case JSON_ARR:
        return compile_array(c, v);
    case JSON_OBJ:
        return compile_object(c, v);
    default:
        return OK;
    }
}

Err wf_value_compile_watched(struct arena *a, const struct json *json,
                             const struct wf_value_watch *watch, struct wf_value **ret_value)
{
    AUTO_BUF(pointer, MIB(16));
    struct compile c = {.a = a, .watch = watch, .pointer = &pointer};
    struct wf_value *v = arena_new_of(a, struct wf_value);

    TRY(compile_value(&c, json, v));
    TRY(c.first);
    *ret_value = v;
    return OK;
}

Err wf_value_compile(struct arena *a, const struct json *json, struct wf_value **ret_value)
{
    return wf_value_compile_watched(a, json, NULL, ret_value);
}

bool wf_value_is_fixed(const struct wf_value *v)
{
    return v->kind == VALUE_FIXED;
}

static Err eval_value(struct eval *ev, const struct wf_value *v, struct json **ret_value);

static Err eval_child(struct eval *ev, const struct wf_value *v, uint32_t i,
                      const struct json *written, struct json **ret_value)
{
    if (v->items[i])
        return eval_value(ev, v->items[i], ret_value);
    *ret_value = (struct json *)written;
    return OK;
}

static Err eval_array(struct eval *ev, const struct wf_value *v, struct json **ret_value)
{
    struct json *arr = json_arr(ev->a), *item;

    for (uint32_t i = 0; i < v->n; i++) {
        TRY(eval_child(ev, v, i, &v->json->arr[i], &item));
        json_push(ev->a, arr, item);
    }
    *ret_value = arr;
    return OK;
}

static Err eval_object(struct eval *ev, const struct wf_value *v, struct json **ret_value)
{
    struct json *obj = json_obj(ev->a, NULL), *item;

    for (uint32_t i = 0; i < v->n; i++) {
        TRY(eval_child(ev, v, i, &v->json->obj[i].val, &item));
        json_set(ev->a, obj, json_str_of(&v->json->obj[i].key, S("")), item);
    }
    *ret_value = obj;
    return OK;
}

static Err eval_value(struct eval *ev, const struct wf_value *v, struct json **ret_value)
{
    switch (v->kind) {
    case VALUE_TEMPLATE:
        return eval_template(ev, v->t, ret_value);
    case VALUE_ARRAY:
        return eval_array(ev, v, ret_value);
    case VALUE_OBJECT:
        return eval_object(ev, v, ret_value);
    default:
        *ret_value = (struct json *)v->json;
        return OK;
    }
}

Err wf_value_eval(struct arena *a, const struct wf_value *v, const struct wf_scope *scope,
                  Usec deadline, struct json **ret_value)
{
    struct eval ev = eval_begin(a, scope, deadline);

    return eval_value(&ev, v, ret_value);
}

Err wf_value_find(struct arena *a, const struct wf_value *v, const struct wf_scope *scope,
                  Usec deadline, struct json **ret_value)
{
    struct eval ev = eval_begin(a, scope, deadline);

    if (v->kind == VALUE_TEMPLATE && is_whole(v->t))
        return eval_expr(&ev, v->t->parts[0].expr, true, ret_value);
    return eval_value(&ev, v, ret_value);
}

static void value_roots(const struct wf_value *v, struct roots *r)
{
    if (v->kind == VALUE_TEMPLATE)
        wf_template_paths(v->t, give_root, r);
    for (uint32_t i = 0; v->items && i < v->n; i++)
        if (v->items[i])
            value_roots(v->items[i], r);
}

void wf_value_roots(const struct wf_value *v, void (*fn)(void *ctx, Str name), void *ctx)
{
    struct roots r = {fn, ctx};

    value_roots(v, &r);
}
