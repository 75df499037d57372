/* src/base/json_diff.c - where two JSON values differ: one walk through both, with a stack of its
 * own. A path is written only for what is told. */
#include "base/json_diff.h"

#include "base/json_private.h"

/* Two arrays or two objects that are being compared. */
struct level {
    const struct json *x, *y;
    size_t i;  /* the child that is looked at; of an object: members of x first, then those of y */
    Str key;   /* of that child, in an object */
    size_t at; /* of that child, in an array */
};

struct walk {
    struct arena *a;
    struct json_stack stack;
    JsonDifferences *found;
    size_t max;
    bool whole;
};

static void add_name(struct buf *b, Str name)
{
    buf_add_char(b, '/');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '~' || name.p[i] == '/')
            buf_add_c(b, name.p[i] == '~' ? "~0" : "~1");
        else
            buf_add_char(b, name.p[i]);
    }
}

static Str path_of(struct walk *w)
{
    AUTO_BUF(b, KIB(64));
    const struct level *levels = (const void *)w->stack.p;

    for (size_t i = 0; i < w->stack.n; i++) {
        if (json_is(levels[i].x, JSON_ARR))
            buf_add_fmt(&b, "/%zu", levels[i].at);
        else
            add_name(&b, levels[i].key);
    }
    return str_dup(w->a, buf_str(&b));
}

static void tell(struct walk *w, const struct json *left, const struct json *right)
{
    if (w->found->n >= w->max) {
        w->whole = false;
        return;
    }
    vec_push(w->a, w->found, ((struct json_difference){path_of(w), left, right}));
}

static void compare(struct walk *w, const struct json *x, const struct json *y)
{
    if (x == y)
        return;
    bool deep =
        x && y && json_type(x) == json_type(y) && (json_is(x, JSON_ARR) || json_is(x, JSON_OBJ));
    if (deep)
        *(struct level *)json_stack_push(&w->stack) = (struct level){.x = x, .y = y};
    else if (!x || !y || !json_equal(x, y))
        tell(w, x, y);
}

/* The next pair of children of @l; false: there is none. */
static bool next_child(struct level *l, const struct json **ret_x, const struct json **ret_y)
{
    if (json_is(l->x, JSON_ARR)) {
        l->at = l->i++;
        *ret_x = json_item(l->x, l->at);
        *ret_y = json_item(l->y, l->at);
        return *ret_x || *ret_y;
    }
    while (l->i < json_len(l->x) + json_len(l->y)) {
        size_t i = l->i++;
        bool second = i >= json_len(l->x);
        const struct json_member *m = second ? &l->y->obj[i - l->x->n] : &l->x->obj[i];
        l->key = str_from(m->key.s, m->key.n);
        const struct json *other = json_get(second ? l->x : l->y, l->key);
        if (second && other)
            continue; /* was looked at already */
        *ret_x = second ? NULL : &m->val;
        *ret_y = second ? &m->val : other;
        return true;
    }
    return false;
}

bool json_diff(struct arena *a, const struct json *x, const struct json *y, size_t max,
               JsonDifferences *ret_differences)
{
    struct walk w = {.a = a, .found = ret_differences, .max = max, .whole = true};

    json_stack_init(&w.stack, sizeof(struct level));
    compare(&w, x, y);
    while (w.whole && w.stack.n) {
        const struct json *left, *right;
        if (next_child(json_stack_top(&w.stack), &left, &right))
            compare(&w, left, right);
        else
            w.stack.n--;
    }
    json_stack_done(&w.stack);
    return w.whole;
}
