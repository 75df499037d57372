/* src/wf/nodes/node_trigger.h - the settings of a trigger, for those who start runs. */
#ifndef WF_NODES_NODE_TRIGGER_H
#define WF_NODES_NODE_TRIGGER_H

#include "wf/cron.h"
#include "wf/form.h"
#include "wf/nodes/trigger_email.h"
#include "wf/nodes/trigger_event.h"
#include "wf/nodes/trigger_file.h"
#include "wf/nodes/trigger_s3.h"

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

struct wf_form_cfg {
    Str title, description, button;
    Str auth; /* "none", "basic" */
    Str user, secret;
    Str respond; /* "thanks", "result", "redirect" */
    Str thanks_title, thanks;
    Str redirect, redirect_origin;
    struct wf_flow_rate rate_limit;
    FormFields fields; /* what the input asks for */
};

struct wf_chat_cfg {
    Str title, greeting;
    Str auth; /* "none", "basic", "bearer" */
    Str user, secret;
    int64_t history; /* messages */
    Usec keep;
    struct wf_flow_rate rate_limit;
};

struct wf_trigger_cfg {
    Str trigger;               /* one of the kinds that node_trigger.c lists */
    struct json_schema *input; /* NULL: anything */
    struct wf_webhook_cfg webhook;
    struct wf_schedule_cfg schedule;
    struct wf_event_cfg event;
    struct wf_form_cfg form;
    struct wf_chat_cfg chat;
    struct wf_file_cfg file;
    struct wf_s3_cfg s3;
    struct wf_email_cfg email;
};

/* form_trigger.c: the settings of a form; what they and @input, the schema, mean together. */
extern const struct field wf_form_settings[];
void wf_form_check(struct wf_check *ck, struct wf_form_cfg *cfg, const struct json *input);

/* The trigger's settings; never NULL for a definition that was parsed. */
static inline const struct wf_trigger_cfg *wf_trigger_cfg(const struct wf_def *def)
{
    return def->nodes[def->trigger].settings;
}

/* chat_trigger.c: the settings of a chat. */
extern const struct field wf_chat_settings[];
void wf_chat_check(struct wf_check *ck, const struct wf_chat_cfg *cfg);

static inline bool wf_chat_is_set(const struct wf_def *def)
{
    return str_eq(wf_trigger_cfg(def)->trigger, S("chat"));
}

static inline bool wf_form_is_set(const struct wf_def *def)
{
    return str_eq(wf_trigger_cfg(def)->trigger, S("form"));
}

static inline bool wf_schedule_is_set(const struct wf_def *def)
{
    return str_eq(wf_trigger_cfg(def)->trigger, S("schedule"));
}

#endif
