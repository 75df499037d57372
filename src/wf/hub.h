/* src/wf/hub.h - tells watchers of a run what was journaled, on whatever shard they are.
 *
 * A watcher subscribes, reads the journal up to now, and then takes messages. Messages are the text
 * that was committed, so a watcher needs no query for what it misses only by time; if it is too
 * slow its queue overflows, it is told so (WF_HUB_LAGGED), and reads the journal again. Live pieces
 * that are not journaled travel the same way. A run without watchers costs one look at a counter.
 */
#ifndef WF_HUB_H
#define WF_HUB_H

#include "base/json.h"
#include "rt/fiber.h"

struct wf_hub;
struct wf_watch;

enum wf_hub_kind {
    WF_HUB_EVENTS, /* a JSON array of events, consecutive */
    WF_HUB_LIVE,   /* one live piece; not journaled */
    WF_HUB_LAGGED, /* messages were dropped */
};

struct wf_hub_message {
    enum wf_hub_kind kind;
    int64_t seq; /* EVENTS: of the first */
    Str event;   /* LIVE: its name */
    Str text;
};

struct wf_hub *wf_hub_new(void);
void wf_hub_free(struct wf_hub *hub);

/* Any shard. Whether somebody watches @run: ask before making a text that only watchers need. */
bool wf_hub_watched(struct wf_hub *hub, Id run);
void wf_hub_publish(struct wf_hub *hub, Id run, enum wf_hub_kind kind, int64_t seq, Str event,
                    Str text);

/* Watch @run from this shard. */
struct wf_watch *wf_watch_new(struct wf_hub *hub, Id run);
/* The next message, valid until the next call. E_TIMEOUT, E_CANCELLED. */
Err wf_watch_next(struct wf_watch *w, Usec deadline, struct wf_hub_message *ret_message) YIELDS;
void wf_watch_free(struct wf_watch *w);
DEFINE_AUTO(wf_watch, wf_watch_free)

#endif
