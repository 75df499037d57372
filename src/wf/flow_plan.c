/* src/wf/flow_plan.c - see flow_plan.h. */
#include "wf/flow_plan.h"

const struct field wf_rate_fields[] = {
    {"limit", F_INT, offsetof(struct wf_flow_rate, limit), .required = true, .min = 1,
     .max = 1000000, .title = "Runs"},
    {"per", F_USEC, offsetof(struct wf_flow_rate, per), .required = true, .min = 0.001,
     .max = 31.0 * 86400, .title = "In"},
    {"burst", F_INT, offsetof(struct wf_flow_rate, burst), .dflt = "0", .min = 0, .max = 1000000,
     .title = "At once", .help = "How many may come at once after a pause."},
    {0},
};

static const struct field debounce_fields[] = {
    {"delay", F_USEC, offsetof(struct wf_flow_debounce, delay), .required = true, .min = 0.01,
     .max = 7.0 * 86400, .title = "Quiet for",
     .help = "The run starts when no other start came for so long."},
    {"max_delay", F_USEC, offsetof(struct wf_flow_debounce, max_delay), .min = 0.01,
     .max = 31.0 * 86400, .title = "At most",
     .help = "It starts so long after the first at the latest; 10 times the "
             "delay if nothing is said."},
    {"mode", F_ENUM, offsetof(struct wf_flow_debounce, mode), .dflt = "trailing",
     .one_of = "trailing leading", .title = "Input",
     .help = "Whether the run gets the last input or the first."},
    {0},
};

static const struct field batch_fields[] = {
    {"size", F_INT, offsetof(struct wf_flow_batch, size), .required = true, .min = 2, .max = 10000,
     .title = "Starts", .help = "So many inputs make a run."},
    {"timeout", F_USEC, offsetof(struct wf_flow_batch, timeout), .required = true, .min = 0.01,
     .max = 7.0 * 86400, .title = "At most",
     .help = "The run starts so long after the first with those that came."},
    {0},
};

const struct field wf_flow_fields[] = {
    {"key", F_TEMPLATE, offsetof(struct wf_flow, key), .title = "Key",
     .help = "Limits hold for the runs of each value of it; without one for all runs."},
    {"pool", F_STR, offsetof(struct wf_flow, pool), .max = 64, .title = "Pool",
     .help = "Workflows that name the same pool share its limits."},
    {"concurrency", F_INT, offsetof(struct wf_flow, concurrency), .dflt = "0", .min = 0,
     .max = 100000, .title = "At once", .help = "Runs that may be under way; the others wait."},
    {"throttle", F_OBJECT, offsetof(struct wf_flow, throttle), .sub = wf_rate_fields,
     .title = "Throttle", .help = "How fast runs begin; the others wait."},
    {"rate_limit", F_OBJECT, offsetof(struct wf_flow, rate_limit), .sub = wf_rate_fields,
     .title = "Rate limit", .help = "How fast runs are accepted; the others are refused."},
    {"singleton", F_ENUM, offsetof(struct wf_flow, singleton), .dflt = "off",
     .one_of = "off skip cancel", .title = "One at a time",
     .help = "While a run is under way: refuse the new one, or cancel the old one."},
    {"debounce", F_OBJECT, offsetof(struct wf_flow, debounce), .sub = debounce_fields,
     .title = "Debounce", .help = "Starts that follow each other closely become one run."},
    {"batch", F_OBJECT, offsetof(struct wf_flow, batch), .sub = batch_fields, .title = "Batch",
     .help = "Starts are gathered, and one run gets the list of their inputs."},
    {"priority", F_VALUE, offsetof(struct wf_flow, priority), .title = "Priority",
     .help = "Seconds by which a run goes before others that came at the same time."},
    {"fair", F_TEMPLATE, offsetof(struct wf_flow, fair), .title = "Fair by",
     .help = "Those that wait take turns by this value."},
    {0},
};

bool wf_flow_limits(const struct wf_flow *f)
{
    return f->concurrency || f->throttle.limit || f->rate_limit.limit ||
           str_eq(f->singleton, S("skip")) || str_eq(f->singleton, S("cancel"));
}

bool wf_flow_gathers(const struct wf_flow *f)
{
    return f->debounce.delay || f->batch.size;
}

const char *wf_flow_fault(const struct wf_flow *f, const char **ret_field)
{
    if (f->debounce.delay && f->batch.size) {
        *ret_field = "batch";
        return "\"debounce\" and \"batch\" do not go together: take one of them.";
    }
    if (f->debounce.max_delay && f->debounce.max_delay < f->debounce.delay) {
        *ret_field = "debounce/max_delay";
        return "\"max_delay\" is the longest that starts are put off: it cannot be shorter than "
               "\"delay\".";
    }
    if (wf_flow_gathers(f) && f->rate_limit.limit) {
        *ret_field = "rate_limit";
        return "\"rate_limit\" refuses starts and cannot be used where they are gathered: take "
               "\"throttle\", which lets the runs that come of them wait.";
    }
    if (wf_flow_gathers(f) && str_eq(f->singleton, S("skip"))) {
        *ret_field = "singleton";
        return "\"skip\" refuses starts and cannot be used where they are gathered: take "
               "\"concurrency\": 1.";
    }
    return NULL;
}

Usec wf_flow_gap(const struct wf_flow_rate *rate)
{
    return rate->limit ? usec_max(rate->per / rate->limit, 1) : 0;
}

Usec wf_flow_slack(const struct wf_flow_rate *rate)
{
    return rate->burst > 1 ? wf_flow_gap(rate) * (rate->burst - 1) : 0;
}

Usec wf_flow_clock(Usec at, Usec now, Usec gap, Usec slack)
{
    return at > now + slack + gap + FLOW_CLOCK_SLACK ? now : at;
}

struct flow_room wf_flow_room(const struct flow_look *look, Usec now)
{
    const struct flow_gate *g = &look->gate;
    Usec at = wf_flow_clock(g->throttle_at, now, g->throttle_gap, g->throttle_slack);
    struct flow_room room = {.throttle_at = g->throttle_at};
    size_t max = look->n;

    if (g->concurrency) {
        int64_t places = g->concurrency > look->admitted ? g->concurrency - look->admitted : 0;
        max = (size_t)places < max ? (size_t)places : max;
    }
    if (!g->throttle_gap) {
        room.n = max;
        return room;
    }
    while (room.n < max && at <= now + g->throttle_slack) {
        at = usec_max(at, now) + g->throttle_gap;
        room.n++;
    }
    if (room.n)
        room.throttle_at = at;
    if (room.n < max)
        room.next_at = at - g->throttle_slack;
    return room;
}
