/* src/wf/scope_vars.c - the variables of a loop, as they go from round to round.
 *
 * Each value has an arena of its own, so that one which is set again takes no room twice, and a
 * list that is appended to is not copied.
 */
#include "wf/core_private.h"

enum { VALUE_MEMORY_MAX = 1 << 30 }; /* never met: see run_check_memory() */

struct wf_loop_var {
    Str name;
    struct json *value;
    struct arena *a; /* of the value */
};

static void free_vars(void *cycle)
{
    struct wf_cycle *c = cycle;

    for (int i = 0; i < c->n_vars; i++)
        arena_free(c->vars[i].a);
    c->n_vars = 0;
}

static void set_var(struct wf_loop_var *v, const struct json *value)
{
    struct arena *a = arena_new(VALUE_MEMORY_MAX);

    v->value = json_dup(a, value);
    v->a = a;
}

/* Count what the variables take among what is under way. */
static void weigh_vars(struct wf_state *s, struct wf_cycle *c)
{
    size_t bytes = 0;

    for (int i = 0; i < c->n_vars; i++)
        bytes += arena_used(c->vars[i].a);
    s->frame_bytes += bytes - c->var_bytes;
    c->var_bytes = bytes;
}

void core_vars_open(struct wf_state *s, struct wf_cycle *c, const struct json *vars)
{
    c->n_vars = (int)json_len(vars);
    c->vars = arena_array(c->a, struct wf_loop_var, c->n_vars);
    for (int i = 0; i < c->n_vars; i++) {
        c->vars[i].name = str_dup(c->a, json_str_of(&vars->obj[i].key, S("")));
        set_var(&c->vars[i], &vars->obj[i].val);
    }
    arena_defer(c->a, free_vars, c);
    weigh_vars(s, c);
}

static struct wf_loop_var *var_of(struct wf_cycle *c, Str name)
{
    for (int i = 0; i < c->n_vars; i++)
        if (str_eq(c->vars[i].name, name))
            return &c->vars[i];
    return NULL;
}

/* Each new value is copied before an old one goes: it may share parts of it. */
static void set_vars(struct wf_cycle *c, const struct json *set)
{
    VEC(struct arena *) old = {0};
    AUTO(arena) *tmp = arena_new(MIB(1));

    for (size_t i = 0; json_is(set, JSON_OBJ) && i < json_len(set); i++) {
        struct wf_loop_var *v = var_of(c, json_str_of(&set->obj[i].key, S("")));
        if (!v)
            continue;
        vec_push(tmp, &old, v->a);
        set_var(v, &set->obj[i].val);
    }
    vec_each(&old, a)
        arena_free(*a);
}

static void append_vars(struct wf_cycle *c, const struct json *append)
{
    for (size_t i = 0; json_is(append, JSON_OBJ) && i < json_len(append); i++) {
        struct wf_loop_var *v = var_of(c, json_str_of(&append->obj[i].key, S("")));
        if (v && json_is(v->value, JSON_ARR))
            json_push(v->a, v->value, json_dup(v->a, &append->obj[i].val));
    }
}

void core_vars_change(struct wf_state *s, struct wf_cycle *c, const struct json *round)
{
    append_vars(c, json_at(round, "append"));
    set_vars(c, json_at(round, "set"));
    weigh_vars(s, c);
}

void core_vars_end(struct wf_state *s, struct wf_cycle *c)
{
    free_vars(c);
    weigh_vars(s, c);
}

struct json *core_vars_json(struct arena *a, const struct wf_cycle *c, bool copy)
{
    struct json *o = json_obj(a, NULL);

    for (int i = 0; i < c->n_vars; i++)
        json_set(a, o, c->vars[i].name, copy ? json_dup(a, c->vars[i].value) : c->vars[i].value);
    return o;
}
