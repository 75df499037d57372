/* src/base/schema/run.c - evaluating a compiled schema on a value. */
#include "base/schema/private.h"

#include "base/utf8.h"

#include <stdarg.h>

/* Bounds: frames in all, frames on the same value (a schema that refers to itself), and steps,
 * which are a fixed number and some for each value of the instance. */
enum { FRAMES_MAX = 20000, IN_PLACE_MAX = 1000 };
enum { STEPS_FIXED = 1000000, STEPS_EACH = 200, NS_A_STEP = 100 };

struct schema_run {
    struct json_stack frames;
    struct arena *a;
    size_t max; /* errors wanted */
    size_t n_errors;
    JsonSchemaErrors *errors;
    char first[ERR_DETAIL_MAX]; /* the first error, for the error record */
    size_t steps;               /* left */
    struct schema_matcher *matcher;
    Err e; /* evaluation was given up */
};

/* ---- what checks call ---- */

static Err give_up(struct schema_run *r, const char *why)
{
    if (r->e == OK)
        r->e = err_detail(E_TOO_LARGE, "%s", why);
    return r->e;
}

bool schema_charge(struct schema_run *r, size_t steps)
{
    if (steps < r->steps) {
        r->steps -= steps;
        return true;
    }
    r->steps = 0;
    (void)give_up(r,
                  "checking the value against its schema takes too many steps"); /* kept in r->e */
    return false;
}

size_t schema_size(const struct json *v, size_t limit)
{
    struct walk {
        const struct json *v;
        uint32_t i;
    } * f;
    struct json_stack stack;
    size_t n = 0;

    if (!v)
        return 0;
    json_stack_init(&stack, sizeof *f);
    while (n < limit) {
        n += json_is(v, JSON_STR) || json_is(v, JSON_RAW) ? 1 + v->n / 64 : 1;
        if (v->type >= JSON_ARR && v->n)
            *(struct walk *)json_stack_push(&stack) = (struct walk){v, 0};
        while ((f = json_stack_top(&stack)) && f->i == f->v->n)
            stack.n--;
        if (!f)
            break;
        v = f->v->type == JSON_ARR ? &f->v->arr[f->i] : &f->v->obj[f->i].val;
        f->i++;
    }
    json_stack_done(&stack);
    return n < limit ? n : limit;
}

bool schema_charge_for(struct schema_run *r, const struct json *v)
{
    return schema_charge(r, json_len(v) || json_is(v, JSON_STR) ? schema_size(v, r->steps + 1) : 1);
}

bool schema_is_over(const struct schema_run *r, const struct schema_frame *f)
{
    return r->e != OK || (!f->ok && (f->quiet || r->n_errors >= r->max));
}

static uint64_t *new_marks(struct schema_run *r, const struct json *v)
{
    size_t words = (json_len(v) + 63) / 64;

    if (words == 0 || !schema_charge(r, words))
        return NULL;
    uint64_t *marks = calloc(words, sizeof *marks);
    if (!marks)
        DIE("out of memory");
    return marks;
}

enum schema_step schema_call(struct schema_run *r, struct schema_frame *f,
                             const struct schema_call *call)
{
    bool in_place = call->place == PLACE_SAME || call->place == PLACE_BLIND;
    bool wanted = call->place == PLACE_SAME && f && f->marks;
    struct schema_frame child = {
        .node = call->node,
        .v = call->v,
        .place = (uint8_t)call->place,
        .key = call->key,
        .index = (uint32_t)call->index,
        .in_place = in_place && f ? f->in_place + 1 : 0,
        .ok = true,
        .quiet = call->quiet || (f && f->quiet),
    };

    if (r->frames.n >= FRAMES_MAX)
        (void)give_up(r, "the value or its schema is nested too deep"); /* kept in r->e */
    else if (child.in_place > IN_PLACE_MAX)
        (void)give_up(r, "the schema refers to itself without end"); /* kept in r->e */
    if (r->e != OK || !schema_charge(r, 1))
        return STEP_DONE;
    if (call->node->tracks || wanted)
        child.marks = new_marks(r, call->v);
    *(struct schema_frame *)json_stack_push(&r->frames) = child;
    return STEP_CALLED;
}

const struct schema_node *schema_dynamic(struct schema_run *r, const struct schema_check *check)
{
    const struct schema_frame *frames = (const struct schema_frame *)(void *)r->frames.p;
    const struct schema_resource *last = NULL;
    Str name = *(const Str *)check->data;

    for (size_t i = 0; i < r->frames.n && schema_charge(r, 1); i++) {
        const struct schema_resource *res = frames[i].node->res;
        if (res == last)
            continue;
        last = res;
        for (size_t j = 0; j < res->anchors.n; j++)
            if (res->anchors.at[j].node && str_eq(res->anchors.at[j].name, name))
                return res->anchors.at[j].node;
    }
    return check->node;
}

bool schema_matches(struct schema_run *r, const struct schema_pattern *pattern, Str text)
{
    bool matches = false;

    if (r->e != OK || !schema_charge(r, 10 + text.n / 16))
        return false;
    if (!r->matcher)
        r->matcher = schema_matcher_new();
    r->e = schema_pattern_match(r->matcher, pattern, text, &matches);
    if (r->e == OK) /* many that each stay below their limit end here */
        (void)schema_charge(r, (size_t)schema_matcher_spent(r->matcher) / NS_A_STEP);
    return matches && r->e == OK;
}

/* ---- errors ---- */

/* The pointer to the value of the topmost frame. */
static void add_path(struct buf *b, const struct json_stack *frames)
{
    const struct schema_frame *f = (const struct schema_frame *)(void *)frames->p;

    for (size_t i = 0; i < frames->n; i++) {
        if (f[i].place == PLACE_ITEM)
            buf_add_fmt(b, "/%u", f[i].index);
        if (f[i].place != PLACE_KEY)
            continue;
        buf_add_char(b, '/');
        for (size_t j = 0; j < f[i].key->n; j++) {
            char c = f[i].key->s[j];
            if (c == '~' || c == '/')
                buf_add_c(b, c == '~' ? "~0" : "~1");
            else
                buf_add_char(b, c);
        }
    }
}

enum schema_step schema_fail(struct schema_run *r, struct schema_frame *f,
                             const struct schema_check *check, const char *fmt, ...)
{
    enum { PATH_SHOWN = 120 };
    char text[512];
    va_list ap;

    f->ok = false;
    if (f->quiet || (r->n_errors && r->n_errors >= r->max))
        return STEP_DONE;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    AUTO_BUF(path, KIB(64)); /* a longer one is cut */
    add_path(&path, &r->frames);
    if (r->n_errors++ == 0)
        snprintf(r->first, sizeof r->first, "%s%.*s: %.250s", path.n ? "" : "the value",
                 P(str_head(buf_str(&path), PATH_SHOWN)), text);
    if (r->errors && r->n_errors <= r->max) {
        struct schema_run *run = r; /* vec_add evaluates its arguments more than once */
        vec_push(run->a, run->errors,
                 ((struct json_schema_error){
                     .path = str_dup(run->a, buf_str(&path)),
                     .keyword = str_c(check->kw->name),
                     .message = utf8_repair(run->a, str_dup(run->a, str_c(text))),
                 }));
    }
    return STEP_DONE;
}

/* ---- the loop ---- */

/* Run the checks of the topmost frame from where it stands. False: a check has called. */
static bool advance(struct schema_run *r, struct schema_frame *f)
{
    while (f->check < f->node->n && !schema_is_over(r, f)) {
        const struct schema_check *check = &f->node->checks[f->check];
        if (!schema_charge(r, 1))
            return false;
        if (check->kw->step(r, f, check) == STEP_CALLED || r->e != OK)
            return false;
        f->check++;
        f->i = f->count = 0;
        f->returned = false;
    }
    return true;
}

/* Take the topmost frame off and tell the one below. */
static bool finish(struct schema_run *r)
{
    struct schema_frame done = *(struct schema_frame *)json_stack_top(&r->frames);

    r->frames.n--;
    struct schema_frame *f = json_stack_top(&r->frames);
    if (f) {
        f->returned = true;
        f->child_ok = done.ok;
        if (done.ok && done.place == PLACE_SAME && done.marks && f->marks)
            for (size_t i = 0; i < (json_len(f->v) + 63) / 64; i++)
                f->marks[i] |= done.marks[i];
    }
    free(done.marks);
    return done.ok;
}

static bool evaluate(struct schema_run *r, const struct schema_node *node, const struct json *v)
{
    bool ok = false;

    (void)schema_call(r, NULL,
                      &(struct schema_call){.node = node, .v = v}); /* a failure is in r->e */
    while (r->frames.n && r->e == OK)
        if (advance(r, json_stack_top(&r->frames)))
            ok = finish(r);
    while (r->frames.n)
        (void)finish(r);
    return ok;
}

Err json_schema_validate(const struct json_schema *s, struct arena *a, const struct json *value,
                         size_t max, JsonSchemaErrors *ret_errors)
{
    static const struct json null_value = {.type = JSON_NULL};
    struct schema_run r = {.a = a, .max = ret_errors ? max : 0, .errors = ret_errors};

    if (!value)
        value = &null_value;
    json_stack_init(&r.frames, sizeof(struct schema_frame));
    r.steps = STEPS_FIXED + STEPS_EACH * schema_size(value, SIZE_MAX / STEPS_EACH / 2);
    bool ok = evaluate(&r, s->root, value);
    json_stack_done(&r.frames);
    schema_matcher_free(r.matcher);
    if (r.e != OK)
        return r.e;
    return ok ? OK : err_detail(E_INVALID, "%s", r.first);
}
