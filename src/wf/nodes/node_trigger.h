/* src/wf/nodes/node_trigger.h - the settings of a trigger, for those who start runs. */
#ifndef WF_NODES_NODE_TRIGGER_H
#define WF_NODES_NODE_TRIGGER_H

#include "wf/cron.h"
#include "wf/nodes/trigger_event.h"

struct wf_webhook_cfg {
    Str method; /* "ANY": all of them */
    Str auth;   /* "none", "header", "basic", "bearer", "hmac" */
    Str header, user, secret;
    Str signature_header, timestamp_header;
    Usec tolerance;
    Str respond;                     /* "immediately", "result", "node", "stream" */
    const struct json *stream_nodes; /* whose words are streamed; NULL: of all that speak */
    struct wf_flow_rate rate_limit;
};

struct wf_schedule_cfg {
    Str repeat;   /* "cron", "interval" */
    Str cron;     /* as it was written */
    Usec every;   /* of an interval */
    Str timezone; /* of the IANA */
    Str catch_up; /* "skip", "last", "all" */
    int64_t catch_up_limit;
    Str overlap; /* "allow", "skip" */
    Usec jitter;
    struct wf_cron plan; /* what cron means */
    const struct tz *tz;
};

struct wf_trigger_cfg {
    Str trigger;               /* "manual", "api", "webhook", "schedule", "event", "error" */
    struct json_schema *input; /* NULL: anything */
    struct wf_webhook_cfg webhook;
    struct wf_schedule_cfg schedule;
    struct wf_event_cfg event;
};

/* The trigger's settings; never NULL for a definition that was parsed. */
static inline const struct wf_trigger_cfg *wf_trigger_cfg(const struct wf_def *def)
{
    return def->nodes[def->trigger].settings;
}

static inline bool wf_schedule_is_set(const struct wf_def *def)
{
    return str_eq(wf_trigger_cfg(def)->trigger, S("schedule"));
}

#endif
