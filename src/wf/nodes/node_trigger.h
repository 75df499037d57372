/* src/wf/nodes/node_trigger.h - the settings of a trigger, for those who start runs. */
#ifndef WF_NODES_NODE_TRIGGER_H
#define WF_NODES_NODE_TRIGGER_H

#include "wf/node.h"

struct wf_webhook_cfg {
    Str method; /* "ANY": all of them */
    Str auth;   /* "none", "header", "basic", "bearer", "hmac" */
    Str header, user, secret;
    Str signature_header, timestamp_header;
    Usec tolerance;
    Str respond; /* "immediately", "result" */
};

struct wf_trigger_cfg {
    Str trigger;               /* "manual", "api", "webhook" */
    struct json_schema *input; /* NULL: anything */
    struct wf_webhook_cfg webhook;
};

/* The trigger's settings; never NULL for a definition that was parsed. */
static inline const struct wf_trigger_cfg *wf_trigger_cfg(const struct wf_def *def)
{
    return def->nodes[def->trigger].settings;
}

#endif
