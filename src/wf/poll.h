/* src/wf/poll.h - workflows that begin when something new is there; poll_source.h lists where.
 *
 * A row for each of them says when to look next (store_poll.h); of all nodes one takes it and
 * looks. What is new starts a run in the transaction in which it is noted as done: each counts
 * once, whatever crashes.
 */
#ifndef WF_POLL_H
#define WF_POLL_H

#include "store/store_poll.h"
#include "wf/engine_private.h"

Err polls_new(struct wf_engine *e, struct polls **ret_polls);
void polls_stop(struct polls *p);
bool polls_stopped(struct polls *p);
void polls_free(struct polls *p);

#endif
