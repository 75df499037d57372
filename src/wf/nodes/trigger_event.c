/* src/wf/nodes/trigger_event.c - which events start a workflow: the platform's own and those that
 * are sent to it (POST /api/events). */
#include "wf/nodes/trigger_event.h"

#include "base/buf.h"
#include "wf/notice.h"

enum { NAME_MAX_BYTES = 200, NAMES_MAX = 20 };

const struct field trigger_event_fields[] = {
    {"on", F_STR_LIST, offsetof(struct wf_event_cfg, on), .required = true, .min = 1,
     .max = NAMES_MAX, .title = "Events",
     .help = "run.succeeded, run.failed, run.cancelled, approval.requested, provider.down, "
             "provider.up, budget.warning, budget.exhausted, limits.degraded, limits.restored, or "
             "names of events that are sent to "
             "the platform."},
    {"workflow", F_STR, offsetof(struct wf_event_cfg, workflow), .max = 200, .title = "Workflow",
     .help = "Id or name: only what happens to its runs. Empty: to all but this one's own."},
    {"key", F_STR, offsetof(struct wf_event_cfg, key), .max = 1000, .title = "Key",
     .help = "Only events that are sent with this key."},
    {"logic", F_ENUM, offsetof(struct wf_event_cfg, logic), .dflt = "and", .one_of = "and or",
     .title = "Logic", .help = "Whether all conditions must hold or one."},
    {"conditions", F_LIST, offsetof(struct wf_event_cfg, conditions), .max = CONDITIONS_MAX,
     .sub = condition_fields, .sub_size = sizeof(struct one_condition), .title = "Conditions",
     .help = "About {{ input.data }} of the event; without any all events count."},
    {0},
};

bool trigger_event_is_own(Str name)
{
    for (size_t i = 0; wf_notice_names[i]; i++)
        if (str_eq(name, str_c(wf_notice_names[i])))
            return true;
    return false;
}

/* The rest is told of providers and budgets. */
static bool is_of_runs(Str name)
{
    return str_starts(name, S("run.")) || str_starts(name, S("approval."));
}

static bool is_name(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ')
            return false;
    return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

/* What looks like one of the platform's is one. */
static void check_name(struct wf_check *ck, Str field, Str name)
{
    AUTO_BUF(names, KIB(1));

    if (!is_name(name)) {
        wf_check_problem(ck, field, S("bad_name"),
                         "The name of an event has 1 to %d bytes and no spaces.", NAME_MAX_BYTES);
        return;
    }
    if (trigger_event_is_own(name) || !is_of_runs(name))
        return;
    for (size_t i = 0; wf_notice_names[i]; i++)
        buf_add_fmt(&names, "%s%s", i ? ", " : "", wf_notice_names[i]);
    wf_check_problem(ck, field, S("one_of"),
                     "There is no event \"%.*s\": those of the platform are %.*s.",
                     P(str_head(name, 64)), P(buf_str(&names)));
}

void trigger_event_check(struct wf_check *ck, const struct wf_event_cfg *cfg)
{
    bool runs = false, sent = false;

    for (size_t i = 0; i < json_len(cfg->on); i++) {
        Str name = json_str_of(json_item(cfg->on, i), S(""));
        Str field = str_fmt(ck->a, "event/on/%zu", i);
        check_name(ck, field, name);
        runs = runs || is_of_runs(name);
        sent = sent || !trigger_event_is_own(name);
        for (size_t k = 0; k < i; k++)
            if (str_eq(json_str_of(json_item(cfg->on, k), S("")), name))
                wf_check_problem(ck, field, S("duplicate"), "\"%.*s\" is there twice.",
                                 P(str_head(name, 64)));
    }
    if (cfg->workflow.n && !runs)
        wf_check_problem(ck, S("event/workflow"), S("not_used"),
                         "None of these events belongs to a workflow.");
    if (cfg->key.n && !sent)
        wf_check_problem(ck, S("event/key"), S("not_used"),
                         "The platform's own events have no key.");
    conditions_check(ck, S("event/conditions"), &cfg->conditions);
}
