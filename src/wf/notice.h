/* src/wf/notice.h - other systems are told of what happens to runs: subscriptions, and signed
 * deliveries to them.
 *
 * What is told is written by the transaction in which it happens, so nothing is told that was not
 * so, and nothing that was is left out. It is sent at least once, with the same id each time, as
 * standardwebhooks.com has it.
 */
#ifndef WF_NOTICE_H
#define WF_NOTICE_H

#include "store/store_subscription.h"

struct json;
struct wf_engine;

/* The names of all that can be told, ends with NULL. */
extern const char *const wf_notice_names[];

/* Tell of something that is of no run. @data: "data" of the event. */
Err wf_notice_tell(struct wf_engine *e, struct arena *a, Id tenant, const char *event, Usec at,
                   const struct json *data) YIELDS;
/* The fields of @row that callers give are checked: E_INVALID, E_EGRESS with details. Fills the
 * others; *ret_secret is the signing secret (in @a), a new one if row->secret was empty. */
Err wf_subscription_create(struct wf_engine *e, struct arena *a, struct subscription_row *row,
                           Str *ret_secret) YIELDS;
/* @row as it was read, with changes; its secret is sealed. @rotate: *ret_secret is a new one. */
Err wf_subscription_update(struct wf_engine *e, struct arena *a, struct subscription_row *row,
                           bool rotate, Str *ret_secret) YIELDS;
Err wf_subscription_delete(struct wf_engine *e, struct arena *a, Id tenant, Id id) YIELDS;
/* Send a delivery that only says "test"; gives its id. */
Err wf_subscription_test(struct wf_engine *e, struct arena *a, const struct subscription_row *row,
                         Id *ret_delivery) YIELDS;
/* Send a delivery once more. E_NOT_FOUND, E_CONFLICT. */
Err wf_delivery_again(struct wf_engine *e, struct arena *a, Id subscription, Id id) YIELDS;

#endif
