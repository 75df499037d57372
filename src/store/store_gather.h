/* src/store/store_gather.h - starts that are gathered into one run, by key.
 *
 * The first start of a key writes the run: a row that is queued, that nobody holds and that is not
 * due. Others add to it as long as it is open. When its time has come, or it is full, it is closed
 * and the run is due; whoever takes it up reads what was gathered, and deletes it with its first
 * commit. So each start counts once, in one run, wherever nodes die.
 */
#ifndef STORE_STORE_GATHER_H
#define STORE_STORE_GATHER_H

#include "store/store_run.h"

enum gather_kind { GATHER_LAST, GATHER_FIRST, GATHER_ALL };

/* A start that comes. */
struct gather_join {
    const struct run_row *run; /* that comes of it, if it is the first */
    Id gate;
    Str name; /* shown to people */
    enum gather_kind kind;
    Usec delay;         /* GATHER_ALL: from the first start; else from the latest one, */
    Usec max_delay;     /* but no longer than this from the first */
    int64_t size;       /* of GATHER_ALL: so many are enough, */
    int64_t size_bytes; /* or so many bytes */
    Str input;          /* stays until the commit */
    Str key, fingerprint;
    Usec now;
};

struct gathered {
    Id run;
    int64_t n; /* starts, this one too */
    Usec due_at;
    bool closed; /* nobody else joins: the run is due */
};

/* Queue it; db_commit answers E_EXISTS when the key is taken. *ret_cursor has one row for
 * store_gather_joined() then. */
void store_gather_join(struct db_tx *tx, struct arena *a, const struct gather_join *join,
                       struct db_cursor **ret_cursor);
void store_gather_joined(struct db_cursor *c, const struct gather_join *join,
                         struct gathered *ret_gathered);

/* Those that are open and due before @before, the first ones first. */
struct gather_due {
    Id run;
    Usec due_at;
};
typedef VEC(struct gather_due) GatherDues;
Err store_gather_due(struct db *db, struct arena *a, Usec before, int limit, GatherDues *ret_dues)
    YIELDS;
/* Those that began a good while after @now: the clock was set back, and they are due. */
Err store_gather_ahead(struct db *db, struct arena *a, Usec now, int limit, GatherDues *ret_dues)
    YIELDS;
/* Close it, and make its run due. E_CONFLICT: it is not open, or not due at @now (STORE_WAKE_NEVER:
 * whenever it is due). */
Err store_gather_close(struct db *db, struct arena *a, Id run, Usec now) YIELDS;
/* Queue that it is open still; E_CONFLICT otherwise. Whoever closes it waits for this transaction.
 */
void store_gather_expect_open(struct db_tx *tx, Id run);

struct gather_row {
    Id run, gate, tenant, workflow;
    Str name;
    enum gather_kind kind;
    bool is_open;
    int64_t n, bytes;
    Usec first_at, due_at;
};
typedef VEC(struct gather_row) GatherRows;
typedef VEC(Str) GatherInputs;
/* E_NOT_FOUND. */
Err store_gather_get(struct db *db, struct arena *a, Id run, struct gather_row *ret_row) YIELDS;
/* What was gathered, in the order in which it came. */
Err store_gather_inputs(struct db *db, struct arena *a, Id run, GatherInputs *ret_inputs) YIELDS;
/* The open ones of @tenant by gate, @after first. */
Err store_gather_list(struct db *db, struct arena *a, Id tenant, Id after, int limit,
                      GatherRows *ret_rows) YIELDS;
/* Queue that the run has it. */
void store_gather_drop(struct db_tx *tx, Id run);

#endif
