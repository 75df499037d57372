/* src/wf/nodes/trigger_event.h - the settings of a trigger that waits for events. */
#ifndef WF_NODES_TRIGGER_EVENT_H
#define WF_NODES_TRIGGER_EVENT_H

#include "wf/nodes/conditions.h"

struct wf_event_cfg {
    const struct json *on; /* names */
    Str workflow;          /* id or name; empty: of all */
    Str key;               /* of events that were sent; empty: any */
    Str logic;             /* "and", "or" */
    struct wf_list conditions;
};

extern const struct field trigger_event_fields[];
void trigger_event_check(struct wf_check *ck, const struct wf_event_cfg *cfg);
/* Whether @name is one of the platform's own events (wf/notice.h). */
bool trigger_event_is_own(Str name);

#endif
