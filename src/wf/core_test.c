/* src/wf/core_test.c - the core on its own: its rules by example. By simulation: core_sim_test.c.
 */
#include "base/test.h"
#include "wf/core.h"

static struct wf_def *parse(struct arena *a, const char *text)
{
    struct wf_def *def = NULL;
    WfProblems problems = {0};
    Err e = wf_def_parse(a, str_c(text), &problems, &def);
    if (e != OK)
        t_fail(__FILE__, __LINE__, "the test's workflow is not valid: %.*s",
               P(problems.n ? problems.at[0].message : str_c(err_text(e))));
    return e == OK ? def : NULL;
}

static Err apply(struct wf_state *s, struct wf_event ev)
{
    ev.seq = s->seq + 1;
    ev.at = ev.at ? ev.at : 1000;
    return wf_core_apply(s, &ev);
}

#define NODE(id)                                                                                   \
    "{\"id\":\"" id "\",\"type\":\"data-transform\",\"position\":{\"x\":0,\"y\":0},\"data\":{"     \
    "\"mode\":\"template\",\"template\":\"x\"}}"
#define TRIGGER                                                                                    \
    "{\"id\":\"t\",\"type\":\"trigger\",\"position\":{\"x\":0,\"y\":0},\"data\":{\"trigger\":"     \
    "\"api\"}}"
#define HEAD "{\"heddle\":1,\"name\":\"x\",\"nodes\":[" TRIGGER ","
#define EDGE(i, from, to) "{\"id\":\"" i "\",\"source\":\"" from "\",\"target\":\"" to "\"}"

/* t -> a, t -> b, a and b -> j */
static const char diamond[] = HEAD NODE("a") "," NODE("b") "," NODE("j") "],\"edges\":[" EDGE(
    "1", "t", "a") "," EDGE("2", "t", "b") "," EDGE("3", "a", "j") "," EDGE("4", "b", "j") "]}";

static struct wf_event finished(int node, int attempt, const char *handle)
{
    return (struct wf_event){
        .kind = WF_EV_STEP_FINISHED, .node = node, .attempt = attempt, .handle = str_c(handle)};
}

TEST(a_join_waits_until_all_its_in_edges_are_known)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = wf_core_new(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}));
    t_expect_ok(apply(s, finished(wf_def_node(def, S("t")), 1, "out")));
    t_expect_ok(apply(s, finished(wf_def_node(def, S("a")), 1, "out")));
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_START);
    t_expect_int(d.node, wf_def_node(def, S("b")));
    t_expect_ok(apply(s, finished(d.node, 1, "out")));
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_START);
    t_expect_int(d.node, wf_def_node(def, S("j")));
}

TEST(a_node_all_of_whose_in_edges_are_skipped_is_skipped_and_passes_it_on)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = wf_core_new(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}));
    t_expect_ok(apply(s, finished(def->trigger, 1, "elsewhere")));
    for (int i = 0; i < 3; i++) {
        wf_core_next(s, 1000, &d);
        t_expect_int(d.what, WF_DO_SKIP);
        t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_STEP_SKIPPED, .node = d.node}));
    }
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_SUCCEED);
}

TEST(events_that_cannot_follow_are_refused_and_change_nothing)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    t_expect(def != NULL);
    struct wf_state *s = wf_core_new(a, def);
    struct wf_event start = {.kind = WF_EV_RUN_STARTED, .node = -1};
    t_expect_err(apply(s, finished(def->trigger, 1, "out")), E_CORRUPT);
    t_expect_ok(apply(s, start));
    t_expect_err(apply(s, start), E_CORRUPT);
    t_expect_err(apply(s, finished(wf_def_node(def, S("j")), 1, "out")), E_CORRUPT);
    t_expect_err(apply(s, finished(99, 1, "out")), E_CORRUPT);
    t_expect_err(wf_core_apply(s, &(struct wf_event){.seq = 7, .kind = WF_EV_RUN_CANCELLED}),
                 E_CORRUPT);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_CANCELLED, .node = -1}));
    t_expect_err(apply(s, finished(def->trigger, 1, "out")), E_CORRUPT);
    t_expect_int(s->seq, 2);
}

TEST(a_run_that_rests_begins_nothing_and_goes_on_where_it_was)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = wf_core_new(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}));
    t_expect_ok(apply(s, finished(def->trigger, 1, "out")));
    struct wf_event pause = {
        .kind = WF_EV_RUN_PAUSED, .node = -1, .data = json_str(a, S("asked by a user"))};
    t_expect_ok(apply(s, pause));
    t_expect_int(s->run, WF_RUN_PAUSED);
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_RESUMED, .node = -1}));
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_START);
    pause.data = json_str(a, S("crash_loop"));
    t_expect_ok(apply(s, pause));
    t_expect_int(s->run, WF_RUN_POISONED);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED, .node = -1}));
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_CANCELLED);
}

TEST(a_run_that_rests_before_its_gate_is_before_it_afterwards)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    t_expect(def != NULL);
    struct wf_state *s = wf_core_new(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}));
    t_expect_ok(apply(
        s, (struct wf_event){.kind = WF_EV_RUN_QUEUED, .node = -1, .data = json_obj(a, NULL)}));
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_PAUSED, .node = -1}));
    t_expect_int(s->run, WF_RUN_PAUSED);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_RESUMED, .node = -1}));
    t_expect_int(s->run, WF_RUN_QUEUED);
}

TEST(a_step_takes_over_the_result_that_is_kept_for_it_where_it_is_reached)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    struct wf_decision d;
    struct wf_event ev;
    struct json *kept;
    t_expect(def != NULL);
    t_expect_ok(json_parse(a,
                           S("{\"a\":{\"output\":7,\"handle\":\"out\",\"by\":\"edit\"},"
                             "\"b\":{\"output\":8,\"handle\":\"elsewhere\",\"by\":\"run\"}}"),
                           &kept));
    struct wf_state *s = wf_core_new(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1, .kept = kept}));
    t_expect_ok(apply(s, finished(def->trigger, 1, "out")));
    for (int i = 0; i < 2; i++) {
        wf_core_next(s, 1000, &d);
        t_expect_int(d.what, WF_DO_KEEP);
        wf_core_kept(s, d.step, &ev);
        /* As the journal keeps it. */
        struct wf_event again;
        t_expect_ok(wf_event_read(def, wf_event_json(a, def, &ev), &again));
        t_expect_str(again.kept_by, ev.kept_by);
        t_expect_ok(apply(s, again));
    }
    const struct wf_node_run *of_a = &s->nodes[wf_def_node(def, S("a"))];
    t_expect_int(of_a->state, WF_NODE_DONE);
    t_expect_int(json_int_of(of_a->output, 0), 7);
    t_expect_str(of_a->kept_by, S("edit"));
    t_expect_int(s->nodes[wf_def_node(def, S("j"))].taken_in, 1);
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_START);
    t_expect_int(d.node, wf_def_node(def, S("j")));
}

TEST(a_step_that_is_not_reached_is_skipped_whatever_is_kept_for_it)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    struct wf_decision d;
    struct json *kept = json_obj(a, "a", json_obj(a, "output", json_int(a, 7), NULL), NULL);
    t_expect(def != NULL);
    struct wf_state *s = wf_core_new(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1, .kept = kept}));
    t_expect_ok(apply(s, finished(def->trigger, 1, "elsewhere")));
    wf_core_next(s, 1000, &d);
    t_expect_int(d.what, WF_DO_SKIP);
}

TEST(a_run_at_a_gate_begins_nothing_and_its_time_stands_still)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, diamond);
    struct wf_event queued = {.kind = WF_EV_RUN_QUEUED, .node = -1, .data = json_null(a)};
    struct wf_event admitted = {.kind = WF_EV_RUN_ADMITTED, .node = -1};
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = wf_core_new(a, def);
    t_expect_err(apply(s, queued), E_CORRUPT);
    t_expect_err(apply(s, admitted), E_CORRUPT);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}));
    t_expect_ok(apply(s, queued));
    t_expect_int(s->run, WF_RUN_QUEUED);
    wf_core_next(s, 1000 + USEC_DAY, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_err(apply(s, finished(def->trigger, 1, "out")), E_CORRUPT);
    admitted.at = 1000 + USEC_DAY;
    t_expect_ok(apply(s, admitted));
    wf_core_next(s, 1000 + USEC_DAY, &d); /* the timeout of a run is an hour */
    t_expect_int(d.what, WF_DO_START);
    t_expect_ok(apply(s, queued));
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED, .node = -1}));
    wf_core_next(s, 1000 + USEC_DAY, &d);
    t_expect_int(d.what, WF_DO_CANCELLED);
}

#define CALL(more)                                                                                 \
    HEAD "{\"id\":\"c\",\"type\":\"api-call\",\"position\":{\"x\":0,\"y\":0},\"data\":{"           \
         "\"url\":\"https://example.com/\"" more "}}],\"edges\":[" EDGE("1", "t", "c") "]}"

static struct wf_state *at_call(struct arena *a, const struct wf_def *def)
{
    struct wf_state *s = wf_core_new(a, def);
    if (apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}) != OK ||
        apply(s, finished(def->trigger, 1, "out")) != OK ||
        apply(s, (struct wf_event){.kind = WF_EV_STEP_STARTED, .node = 1, .attempt = 1}) != OK)
        t_fail(__FILE__, __LINE__, "the run does not come to its call");
    return s;
}

TEST(a_failure_is_tried_again_after_the_longer_of_backoff_and_retry_after)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def =
        parse(a, CALL(",\"retry\":{\"max_attempts\":3,\"delay\":\"2s\",\"jitter\":0}"));
    struct wf_event ev;
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = at_call(a, def);
    wf_core_failure(a, s, &s->nodes[1], 1, E_UNAVAILABLE, S("x"), 5000, 0, 0.5, &ev);
    t_expect_int(ev.retry_at, 5000 + 2 * USEC_S);
    wf_core_failure(a, s, &s->nodes[1], 2, E_UNAVAILABLE, S("x"), 5000, 0, 0.5, &ev);
    t_expect_int(ev.retry_at, 5000 + 4 * USEC_S);
    wf_core_failure(a, s, &s->nodes[1], 1, E_RATE_LIMITED, S("x"), 5000, 9 * USEC_S, 0.5, &ev);
    t_expect_int(ev.retry_at, 5000 + 9 * USEC_S);
    t_expect_ok(apply(s, ev));
    wf_core_next(s, 5000, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_int(d.until, 5000 + 9 * USEC_S);
    wf_core_next(s, d.until, &d);
    t_expect_int(d.what, WF_DO_START);
    t_expect_int(d.attempt, 2);
    wf_core_failure(a, s, &s->nodes[1], 3, E_UNAVAILABLE, S("x"), 5000, 0, 0.5, &ev);
    t_expect_int(ev.retry_at, 0);
    wf_core_failure(a, s, &s->nodes[1], 1, E_INVALID, S("x"), 5000, 0, 0.5, &ev);
    t_expect_int(ev.retry_at, 0);
}

TEST(a_clock_that_was_set_back_does_not_stretch_a_wait)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def =
        parse(a, CALL(",\"retry\":{\"max_attempts\":3,\"delay\":\"2s\",\"jitter\":0}"));
    struct wf_event ev;
    struct wf_decision d;
    Usec at = 30 * USEC_MIN;
    t_expect(def != NULL);
    struct wf_state *s = at_call(a, def);
    wf_core_failure(a, s, &s->nodes[1], 1, E_UNAVAILABLE, S("x"), at, 0, 0.5, &ev);
    ev.at = at;
    t_expect_ok(apply(s, ev));
    wf_core_next(s, at - USEC_S, &d); /* a little back: it waits a little longer */
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_int(d.until, at + 2 * USEC_S);
    wf_core_next(s, at - 10 * USEC_MIN, &d);
    t_expect_int(d.what, WF_DO_START);
}

TEST(an_error_branch_takes_the_edges_of_its_handle_and_the_run_goes_on)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, CALL(",\"on_error\":{\"strategy\":\"branch\"}"));
    struct wf_event ev;
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = at_call(a, def);
    wf_core_failure(a, s, &s->nodes[1], 1, E_INVALID, S("no such host"), 5000, 0, 0, &ev);
    t_expect_int(ev.handled, WF_HANDLED_BRANCH);
    t_expect_ok(apply(s, ev));
    t_expect_str(s->nodes[1].handle, S("error"));
    t_expect_str(json_text(a, s->nodes[1].output),
                 S("{\"error\":{\"code\":\"invalid\",\"message\":\"no such host\"}}"));
    wf_core_next(s, 5000, &d);
    t_expect_int(d.what, WF_DO_SUCCEED);
}

TEST(a_cancelled_run_ends_when_nothing_is_in_flight)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, CALL(""));
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = at_call(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED, .node = -1}));
    wf_core_next(s, 5000, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_ok(apply(s, finished(1, 1, "out")));
    wf_core_next(s, 5000, &d);
    t_expect_int(d.what, WF_DO_CANCELLED);
}

TEST(a_step_whose_end_is_unknown_is_repeated_only_if_that_does_no_harm)
{
    struct arena *a = t_arena();
    struct wf_event ev;
    struct wf_state *at;
    AUTO(wf_def) *get = parse(a, CALL(""));
    AUTO(wf_def) *post = parse(a, CALL(",\"method\":\"POST\""));
    AUTO(wf_def) *told = parse(a, CALL(",\"method\":\"POST\",\"on_unknown\":\"repeat\""));
    t_expect(get && post && told);
    at = at_call(a, get);
    wf_core_interrupted(a, at, &at->nodes[1], 5000, &ev);
    t_expect_int(ev.retry_at, 5000);
    at = at_call(a, post);
    wf_core_interrupted(a, at, &at->nodes[1], 5000, &ev);
    t_expect_int(ev.retry_at, 0);
    t_expect_str(ev.error.code, S("unknown_outcome"));
    at = at_call(a, told);
    wf_core_interrupted(a, at, &at->nodes[1], 5000, &ev);
    t_expect_int(ev.retry_at, 5000);
}

TEST(events_survive_being_written_and_read)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, CALL(""));
    struct wf_event back, ev = {.seq = 9,
                                .at = 1700000000123456,
                                .kind = WF_EV_STEP_FAILED,
                                .node = 1,
                                .attempt = 2,
                                .error = {S("timeout"), S("too \"slow\"")},
                                .retry_at = 1700000001000000,
                                .took = 1234567};
    t_expect(def != NULL);
    struct json *json;
    t_expect_ok(json_parse(a, json_text(a, wf_event_json(a, def, &ev)), &json));
    t_expect_ok(wf_event_read(def, json, &back));
    t_expect_int(back.seq, 9);
    t_expect_int(back.at, ev.at);
    t_expect_int(back.kind, WF_EV_STEP_FAILED);
    t_expect_int(back.node, 1);
    t_expect_int(back.attempt, 2);
    t_expect_int(back.retry_at, ev.retry_at);
    t_expect_int(back.took, ev.took);
    t_expect_str(back.error.message, ev.error.message);
}

#define DELAY(id, data) "{\"id\":\"" id "\",\"type\":\"delay\",\"data\":{" data "}}"
/* t -> w -> a, t -> b */
static const char waits[] =
    "{\"heddle\":1,\"name\":\"x\",\"settings\":{\"timeout\":\"1h\"},"
    "\"nodes\":[" TRIGGER
    "," DELAY("w", "\"duration\":\"7d\"") "," NODE("a") "," NODE("b") "],\"edges\":[" EDGE(
        "1", "t", "w") "," EDGE("2", "w", "a") "," EDGE("3", "t", "b") "]}";

static const Usec T0 = 1700000000000000;

/* The run at its wait of seven days; the branch beside it is done. */
static struct wf_state *at_wait(struct arena *a, const struct wf_def *def)
{
    struct wf_state *s = wf_core_new(a, def);
    struct wf_event wait = {.kind = WF_EV_STEP_WAITING,
                            .node = 1,
                            .attempt = 1,
                            .at = T0,
                            .until = T0 + 7 * USEC_DAY,
                            .relative = true,
                            .data = json_obj(a, "kind", json_str_c(a, "delay"), NULL)};
    struct wf_event start = {.kind = WF_EV_RUN_STARTED, .node = -1, .at = T0};
    struct wf_event trigger = finished(def->trigger, 1, "out"), beside = finished(3, 1, "out");
    trigger.at = beside.at = T0;
    if (apply(s, start) != OK || apply(s, trigger) != OK || apply(s, wait) != OK ||
        apply(s, beside) != OK)
        t_fail(__FILE__, __LINE__, "the run does not come to its wait");
    return s;
}

TEST(a_wait_holds_up_only_what_is_behind_it_and_ends_on_time)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, waits);
    struct wf_decision d;
    struct wf_event ev;
    t_expect(def != NULL);
    struct wf_state *s = at_wait(a, def);
    t_expect_int(s->nodes[3].state, WF_NODE_DONE);
    t_expect_int(s->nodes[2].state, WF_NODE_IDLE);
    wf_core_next(s, T0 + 7 * USEC_DAY - 1, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_int(d.until, T0 + 7 * USEC_DAY);
    wf_core_next(s, d.until, &d);
    t_expect_int(d.what, WF_DO_WAKE);
    t_expect_int(d.node, 1);
    wf_core_due(a, d.step, &ev);
    ev.at = T0 + 7 * USEC_DAY;
    t_expect_ok(apply(s, ev));
    t_expect_err(apply(s, ev), E_CORRUPT);
    wf_core_next(s, ev.at, &d);
    t_expect_int(d.what, WF_DO_START);
    t_expect_int(d.node, 2);
}

TEST(time_in_which_a_run_only_waits_does_not_count_for_its_timeout)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, waits);
    struct wf_decision d;
    struct wf_event ev;
    t_expect(def != NULL);
    struct wf_state *s = at_wait(a, def);
    t_expect_int(wf_core_deadline(s), USEC_NEVER);
    wf_core_due(a, &s->nodes[1], &ev);
    ev.at = T0 + 7 * USEC_DAY;
    t_expect_ok(apply(s, ev));
    t_expect_int(wf_core_deadline(s), T0 + 7 * USEC_DAY + USEC_H);
    wf_core_next(s, T0 + 7 * USEC_DAY + USEC_H, &d);
    t_expect_int(d.what, WF_DO_FAIL);
    t_expect_str(d.error.code, S("timeout"));
}

TEST(a_deadline_counts_waits_too_and_moves_with_the_clock)
{
    struct arena *a = t_arena();
    Str text = str_fmt(a, "%s", waits);
    const char *at = strstr(text.p, "\"timeout\":\"1h\"");
    t_expect(at != NULL);
    AUTO(wf_def) *def = parse(a, str_dup_c(a, str_fmt(a, "%.*s\"deadline\":\"2d\"%s",
                                                      (int)(at - text.p), text.p, at + 14)));
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = at_wait(a, def);
    wf_core_next(s, T0, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
    t_expect_int(d.until, T0 + 2 * USEC_DAY);
    wf_core_next(s, T0 + 2 * USEC_DAY, &d);
    t_expect_int(d.what, WF_DO_FAIL);
    t_expect_str(d.error.code, S("deadline"));
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_CLOCK_SET,
                                           .node = -1,
                                           .at = T0 + USEC_DAY,
                                           .data = json_int(a, USEC_DAY)}));
    wf_core_next(s, T0 + 3 * USEC_DAY - 1, &d);
    t_expect_int(d.what, WF_DO_NOTHING);
}

TEST(a_duration_moves_with_a_clock_that_is_set_and_a_time_does_not)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, waits);
    static const Usec shifts[] = {USEC_H, -USEC_H, 30 * USEC_DAY, -30 * USEC_DAY};
    struct wf_decision d;
    t_expect(def != NULL);
    for (size_t i = 0; i < ARRAY_LEN(shifts); i++) {
        Usec now = T0 + USEC_DAY + shifts[i];
        struct wf_state *s = at_wait(a, def);
        struct wf_event set = {
            .kind = WF_EV_CLOCK_SET, .node = -1, .at = now, .data = json_int(a, shifts[i])};
        t_expect_ok(apply(s, set));
        wf_core_next(s, now + 6 * USEC_DAY - 1, &d);
        t_expect_int(d.what, WF_DO_NOTHING);
        wf_core_next(s, now + 6 * USEC_DAY, &d);
        t_expect_int(d.what, WF_DO_WAKE);
        s = at_wait(a, def);
        s->nodes[1].relative = false;
        t_expect_ok(apply(s, set));
        t_expect_int(s->nodes[1].due_at, T0 + 7 * USEC_DAY);
    }
}

TEST(a_cancel_ends_a_run_that_waits)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, waits);
    struct wf_decision d;
    t_expect(def != NULL);
    struct wf_state *s = at_wait(a, def);
    t_expect_ok(apply(s, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED, .node = -1, .at = T0}));
    wf_core_next(s, T0, &d);
    t_expect_int(d.what, WF_DO_CANCELLED);
}

static const char approval[] =
    HEAD "{\"id\":\"p\",\"type\":\"approval\",\"data\":{\"subject\":\"?\",\"approvals\":2}}," NODE(
        "a") "],\"edges\":[" EDGE("1", "t", "p") ",{\"id\":\"2\",\"source\":\"p\","
                                                 "\"sourceHandle\":\"approve\",\"target\":\"a\"}]}";

static struct wf_state *at_approval(struct arena *a, const struct wf_def *def)
{
    struct wf_state *s = wf_core_new(a, def);
    struct wf_event wait = {
        .kind = WF_EV_STEP_WAITING,
        .node = 1,
        .attempt = 1,
        .data = json_obj(a, "kind", json_str_c(a, "approval"), "needed", json_int(a, 2), NULL)};
    if (apply(s, (struct wf_event){.kind = WF_EV_RUN_STARTED, .node = -1}) != OK ||
        apply(s, finished(def->trigger, 1, "out")) != OK || apply(s, wait) != OK)
        t_fail(__FILE__, __LINE__, "the run does not come to its approval");
    return s;
}

static bool decided(struct arena *a, struct wf_state *s, const char *by, const char *decision)
{
    struct wf_event ev;
    bool counts = wf_core_answer(
        a, &s->nodes[1],
        json_obj(a, "by", json_str_c(a, by), "decision", json_str_c(a, decision), NULL), &ev);
    return counts && apply(s, ev) == OK;
}

TEST(an_approval_counts_each_person_once_and_ends_with_the_last_that_is_needed)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, approval);
    t_expect(def != NULL);
    struct wf_state *s = at_approval(a, def);
    t_expect(decided(a, s, "ann", "approve"));
    t_expect_int(s->nodes[1].state, WF_NODE_WAITING);
    t_expect(!decided(a, s, "ann", "approve"));
    t_expect(!decided(a, s, "ann", "reject"));
    t_expect(decided(a, s, "ben", "approve"));
    t_expect_int(s->nodes[1].state, WF_NODE_DONE);
    t_expect_str(s->nodes[1].handle, S("approve"));
    t_expect_int(json_len(json_at(s->nodes[1].output, "answers")), 2);
    t_expect(!decided(a, s, "cleo", "approve"));
}

TEST(one_who_rejects_decides)
{
    struct arena *a = t_arena();
    AUTO(wf_def) *def = parse(a, approval);
    t_expect(def != NULL);
    struct wf_state *s = at_approval(a, def);
    t_expect(decided(a, s, "ann", "approve"));
    t_expect(decided(a, s, "ben", "reject"));
    t_expect_str(s->nodes[1].handle, S("reject"));
    t_expect_str(json_str_of(json_at(s->nodes[1].output, "by"), S("")), S("ben"));
}
