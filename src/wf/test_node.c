/* src/wf/test_node.c - definitions in few words, and one step of one node, for tests. */
#include "wf/test_node.h"

static struct buf live = BUF(MIB(16));

Str t_quoted(const char *text)
{
    Str s = str_dup(t_arena(), str_c(text));

    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'')
            ((char *)(uintptr_t)s.p)[i] = '"';
    return s;
}

struct json *t_json(const char *text)
{
    struct json *v = NULL;

    if (json_parse(t_arena(), t_quoted(text), &v) != OK)
        t_fail(__FILE__, __LINE__, "not JSON: %s", text);
    return v;
}

static void release(void *def)
{
    wf_def_unref(def);
}

Err t_def(const char *text, WfProblems *ret_problems, struct wf_def **ret_def)
{
    struct wf_def *def;

    TRY(wf_def_parse(t_arena(), t_quoted(text), ret_problems, &def));
    arena_defer(t_arena(), release, def);
    *ret_def = def;
    return OK;
}

Err t_node_def(const char *type, const char *data, WfProblems *ret_problems,
               struct wf_def **ret_def)
{
    Str text = str_fmt(t_arena(),
                       "{'heddle':1,'name':'test','variables':[{'name':'v','value':7}],'nodes':["
                       "{'id':'t','type':'trigger','data':{}},"
                       "{'id':'n','type':'%s','data':%s}],"
                       "'edges':[{'id':'e','source':'t','target':'n'}]}",
                       type, data);

    return t_def(str_dup_c(t_arena(), text), ret_problems, ret_def);
}

Str t_problem(const WfProblems *problems)
{
    if (problems->n == 0)
        return S("");
    return str_fmt(t_arena(), "%.*s %.*s", P(problems->at[0].code), P(problems->at[0].path));
}

Str t_node_problem(const char *type, const char *data)
{
    WfProblems problems = {0};
    struct wf_def *def;

    (void)t_node_def(type, data, &problems, &def); /* the problems tell */
    return t_problem(&problems);
}

static struct json *member(void *ctx, Str name)
{
    return json_get(ctx, name);
}

struct wf_scope t_scope(struct json *names)
{
    return (struct wf_scope){member, names};
}

static void hear(struct wf_step *step, Str kind, const struct json *data)
{
    (void)step, (void)kind;
    if (live.n)
        buf_add_char(&live, '|');
    buf_add(&live, json_str_of(json_at(data, "text"), S("?")));
}

Str t_live(void)
{
    return str_dup(t_arena(), buf_str(&live));
}

static void free_arena(void *a)
{
    arena_free(a);
}

/* A step of node "n" of such a definition; it points to @ret_scope. */
static Err step_for(const char *type, const char *data, const char *scope, const struct wf_env *env,
                    struct wf_scope *ret_scope, struct wf_step *ret_step)
{
    static const struct wf_env none = {.max_output = MIB(8)};
    WfProblems problems = {0};
    struct wf_def *def;
    Err e = t_node_def(type, data, &problems, &def);

    if (e != OK)
        return e;
    struct json *names = t_json(scope);
    *ret_scope = t_scope(names);
    const struct wf_node *node = &def->nodes[wf_def_node(def, S("n"))];
    struct arena *a = arena_new(MIB(256));
    arena_defer(t_arena(), free_arena, a);
    *ret_step = (struct wf_step){
        .a = a,
        .env = env ? env : &none,
        .def = def,
        .node = node,
        .scope = ret_scope,
        .run = id_new(),
        .attempt = 1,
        .key = S("run-1:n"),
        .deadline = usec_in(node->timeout),
        .input = json_at(names, "input"),
        .live = hear,
    };
    return OK;
}

Err t_node_wait(const char *type, const char *data, const char *scope, struct wf_wait *ret_wait)
{
    struct wf_scope over;
    struct wf_step step;

    TRY(step_for(type, data, scope, NULL, &over, &step));
    *ret_wait = (struct wf_wait){0};
    return step.node->type->wait(&step, step.node->settings, ret_wait);
}

Err t_node_run(const char *type, const char *data, const char *scope, const struct wf_env *env,
               struct wf_outcome *ret_outcome)
{
    struct wf_scope over;
    struct wf_step step;

    TRY(step_for(type, data, scope, env, &over, &step));
    buf_reset(&live);
    *ret_outcome = (struct wf_outcome){0};
    return step.node->type->run(&step, step.node->settings, ret_outcome);
}

Str t_node_output(const char *type, const char *data, const char *scope)
{
    struct wf_outcome outcome;
    Err e = t_node_run(type, data, scope, NULL, &outcome);

    if (e != OK)
        return str_fmt(t_arena(), "%s: %s", err_name(e), err_client_text(e));
    Str text = json_text(t_arena(), outcome.output);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '"')
            ((char *)(uintptr_t)text.p)[i] = '\'';
    return text;
}
