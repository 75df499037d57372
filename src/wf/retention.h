/* src/wf/retention.h - how long runs that have ended are kept: what a workflow says
 * (settings.retention), else its tenant, else whoever runs the server.
 */
#ifndef WF_RETENTION_H
#define WF_RETENTION_H

#include "store/store_retention.h"
#include "wf/node.h"

/* As it stands in a definition. 0: not said. */
struct wf_retention_cfg {
    Usec age;
    int64_t count;
    struct retention_rule succeeded, failed, cancelled;
};
extern const struct field wf_retention_fields[];

/* What is said, for each outcome. */
struct retention wf_retention_rules(const struct wf_retention_cfg *cfg);
bool wf_retention_is_set(const struct retention *rules);
/* The rules of the operator: a default, and an age that nothing is kept beyond. */
struct wf_retention_base {
    struct retention_rule usual; /* 0: for ever, all of them */
    Usec max_age;                /* 0: none */
};
/* What counts for the runs of a workflow. */
struct retention wf_retention_of(const struct wf_retention_base *base,
                                 const struct retention *of_tenant, const struct retention *own);
/* {"succeeded": {"age", "count"}, "failed", "cancelled"}; null: no limit. */
struct json *wf_retention_json(struct arena *a, const struct retention *rules);

#endif
