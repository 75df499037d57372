/* src/wf/event.c - events of a run as JSON: how the journal keeps them and how watchers see them.
 */
#include "wf/core.h"

/* Where an event's data stands in its JSON. */
static const struct {
    const char *name;
    const char *data;
} kinds[WF_EV_COUNT] = {
    [WF_EV_RUN_STARTED] = {"run.started", "input"},
    [WF_EV_STEP_STARTED] = {"step.started", NULL},
    [WF_EV_STEP_FINISHED] = {"step.finished", "output"},
    [WF_EV_STEP_FAILED] = {"step.failed", "output"},
    [WF_EV_STEP_WAITING] = {"step.waiting", "waiting_for"},
    [WF_EV_STEP_ANSWERED] = {"step.answered", "answer"},
    [WF_EV_STEP_OPENED] = {"step.opened", "opened"},
    [WF_EV_STEP_ROUND] = {"step.round", "round"},
    [WF_EV_STEP_SKIPPED] = {"step.skipped", NULL},
    [WF_EV_RUN_QUEUED] = {"run.queued", "flow"},
    [WF_EV_RUN_ADMITTED] = {"run.admitted", NULL},
    [WF_EV_RUN_WAITING] = {"run.waiting", NULL},
    [WF_EV_RUN_PAUSED] = {"run.paused", "reason"},
    [WF_EV_RUN_RESUMED] = {"run.resumed", "reason"},
    [WF_EV_CLOCK_SET] = {"run.clock_set", "shift_us"},
    [WF_EV_CANCEL_REQUESTED] = {"run.cancel_requested", "reason"},
    [WF_EV_RUN_UNDOING] = {"run.compensating", "why"},
    [WF_EV_RUN_SUCCEEDED] = {"run.succeeded", "output"},
    [WF_EV_RUN_FAILED] = {"run.failed", NULL},
    [WF_EV_RUN_CANCELLED] = {"run.cancelled", NULL},
};

static const char *const handled_names[] = {
    [WF_UNHANDLED] = NULL,
    [WF_HANDLED_DEFAULT] = "default",
    [WF_HANDLED_BRANCH] = "branch",
};

const char *wf_event_name(enum wf_event_kind k)
{
    return (unsigned)k < WF_EV_COUNT ? kinds[k].name : "unknown";
}

static void set_time(struct arena *a, struct json *o, const char *key, Usec at)
{
    if (at)
        json_set(a, o, str_c(key), json_time(a, at));
}

struct json *wf_event_json(struct arena *a, const struct wf_def *def, const struct wf_event *ev)
{
    struct json *o = json_obj(a, "seq", json_int(a, ev->seq), "at", json_time(a, ev->at), "type",
                              json_str_c(a, kinds[ev->kind].name), NULL);

    if (ev->node >= 0 && ev->node < def->n_nodes)
        json_set(a, o, S("node"), json_str(a, def->nodes[ev->node].id));
    if (ev->in.depth)
        json_set(a, o, S("scope"), json_str(a, wf_path_text(a, def, &ev->in)));
    if (ev->attempt)
        json_set(a, o, S("attempt"), json_int(a, ev->attempt));
    if (ev->took || ev->kind == WF_EV_STEP_FINISHED)
        json_set(a, o, S("duration_ms"), json_double(a, (double)ev->took / 1000));
    if (ev->handle.n)
        json_set(a, o, S("handle"), json_str(a, ev->handle));
    if (ev->data && kinds[ev->kind].data)
        json_set(a, o, str_c(kinds[ev->kind].data), ev->data);
    if (ev->request)
        json_set(a, o, S("request"), ev->request);
    if (ev->vars)
        json_set(a, o, S("vars"), ev->vars);
    if (ev->kept)
        json_set(a, o, S("kept"), ev->kept);
    if (ev->rerun_of)
        json_set(a, o, S("rerun_of"), ev->rerun_of);
    if (ev->parent)
        json_set(a, o, S("parent"), ev->parent);
    if (ev->cause)
        json_set(a, o, S("cause"), ev->cause);
    if (ev->dry_run)
        json_set(a, o, S("dry_run"), json_bool(a, true));
    if (ev->kept_by.n)
        json_set(a, o, S("kept"), json_str(a, ev->kept_by));
    if (ev->error.code.n)
        json_set(a, o, S("error"),
                 json_obj(a, "code", json_str(a, ev->error.code), "message",
                          json_str(a, ev->error.message), NULL));
    set_time(a, o, "retry_at", ev->retry_at);
    set_time(a, o, "until", ev->until);
    if (ev->clock.n)
        json_set(a, o, S("clock"), json_str(a, ev->clock));
    if (ev->relative)
        json_set(a, o, S("relative"), json_bool(a, true));
    if (ev->handled)
        json_set(a, o, S("handled"), json_str_c(a, handled_names[ev->handled]));
    return o;
}

static Err get_time(const struct json *o, Str key, Usec *ret_at)
{
    Str text = json_str_of(json_get(o, key), S(""));
    *ret_at = 0;
    if (text.n && time_parse_rfc3339(text, ret_at) != OK)
        return err_set(E_CORRUPT, "a journal event has a bad time %.*s", P(text));
    return OK;
}

static bool read_kind(Str name, enum wf_event_kind *ret_kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq(name, str_c(kinds[i].name))) {
            *ret_kind = (enum wf_event_kind)i;
            return true;
        }
    }
    return false;
}

Err wf_event_read(const struct wf_def *def, const struct json *o, struct wf_event *ret_event)
{
    struct wf_event ev = {.node = -1};
    Str node = json_str_of(json_at(o, "node"), S(""));
    Str handled = json_str_of(json_at(o, "handled"), S(""));
    const struct json *error = json_at(o, "error");

    if (!read_kind(json_str_of(json_at(o, "type"), S("")), &ev.kind))
        return err_set(E_CORRUPT, "a journal event is of an unknown type");
    if (node.n && (ev.node = wf_def_node(def, node)) < 0)
        return err_set(E_CORRUPT,
                       "a journal event is about node %.*s, which is not in the workflow", P(node));
    if (wf_path_read(def, json_str_of(json_at(o, "scope"), S("")), &ev.in) != OK)
        return err_set(E_CORRUPT, "a journal event is in a scope that is not in the workflow");
    ev.seq = json_int_of(json_at(o, "seq"), 0);
    ev.attempt = (int)json_int_of(json_at(o, "attempt"), 0);
    ev.took = (Usec)(json_double_of(json_at(o, "duration_ms"), 0) * 1000 + 0.5);
    ev.handle = json_str_of(json_at(o, "handle"), S(""));
    if (kinds[ev.kind].data)
        ev.data = json_get(o, str_c(kinds[ev.kind].data));
    ev.clock = json_str_of(json_at(o, "clock"), S(""));
    ev.relative = json_bool_of(json_at(o, "relative"), false);
    ev.request = json_at(o, "request");
    ev.vars = json_at(o, "vars");
    if (ev.kind == WF_EV_RUN_STARTED)
        ev.kept = json_at(o, "kept");
    else
        ev.kept_by = json_str_of(json_at(o, "kept"), S(""));
    ev.rerun_of = json_at(o, "rerun_of");
    ev.parent = json_at(o, "parent");
    ev.cause = json_at(o, "cause");
    ev.dry_run = json_bool_of(json_at(o, "dry_run"), false);
    ev.error.code = json_str_of(json_at(error, "code"), S(""));
    ev.error.message = json_str_of(json_at(error, "message"), S(""));
    if (str_eq(handled, S("default")))
        ev.handled = WF_HANDLED_DEFAULT;
    else if (str_eq(handled, S("branch")))
        ev.handled = WF_HANDLED_BRANCH;
    TRY(get_time(o, S("at"), &ev.at));
    TRY(get_time(o, S("retry_at"), &ev.retry_at));
    TRY(get_time(o, S("until"), &ev.until));
    *ret_event = ev;
    return OK;
}
