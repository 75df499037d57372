/* src/wf/poll_source.h - the kinds of triggers that look for something new: a table.
 *
 * A kind is a file of its own: what a definition looks at, and one look. When to look, who of all
 * nodes does, what came of it and how long to wait after a failure is poll.c, for all kinds. To
 * add one: a struct here, a line in poll_sources[] (poll.c), its fields in nodes/.
 */
#ifndef WF_POLL_SOURCE_H
#define WF_POLL_SOURCE_H

#include "store/store_poll.h"
#include "wf/engine_private.h"

/* One look at what a row says, on a fiber of its own, on any shard. */
struct poll_look {
    struct wf_engine *engine;
    const struct poll_source *source;
    struct arena *a;     /* of the whole look: POLL_MEMORY */
    struct poll_row row; /* the look changes .is_first, .cursor, .next_at and .error, which are kept
                          * when it has ended, however it has */
    struct wf_def *def;
    Usec now;  /* wall: when it began */
    Str error; /* that was there before it */
};
enum { POLL_MEMORY = 256 << 20 };

struct poll_source {
    const char *kind; /* also of the trigger, and the origin of its runs */
    const char *noun; /* for logs: "a folder" */
    /* In words what @def looks at: as long as they are the same, what was seen stays. E_INVALID
     * with a detail: it may not be published. */
    Err (*spec)(struct wf_engine *e, struct arena *a, const struct wf_def *def, Str *ret_spec);
    /* Its fiber is shielded; a wait that may be long stands between fiber_unshield() and
     * fiber_shield(), and when it ends with E_CANCELLED, the server stops: that is given, too.
     * Look, start what is new with poll_start, and say in row.next_at when to look again. What is
     * given is a failure of the look as a whole: it is shown, and row.next_at becomes a time that
     * goes by how many there were in a row. */
    Err (*look)(struct poll_look *l) YIELDS;
    Usec pause, pause_max; /* after the first failure; it doubles with each, up to this */
};

extern const struct poll_source poll_file, poll_s3;

/* Something new that is to start a run. */
struct poll_find {
    Str name; /* for who reads errors */
    Str key;  /* the same find has the same, whatever crashes: it starts one run */
    const struct json *input;
    /* Queue that it is done, into the transaction of the run. */
    void (*done)(struct db_tx *tx, void *ctx);
    void *ctx;
};

/* Start a run. OK also for what starts none, now or ever: it is then noted as done. E_RATE_LIMITED:
 * not now, row.next_at is when; end the look. Anything else ends it as a failure. */
Err poll_start(struct poll_look *l, struct arena *a, const struct poll_find *f) YIELDS;
/* Leave the "content" of @input out if it is more than a step may give: the run would fail. */
void poll_fit(const struct poll_look *l, struct arena *a, struct json *input);
/* Note it as done without a run, because of @why, which is shown. */
Err poll_refuse(struct poll_look *l, struct arena *a, const struct poll_find *f, Err why) YIELDS;
/* Show what is wrong with one of the finds; one of them says enough. Whether it is news. */
bool poll_complain(struct poll_look *l, Str name, Err e);

#endif
