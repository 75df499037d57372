/* src/wf/scope_test.c - bodies by example: where steps belong, how items fail, what is kept. */
#include "base/test.h"
#include "wf/core.h"
#include "wf/test_node.h"

static const char nested[] =
    "{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':{}},"
    "{'id':'out','type':'iteration','data':{'items':[1],'parallel':2,'on_item_error':'%s'}},"
    "{'id':'in','type':'iteration','parentId':'out','data':{'items':[1],'parallel':1}},"
    "{'id':'leaf','type':'delay','parentId':'in','data':{'duration':5}},"
    "{'id':'beside','type':'api-call','parentId':'out','data':{'url':'https://a.example/'}}],"
    "'edges':[{'id':'1','source':'t','target':'out'}]}";

static struct wf_def *def_of(const char *on_item_error)
{
    WfProblems problems = {0};
    struct wf_def *def = NULL;
    Str text = str_fmt(t_arena(), nested, on_item_error);

    if (t_def(str_dup_c(t_arena(), text), &problems, &def) != OK)
        t_fail(__FILE__, __LINE__, "%.*s", P(problems.at[0].message));
    return def;
}

static Err apply(struct wf_state *s, struct wf_event ev)
{
    ev.seq = s->seq + 1;
    ev.at = 1000;
    return wf_core_apply(s, &ev);
}

static Err opened(struct wf_state *s, Str where, const char *node, int count)
{
    struct wf_event ev = {.kind = WF_EV_STEP_OPENED,
                          .node = wf_def_node(s->def, str_c(node)),
                          .attempt = 1,
                          .data = json_obj(t_arena(), "count", json_int(t_arena(), count), NULL)};
    TRY(wf_path_read(s->def, where, &ev.in));
    return apply(s, ev);
}

static Err step(struct wf_state *s, enum wf_event_kind kind, Str where, const char *node)
{
    struct wf_event ev = {.kind = kind,
                          .node = wf_def_node(s->def, str_c(node)),
                          .attempt = 1,
                          .error = {S("invalid"), S("no")}};
    TRY(wf_path_read(s->def, where, &ev.in));
    return apply(s, ev);
}

/* Three items, of which two may be under way; the first has begun its own iteration of three. */
static struct wf_state *begun(const char *on_item_error)
{
    struct wf_def *def = def_of(on_item_error);
    struct wf_state *s = wf_core_new(t_arena(), def);

    if (apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}) != OK ||
        step(s, WF_EV_STEP_FINISHED, S(""), "t") != OK || opened(s, S(""), "out", 3) != OK ||
        opened(s, S("out[0]"), "in", 3) != OK ||
        step(s, WF_EV_STEP_WAITING, S("out[0]/in[0]"), "leaf") != OK ||
        step(s, WF_EV_STEP_STARTED, S("out[1]"), "beside") != OK)
        t_fail(__FILE__, __LINE__, "the run does not come to its items");
    return s;
}

static const struct wf_cycle *outer(const struct wf_state *s)
{
    return s->nodes[wf_def_node(s->def, S("out"))].inside;
}

TEST(a_scope_is_read_as_it_is_written_and_else_refused)
{
    struct wf_def *def = def_of("fail");
    static const char *const wrong[] = {"out",        "out[]", "out[-1]",       "out[1",
                                        "out[x]",     "in[0]", "out[0]/out[0]", "nope[0]",
                                        "out[0]/",    "/",     "leaf[0]",       "out[99999999999]",
                                        "out[0]in[0]"};
    struct wf_path path;

    t_expect_ok(wf_path_read(def, S("out[12]/in[3]"), &path));
    t_expect_int(path.depth, 2);
    t_expect_int(path.at[1].index, 3);
    t_expect_str(wf_path_text(t_arena(), def, &path), S("out[12]/in[3]"));
    t_expect_ok(wf_path_read(def, S(""), &path));
    t_expect_int(path.depth, 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (wf_path_read(def, str_c(wrong[i]), &path) == OK)
            t_fail(__FILE__, __LINE__, "\"%s\" is taken", wrong[i]);
}

/* So many iterations inside of each other, with a node in the last. */
static Str nest(int depth)
{
    struct buf b = BUF(KIB(16));

    buf_add_c(&b, "{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':{}}");
    for (int i = 0; i <= depth; i++) {
        buf_add_fmt(&b, ",{'id':'n%d'", i);
        if (i)
            buf_add_fmt(&b, ",'parentId':'n%d'", i - 1);
        buf_add_c(&b, i < depth ? ",'type':'iteration','data':{'items':[1]}}"
                                : ",'type':'output','data':{'output':'{{ n0.item }}{{ item }}'}}");
    }
    buf_add_c(&b, "],'edges':[{'id':'e','source':'t','target':'n0'}]}");
    Str text = str_dup(t_arena(), buf_str(&b));
    buf_done(&b);
    return text;
}

TEST(bodies_are_five_deep_at_most)
{
    for (int depth = 1; depth <= WF_DEPTH_MAX + 1; depth++) {
        WfProblems problems = {0};
        struct wf_def *def = NULL;
        Err e = t_def(str_dup_c(t_arena(), nest(depth)), &problems, &def);
        if (depth <= WF_DEPTH_MAX) {
            t_expect_ok(e);
            continue;
        }
        t_expect_err(e, E_INVALID);
        t_expect_str(problems.at[0].code, S("too_deep"));
        t_expect_str(problems.at[0].node, S("n6"));
    }
}

TEST(an_event_of_an_item_that_is_not_under_way_is_refused)
{
    struct wf_state *s = begun("fail");

    t_expect_err(step(s, WF_EV_STEP_STARTED, S("out[2]"), "beside"), E_CORRUPT);
    t_expect_err(step(s, WF_EV_STEP_STARTED, S("out[0]"), "leaf"), E_CORRUPT);
    t_expect_err(step(s, WF_EV_STEP_STARTED, S(""), "beside"), E_CORRUPT);
    t_expect_err(step(s, WF_EV_STEP_FINISHED, S(""), "out"), E_CORRUPT);
    t_expect_ok(step(s, WF_EV_STEP_STARTED, S("out[0]"), "beside"));
}

TEST(a_failure_stops_what_waits_in_the_item_and_below_it)
{
    struct wf_state *s = begun("skip");

    t_expect_ok(step(s, WF_EV_STEP_FAILED, S("out[0]"), "beside"));
    t_expect_int(s->waits.n, 0);
    t_expect_int(s->dropped.n, 1);
    t_expect_int(s->dropped.at[0]->node, wf_def_node(s->def, S("leaf")));
    t_expect_int(outer(s)->failed, 1);
    t_expect_int(outer(s)->done, 1);
    t_expect_int(outer(s)->live, 2); /* the second, and the third, which has its place */
    t_expect_int(outer(s)->closing, false);
}

TEST(an_iteration_that_fails_waits_for_what_is_in_flight)
{
    struct wf_state *s = begun("fail");
    struct wf_decision d;
    struct wf_event ev;

    t_expect_ok(step(s, WF_EV_STEP_FAILED, S("out[0]"), "beside"));
    t_expect_int(outer(s)->live, 1);
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_ok(step(s, WF_EV_STEP_FINISHED, S("out[1]"), "beside"));
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_CLOSE);
    wf_core_close(t_arena(), s, d.step, &ev);
    t_expect_int(ev.kind, WF_EV_STEP_FAILED);
    t_expect_str(ev.error.message, S("Item 0, node beside: no"));
    t_expect_ok(apply(s, ev));
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_FAIL);
    t_expect_int(s->frame_bytes, 0);
}

TEST(a_thousand_items_cost_the_memory_of_those_under_way)
{
    struct wf_def *def = def_of("fail");
    struct wf_state *s = wf_core_new(t_arena(), def);
    size_t most = 0;

    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}));
    t_expect_ok(step(s, WF_EV_STEP_FINISHED, S(""), "t"));
    t_expect_ok(opened(s, S(""), "out", 1000));
    while (outer(s)->done < 1000) {
        struct wf_decision d;
        wf_core_next(s, 1000, &d);
        if (d.what == WF_DO_CLOSE) {
            struct wf_event ev;
            wf_core_close(t_arena(), s, d.step, &ev);
            t_expect_ok(apply(s, ev));
        } else if (def->nodes[d.node].body) {
            t_expect_ok(opened(s, wf_path_text(t_arena(), def, &d.step->frame->path), "in", 0));
        } else {
            t_expect_ok(step(s, WF_EV_STEP_FINISHED,
                             wf_path_text(t_arena(), def, &d.step->frame->path), "beside"));
        }
        most = s->frame_bytes > most ? s->frame_bytes : most;
    }
    t_expect(most > 0 && most < KIB(16));
    t_expect_int(json_len(outer(s)->results), 1000);
}
