/* src/llm/alerts.h - what operators are to be told: targets that went down or came back, budgets
 * that are nearly or wholly used up.
 *
 * Whoever notices puts an alert into a queue and goes on; a fiber hands the alerts on, one after
 * the other, to whoever was set (main knows whom: src/wf/notice.h), and tries again while that
 * fails. Each server tells what it noticed itself.
 */
#ifndef LLM_ALERTS_H
#define LLM_ALERTS_H

#include "base/json.h"

enum { LLM_ALERTS_MAX = 1000 }; /* that wait; more are dropped, counted and logged */

struct llm_alerts;

struct llm_alert {
    Id tenant;
    const char *event; /* "provider.down", "provider.up", "budget.warning", "budget.exhausted",
                          "limits.degraded", "limits.restored" */
    Usec at;           /* wall */
    char provider[65], model[257]; /* of the first two; no model: all of it */
    Id key, user, team;            /* of the others: one of them, or none: the tenant's budget */
    const char *per;
    int64_t max, used; /* micro-units */
    char why[200];     /* of limits.degraded */
};

/* @alert as receivers get it. */
struct json *llm_alert_json(struct arena *a, const struct llm_alert *alert);

/* Hand an alert on; an error: try again later. */
typedef Err llm_tell_fn(void *ctx, const struct llm_alert *alert);

struct llm_alerts *llm_alerts_new(void);
/* Copies @alert. Any thread, does not yield. */
void llm_alerts_add(struct llm_alerts *alerts, const struct llm_alert *alert);
/* From now on they are told by @fn, in a fiber of this shard. */
void llm_alerts_begin(struct llm_alerts *alerts, llm_tell_fn *fn, void *ctx);
/* Tell nobody any more; what waits is dropped. */
void llm_alerts_end(struct llm_alerts *alerts) YIELDS;
void llm_alerts_free(struct llm_alerts *alerts) YIELDS;

#endif
