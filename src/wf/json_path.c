/* src/wf/json_path.c - JSONPath's evaluation: segment by segment from a list of nodes to the next.
 *
 * Lists live in an arena of the query's own. Every node that is looked at is a step; the limit on
 * steps bounds time and, with it, memory. Recursion is as deep as filters are nested in the text;
 * documents are walked with a stack on the heap.
 */
#include "base/utf8.h"
#include "wf/json_path_private.h"

enum { BREATH = 8192, PATTERN_COST = 2000 };

struct walk {
    struct arena *a; /* until the query ends */
    const struct json *root;
    int64_t steps;
};

/* What a term stands for: a value, or Nothing. */
struct value {
    const struct json *v; /* NULL: Nothing */
    struct json number;   /* of length() and count() */
};

static Err spend(struct walk *w, int64_t n)
{
    int64_t before = w->steps;

    w->steps += n;
    if (w->steps > WF_JSONPATH_STEPS_MAX)
        return err_detail(E_TOO_LARGE, "The JSONPath has too much to look at in this document.");
    if (before / BREATH != w->steps / BREATH && fiber_self())
        return fiber_breathe();
    return OK;
}

static Err give(struct walk *w, WfJsonNodes *out, const struct json *node)
{
    TRY(spend(w, 1));
    if (out->n == WF_JSONPATH_NODES_MAX)
        return err_detail(E_TOO_LARGE, "The JSONPath selects more than %d values.",
                          WF_JSONPATH_NODES_MAX);
    vec_push(w->a, out, node);
    return OK;
}

static const struct json *child(const struct json *node, size_t i)
{
    return json_is(node, JSON_ARR) ? &node->arr[i] : &node->obj[i].val;
}

/* ---- selectors ---- */

static Err holds(struct walk *w, const struct jp_expr *x, const struct json *node, bool *ret_holds);

static Err select_slice(struct walk *w, const struct jp_selector *s, const struct json *node,
                        WfJsonNodes *out)
{
    int64_t n = (int64_t)json_len(node), from, to;
    int64_t first = s->step > 0 ? 0 : -1, last = s->step > 0 ? n : n - 1;

    if (!json_is(node, JSON_ARR) || s->step == 0)
        return OK;
    from = s->has_start ? (s->start < 0 ? s->start + n : s->start) : s->step > 0 ? 0 : n - 1;
    to = s->has_end ? (s->end < 0 ? s->end + n : s->end) : s->step > 0 ? n : -1;
    from = from < first ? first : from > last ? last : from;
    to = to < first ? first : to > last ? last : to;
    for (int64_t i = from; s->step > 0 ? i < to : i > to; i += s->step)
        TRY(give(w, out, &node->arr[i]));
    return OK;
}

static Err select_filter(struct walk *w, const struct jp_selector *s, const struct json *node,
                         WfJsonNodes *out)
{
    for (size_t i = 0; i < json_len(node); i++) {
        bool yes;
        TRY(spend(w, 1));
        TRY(holds(w, s->filter, child(node, i), &yes));
        if (yes)
            TRY(give(w, out, child(node, i)));
    }
    return OK;
}

static Err select_one(struct walk *w, const struct jp_selector *s, const struct json *node,
                      WfJsonNodes *out)
{
    const struct json *found = NULL;

    switch (s->kind) {
    case JP_NAME:
        found = json_get(node, s->name);
        break;
    case JP_INDEX:
        if (json_is(node, JSON_ARR))
            found = json_item(
                node, (size_t)(s->start < 0 ? s->start + (int64_t)json_len(node) : s->start));
        break;
    case JP_WILD:
        for (size_t i = 0; i < json_len(node); i++)
            TRY(give(w, out, child(node, i)));
        return OK;
    case JP_SLICE:
        return select_slice(w, s, node, out);
    case JP_FILTER:
        return select_filter(w, s, node, out);
    }
    return found ? give(w, out, found) : spend(w, 1);
}

/* ---- segments ---- */

/* @node and all below it, parents first. */
static Err descend(struct walk *w, const struct json *node, WfJsonNodes *out)
{
    WfJsonNodes stack = {0};

    vec_push(w->a, &stack, node);
    while (stack.n) {
        const struct json *at = stack.at[--stack.n];
        TRY(spend(w, 1));
        vec_push(w->a, out, at);
        TRY(spend(w, (int64_t)json_len(at)));
        for (size_t i = json_len(at); i-- > 0;)
            vec_push(w->a, &stack, child(at, i));
    }
    return OK;
}

static Err run_segment(struct walk *w, const struct jp_segment *seg, const WfJsonNodes *in,
                       WfJsonNodes *out)
{
    vec_each(in, node) {
        WfJsonNodes all = {0};
        if (seg->descendant)
            TRY(descend(w, *node, &all));
        else
            all = (WfJsonNodes){(const struct json **)(uintptr_t)node, 1, 1};
        vec_each(&all, at)
            for (int i = 0; i < seg->n; i++)
                TRY(select_one(w, &seg->selectors[i], *at, out));
    }
    return OK;
}

static Err run_query(struct walk *w, const struct jp_query *q, const struct json *current,
                     WfJsonNodes *ret_nodes)
{
    WfJsonNodes nodes = {0};

    vec_push(w->a, &nodes, q->relative ? current : w->root);
    for (int i = 0; i < q->n && nodes.n; i++) {
        WfJsonNodes next = {0};
        TRY(run_segment(w, &q->segments[i], &nodes, &next));
        nodes = next;
    }
    *ret_nodes = nodes;
    return OK;
}

/* A singular query without lists: what most filters are made of. */
static Err run_singular(struct walk *w, const struct jp_query *q, const struct json *current,
                        const struct json **ret_node)
{
    const struct json *at = q->relative ? current : w->root;

    for (int i = 0; i < q->n && at; i++) {
        const struct jp_selector *s = q->segments[i].selectors;
        if (s->kind == JP_NAME)
            at = json_get(at, s->name);
        else
            at = json_is(at, JSON_ARR)
                     ? json_item(
                           at, (size_t)(s->start < 0 ? s->start + (int64_t)json_len(at) : s->start))
                     : NULL;
    }
    *ret_node = at;
    return spend(w, q->n + 1);
}

/* ---- filters ---- */

static Err term_value(struct walk *w, const struct jp_term *t, const struct json *current,
                      struct value *ret_value);

static void set_number(struct value *v, size_t n)
{
    v->number = (struct json){.type = JSON_INT, .i = (int64_t)n};
    v->v = &v->number;
}

static Err call_value(struct walk *w, const struct jp_term *t, const struct json *current,
                      struct value *ret_value)
{
    WfJsonNodes nodes;
    struct value arg;

    ret_value->v = NULL;
    if (t->function == JP_LENGTH) {
        TRY(term_value(w, t->args[0], current, &arg));
        if (json_is(arg.v, JSON_STR))
            set_number(ret_value, utf8_count(json_str_of(arg.v, S(""))));
        else if (json_type(arg.v) >= JSON_ARR)
            set_number(ret_value, json_len(arg.v));
        return OK;
    }
    TRY(run_query(w, t->args[0]->query, current, &nodes));
    if (t->function == JP_COUNT)
        set_number(ret_value, nodes.n);
    else if (nodes.n == 1)
        ret_value->v = nodes.at[0];
    return OK;
}

static Err term_value(struct walk *w, const struct jp_term *t, const struct json *current,
                      struct value *ret_value)
{
    if (t->kind == JP_CALL)
        return call_value(w, t, current, ret_value);
    if (t->kind == JP_QUERY)
        return run_singular(w, t->query, current, &ret_value->v);
    ret_value->v = t->literal;
    return OK;
}

/* match() and search(): false for what is no string and for patterns that are none. */
static Err matches(struct walk *w, const struct jp_term *t, const struct json *current,
                   bool *ret_holds)
{
    struct wf_pattern *p = t->pattern;
    struct value text, source;

    *ret_holds = false;
    TRY(term_value(w, t->args[0], current, &text));
    TRY(term_value(w, t->args[1], current, &source));
    if (!json_is(text.v, JSON_STR) || !json_is(source.v, JSON_STR))
        return OK;
    if (!p && t->args[1]->kind == JP_LITERAL)
        return OK;
    if (!p) {
        TRY(spend(w, PATTERN_COST));
        if (wf_pattern_compile(w->a, json_str_of(source.v, S("")), t->function == JP_MATCH, &p) !=
            OK)
            return OK;
    }
    /* The steps inside a match are not told: its time stands for them, a microsecond a step. */
    Usec began = time_mono();
    TRY(wf_pattern_matches(p, json_str_of(text.v, S("")), ret_holds));
    return spend(w, 1 + time_mono() - began);
}

static bool is_less(const struct json *x, const struct json *y)
{
    if (json_is(x, JSON_STR) && json_is(y, JSON_STR))
        return str_cmp(json_str_of(x, S("")), json_str_of(y, S(""))) < 0;
    if (!json_is_number(x) || !json_is_number(y))
        return false;
    if (json_is(x, JSON_INT) && json_is(y, JSON_INT))
        return x->i < y->i;
    return json_double_of(x, 0) < json_double_of(y, 0);
}

static bool is_equal(const struct json *x, const struct json *y)
{
    return x && y ? json_equal(x, y) : !x && !y;
}

/* What comparing @v costs: a step for each value in it, and for each 64 bytes of text. */
static Err spend_equal(struct walk *w, const struct json *v)
{
    WfJsonNodes stack = {0};

    if (json_is(v, JSON_STR))
        return spend(w, 1 + (int64_t)v->n / 64);
    if (json_len(v) == 0)
        return spend(w, 1);
    vec_push(w->a, &stack, v);
    while (stack.n) {
        const struct json *at = stack.at[--stack.n];
        TRY(spend(w, 1 + (json_is(at, JSON_STR) ? (int64_t)at->n / 64 : (int64_t)json_len(at))));
        for (size_t i = 0; i < json_len(at); i++)
            vec_push(w->a, &stack, child(at, i));
    }
    return OK;
}

static Err compare(struct walk *w, const struct jp_expr *x, const struct json *current,
                   bool *ret_holds)
{
    struct value left, right;

    TRY(term_value(w, x->left, current, &left));
    TRY(term_value(w, x->right, current, &right));
    if (json_type(left.v) == json_type(right.v) && json_len(left.v) == json_len(right.v))
        TRY(spend_equal(w, left.v));
    switch (x->op) {
    case JP_EQ:
        *ret_holds = is_equal(left.v, right.v);
        break;
    case JP_NE:
        *ret_holds = !is_equal(left.v, right.v);
        break;
    case JP_LT:
        *ret_holds = is_less(left.v, right.v);
        break;
    case JP_LE:
        *ret_holds = is_less(left.v, right.v) || is_equal(left.v, right.v);
        break;
    case JP_GT:
        *ret_holds = is_less(right.v, left.v);
        break;
    case JP_GE:
        *ret_holds = is_less(right.v, left.v) || is_equal(left.v, right.v);
        break;
    }
    return OK;
}

/* A query holds when it selects something. */
static Err test(struct walk *w, const struct jp_term *t, const struct json *current,
                bool *ret_holds)
{
    const struct json *one;
    WfJsonNodes nodes;

    if (t->kind == JP_CALL)
        return matches(w, t, current, ret_holds);
    if (t->query->singular) {
        TRY(run_singular(w, t->query, current, &one));
        *ret_holds = one;
        return OK;
    }
    TRY(run_query(w, t->query, current, &nodes));
    *ret_holds = nodes.n;
    return OK;
}

static Err holds(struct walk *w, const struct jp_expr *x, const struct json *node, bool *ret_holds)
{
    switch (x->kind) {
    case JP_NOT:
        TRY(holds(w, x->parts[0], node, ret_holds));
        *ret_holds = !*ret_holds;
        return OK;
    case JP_OR:
    case JP_AND:
        for (int i = 0; i < x->n_parts; i++) {
            TRY(holds(w, x->parts[i], node, ret_holds));
            if (*ret_holds == (x->kind == JP_OR))
                return OK;
        }
        return OK;
    case JP_TEST:
        return test(w, x->left, node, ret_holds);
    default:
        return compare(w, x, node, ret_holds);
    }
}

Err wf_jsonpath_query(const struct wf_jsonpath *path, struct arena *a, const struct json *root,
                      WfJsonNodes *ret_nodes)
{
    /* A step takes a vector of eight pointers at most, and vectors double: 2 million stay below. */
    AUTO(arena) *own = arena_new(MIB(512));
    struct walk w = {.a = own, .root = root};
    WfJsonNodes found, kept = {0};

    TRY(run_query(&w, &path->query, root, &found));
    vec_each(&found, node)
        vec_push(a, &kept, *node);
    *ret_nodes = kept;
    return OK;
}
