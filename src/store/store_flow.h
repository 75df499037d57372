/* src/store/store_flow.h - gates that runs pass: how many may be under way at once, and how fast.
 *
 * A gate is what the runs of one key have in common. A run stands before it (queued), is in it
 * (admitted), or waits for something else meanwhile and holds no place (asleep); its row goes when
 * it ends. Who changes how many are admitted locks the gate's row first and counts inside the same
 * transaction: however many nodes let runs in, there are never more than the limit.
 */
#ifndef STORE_STORE_FLOW_H
#define STORE_STORE_FLOW_H

#include "store/db.h"

/* A clock may be set back by so much without being noticed. */
static const Usec FLOW_CLOCK_SLACK = 5 * USEC_S;

enum flow_state { FLOW_QUEUED, FLOW_ADMITTED, FLOW_ASLEEP };

struct flow_gate {
    Id id, tenant;
    Str name;            /* shown to people: the key, and of which workflow or pool */
    int64_t concurrency; /* 0: no limit */
    /* One run each gap (usec); slack is by how much it may be ahead. gap 0: no limit. */
    Usec throttle_gap, throttle_slack;
    Usec throttle_at; /* wall: when the next one is in time */
    Usec rate_at;     /* likewise, of the runs that are accepted */
    int64_t turn;     /* of whom was admitted last */
};

/* A run that comes to a gate. */
struct flow_entry {
    Id run, gate;
    Id fair;       /* whose turns it takes part in */
    Usec rank;     /* wall: who comes first within a turn */
    bool replaces; /* ask all others of the gate to stop */
    bool alone;    /* refuse it (E_CONFLICT) while another of the gate has not ended */
    /* Refuse it (E_CONFLICT) when runs come faster than one each rate_gap with rate_slack to spare.
     * 0: no limit. */
    Usec rate_gap, rate_slack;
};

/* Queue: make the gate known with its present limits, and put the run before it. It is admitted at
 * once when there is room, nobody waits and nothing but the number is limited:
 * *ret_cursor has one row with its enum flow_state after the commit. */
void store_flow_enter(struct db_tx *tx, const struct flow_gate *gate,
                      const struct flow_entry *entry, Usec now, struct db_cursor **ret_cursor);
/* Queue: it waits for something else, and gives its place back; back before the gate. */
void store_flow_sleep(struct db_tx *tx, Id run);
void store_flow_return(struct db_tx *tx, Id run);
/* Queue: it has ended. */
void store_flow_leave(struct db_tx *tx, Id run);

/* FLOW_ADMITTED if there is no such row: nothing holds it. *ret_mail: the run's mark
 * (store_wait.h).
 */
Err store_flow_state_of(struct db *db, struct arena *a, Id run, enum flow_state *ret_state,
                        int64_t *ret_mail) YIELDS;

struct flow_look {
    struct flow_gate gate;
    int64_t admitted, queued;
    struct flow_waiting {
        Id run;
        int64_t turn;
    } * next; /* the first @n of those that are queued, in order */
    size_t n;
};
/* E_NOT_FOUND. */
Err store_flow_look(struct db *db, struct arena *a, Id gate, int limit, struct flow_look *ret_look)
    YIELDS;
/* Admit the first @n of @look, and note that the throttle stands at @throttle_at then. E_CONFLICT:
 * it has changed meanwhile, look again. */
Err store_flow_admit(struct db *db, struct arena *a, const struct flow_look *look, size_t n,
                     Usec throttle_at, Usec now) YIELDS;

/* Gates with runs before them, @after first. */
typedef VEC(Id) FlowGates;
Err store_flow_waiting(struct db *db, struct arena *a, Id after, int limit, FlowGates *ret_gates)
    YIELDS;
/* Whether there is a run of the gate that has not ended. */
Err store_flow_is_used(struct db *db, struct arena *a, Id gate, bool *ret_is) YIELDS;

typedef VEC(struct flow_look) FlowLooks;
/* The gates of a tenant with their numbers, those with runs; @after first. */
Err store_flow_list(struct db *db, struct arena *a, Id tenant, Id after, int limit,
                    FlowLooks *ret_looks) YIELDS;
/* Delete gates that nobody uses since @before, and rows of runs that have ended. */
Err store_flow_expire(struct db *db, struct arena *a, Usec before, int limit) YIELDS;

#endif
