/* src/store/store_flow.c - gates, and the runs before and in them. */
#include "store/store_flow.h"

#include "store/store_wait.h"

/* used_at has an index and a day's patience (flow.c): it is moved by the hour, or each run that
 * passes would write to that index. */
#define USED_AT(now)                                                                               \
    "used_at = CASE WHEN flow_gate.used_at < " now " - 3600000000 THEN " now                       \
    " ELSE flow_gate.used_at END"

/* Also the lock under which the runs of the gate are counted. */
static void meet_gate(struct db_tx *tx, const struct flow_gate *g, Usec now)
{
    static const char sql[] =
        "INSERT INTO flow_gate (id, tenant_id, name, concurrency, throttle_gap, throttle_slack,"
        " throttle_at, rate_at, turn, used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, ?7)"
        " ON CONFLICT (id) DO UPDATE SET concurrency = excluded.concurrency,"
        " throttle_gap = excluded.throttle_gap, throttle_slack = excluded.throttle_slack,"
        " " USED_AT("excluded.used_at");

    db_exec(tx, sql,
            DB_ARGS(D_ID(g->id), D_ID(g->tenant), D_TEXT(g->name), D_INT(g->concurrency),
                    D_INT(g->throttle_gap), D_INT(g->throttle_slack), D_INT(now)));
}

#define IN_STATE(s) "FROM flow_run q WHERE q.gate_id = ?2 AND q.state = " #s
#define ENTER(turn)                                                                                \
    "INSERT INTO flow_run (run_id, gate_id, state, turn, rank, fair) SELECT ?1, ?2,"               \
    " CASE WHEN g.throttle_gap = 0 AND NOT EXISTS (SELECT 1 " IN_STATE(                            \
        0) ") AND"                                                                                 \
           " (g.concurrency = 0 OR (SELECT COUNT(*) " IN_STATE(                                    \
               1) ") < g.concurrency) THEN 1 ELSE 0 END,"                                          \
                  " " turn ", ?3, ?4 FROM flow_gate g WHERE g.id = ?2 RETURNING state"

void store_flow_enter(struct db_tx *tx, const struct flow_gate *gate,
                      const struct flow_entry *entry, Usec now, struct db_cursor **ret_cursor)
{
    /* A time further ahead than the rate can put it was written by another rate, or before the
     * clock was set back: from now on then. */
    static const char rate[] =
        "UPDATE flow_gate SET rate_at = CASE WHEN rate_at > ?2 AND rate_at <= ?5 THEN rate_at ELSE"
        " ?2 END + ?3 WHERE id = ?1 AND (rate_at <= ?4 OR rate_at > ?5)";
    static const char replace[] =
        "UPDATE run SET cancel_requested = 1, wake_at = CASE WHEN wake_at IS NULL THEN NULL ELSE 0"
        " END WHERE finished_at IS NULL AND id IN (SELECT run_id FROM flow_run WHERE gate_id = ?1)";
    static const char alone[] = "UPDATE flow_gate SET used_at = ?2 WHERE id = ?1 AND NOT EXISTS"
                                " (SELECT 1 FROM flow_run WHERE gate_id = ?1)";
    /* Behind the last of its key, be that before the gate or in it: who always has just one run
     * there would pass those who have many else. */
    static const char in_turn[] =
        ENTER("COALESCE((SELECT CASE WHEN q.turn + 1 > g.turn THEN q.turn + 1 ELSE g.turn END"
              " FROM flow_run q WHERE q.gate_id = ?2 AND q.fair = ?4 AND q.state <> 2"
              " ORDER BY q.turn DESC LIMIT 1), g.turn)");
    static const char in_order[] = ENTER("g.turn");

    meet_gate(tx, gate, now);
    if (entry->alone)
        db_exec_expect(tx, 1, alone, DB_ARGS(D_ID(gate->id), D_INT(now)));
    if (entry->rate_gap)
        db_exec_expect(
            tx, 1, rate,
            DB_ARGS(D_ID(gate->id), D_INT(now), D_INT(entry->rate_gap),
                    D_INT(now + entry->rate_slack),
                    D_INT(now + entry->rate_slack + entry->rate_gap + FLOW_CLOCK_SLACK)));
    if (entry->replaces)
        db_exec(tx, replace, DB_ARGS(D_ID(gate->id)));
    db_exec_returning(
        tx, id_is_none(entry->fair) ? in_order : in_turn,
        DB_ARGS(D_ID(entry->run), D_ID(gate->id), D_INT(entry->rank), D_ID(entry->fair)),
        ret_cursor);
}

void store_flow_sleep(struct db_tx *tx, Id run)
{
    db_exec(tx, "UPDATE flow_run SET state = 2 WHERE run_id = ?1", DB_ARGS(D_ID(run)));
}

void store_flow_return(struct db_tx *tx, Id run)
{
    db_exec(tx,
            "UPDATE flow_run SET state = 0, turn = (SELECT g.turn FROM flow_gate g WHERE g.id ="
            " flow_run.gate_id) WHERE run_id = ?1",
            DB_ARGS(D_ID(run)));
}

void store_flow_leave(struct db_tx *tx, Id run)
{
    db_exec(tx, "DELETE FROM flow_run WHERE run_id = ?1", DB_ARGS(D_ID(run)));
}

Err store_flow_state_of(struct db *db, struct arena *a, Id run, enum flow_state *ret_state,
                        int64_t *ret_mail)
{
    static const char sql[] = "SELECT r.mail, f.state FROM run r LEFT JOIN flow_run f ON f.run_id ="
                              " r.id WHERE r.id = ?1";
    AUTO(db_cursor) *c = NULL;

    *ret_mail = 0;
    *ret_state = FLOW_ADMITTED;
    TRY(db_query(db, a, sql, DB_ARGS(D_ID(run)), &c));
    if (db_next(c)) {
        *ret_mail = db_int(c, 0);
        if (!db_is_null(c, 1))
            *ret_state = (enum flow_state)db_int(c, 1);
    }
    return db_finish(c);
}

/* ---- looking and admitting ---- */

#define GATE_COLUMNS                                                                               \
    "g.id, g.tenant_id, g.name, g.concurrency, g.throttle_gap, g.throttle_slack, g.throttle_at,"   \
    " g.rate_at, g.turn, (SELECT COUNT(*) FROM flow_run q WHERE q.gate_id = g.id AND q.state = 1)"

static void read_gate(struct db_cursor *c, struct flow_look *look)
{
    look->gate = (struct flow_gate){
        .id = db_id(c, 0),
        .tenant = db_id(c, 1),
        .name = db_text(c, 2),
        .concurrency = db_int(c, 3),
        .throttle_gap = db_usec(c, 4),
        .throttle_slack = db_usec(c, 5),
        .throttle_at = db_usec(c, 6),
        .rate_at = db_usec(c, 7),
        .turn = db_int(c, 8),
    };
    look->admitted = db_int(c, 9);
}

static Err read_next(struct db *db, struct arena *a, int limit, struct flow_look *look)
{
    static const char sql[] = "SELECT run_id, turn FROM flow_run WHERE gate_id = ?1 AND state = 0"
                              " ORDER BY turn, rank, run_id LIMIT ?2";
    AUTO(db_cursor) *c = NULL;

    look->next = arena_array(a, struct flow_waiting, limit);
    TRY(db_query(db, a, sql, DB_ARGS(D_ID(look->gate.id), D_INT(limit)), &c));
    while (db_next(c))
        look->next[look->n++] = (struct flow_waiting){db_id(c, 0), db_int(c, 1)};
    return db_finish(c);
}

Err store_flow_look(struct db *db, struct arena *a, Id gate, int limit, struct flow_look *ret_look)
{
    struct flow_look look = {0};
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT " GATE_COLUMNS " FROM flow_gate g WHERE g.id = ?1",
                 DB_ARGS(D_ID(gate)), &c));
    bool found = db_next(c);
    if (found)
        read_gate(c, &look);
    TRY(db_finish(c));
    if (!found)
        return err_set(E_NOT_FOUND, "there is no such gate");
    TRY(read_next(db, a, limit, &look));
    *ret_look = look;
    return OK;
}

Err store_flow_admit(struct db *db, struct arena *a, const struct flow_look *look, size_t n,
                     Usec throttle_at, Usec now)
{
    static const char lock[] = "UPDATE flow_gate SET throttle_at = ?3, turn = ?4, " USED_AT(
        "?5") " WHERE id = ?1 AND throttle_at = ?2";
    static const char admit[] = "UPDATE flow_run SET state = 1 WHERE run_id = ?1 AND state = 0 AND"
                                " (SELECT COUNT(*) " IN_STATE(1) ") < ?3";
    const struct flow_gate *g = &look->gate;
    struct db_tx *tx = db_begin(db, a);
    int64_t turn = g->turn, most = g->concurrency ? g->concurrency : INT64_MAX;

    for (size_t i = 0; i < n; i++)
        turn = look->next[i].turn > turn ? look->next[i].turn : turn;
    db_exec_expect(
        tx, 1, lock,
        DB_ARGS(D_ID(g->id), D_INT(g->throttle_at), D_INT(throttle_at), D_INT(turn), D_INT(now)));
    for (size_t i = 0; i < n; i++) {
        db_exec_expect(tx, 1, admit, DB_ARGS(D_ID(look->next[i].run), D_ID(g->id), D_INT(most)));
        store_mail_put(tx, look->next[i].run);
    }
    return db_commit(tx);
}

static Err read_ids(struct db_cursor *c, struct arena *a, FlowGates *ret_ids)
{
    FlowGates ids = {0};

    while (db_next(c))
        vec_push(a, &ids, db_id(c, 0));
    *ret_ids = ids;
    return db_finish(c);
}

Err store_flow_waiting(struct db *db, struct arena *a, Id after, int limit, FlowGates *ret_gates)
{
    static const char sql[] = "SELECT g.id FROM flow_gate g WHERE g.id > ?1 AND EXISTS (SELECT 1"
                              " FROM flow_run q WHERE q.gate_id = g.id AND q.state = 0)"
                              " ORDER BY g.id LIMIT ?2";
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(after), D_INT(limit)), &c));
    return read_ids(c, a, ret_gates);
}

Err store_flow_is_used(struct db *db, struct arena *a, Id gate, bool *ret_is)
{
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, "SELECT 1 FROM flow_run WHERE gate_id = ?1 LIMIT 1", DB_ARGS(D_ID(gate)),
                 &c));
    *ret_is = db_next(c);
    return db_finish(c);
}

Err store_flow_list(struct db *db, struct arena *a, Id tenant, Id after, int limit,
                    FlowLooks *ret_looks)
{
    static const char sql[] =
        "SELECT " GATE_COLUMNS ", (SELECT COUNT(*) FROM flow_run q WHERE q.gate_id = g.id AND"
        " q.state = 0) FROM flow_gate g WHERE g.tenant_id = ?1 AND g.id > ?2 AND EXISTS (SELECT 1"
        " FROM flow_run q WHERE q.gate_id = g.id) ORDER BY g.id LIMIT ?3";
    AUTO(db_cursor) *c = NULL;
    FlowLooks looks = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(tenant), D_ID(after), D_INT(limit)), &c));
    while (db_next(c)) {
        struct flow_look *look = vec_add(a, &looks);
        *look = (struct flow_look){.queued = db_int(c, 10)};
        read_gate(c, look);
    }
    TRY(db_finish(c));
    *ret_looks = looks;
    return OK;
}

Err store_flow_expire(struct db *db, struct arena *a, Usec before, int limit)
{
    static const char find[] =
        "SELECT f.run_id FROM flow_run f LEFT JOIN run r ON r.id = f.run_id WHERE r.id IS NULL OR"
        " r.finished_at IS NOT NULL LIMIT ?1";
    static const char drop[] =
        "DELETE FROM flow_gate WHERE id IN (SELECT g.id FROM flow_gate g WHERE g.used_at < ?1"
        " AND g.rate_at < ?3 AND g.throttle_at < ?3 LIMIT ?2) AND used_at < ?1 AND NOT EXISTS "
        "(SELECT 1 FROM flow_run q WHERE"
        " q.gate_id = flow_gate.id)";
    AUTO(db_cursor) *c = NULL;
    FlowGates runs = {0};

    TRY(db_query(db, a, find, DB_ARGS(D_INT(limit)), &c));
    TRY(read_ids(c, a, &runs));
    struct db_tx *tx = db_begin(db, a);
    vec_each(&runs, run)
        store_flow_leave(tx, *run);
    db_exec(tx, drop, DB_ARGS(D_INT(before), D_INT(limit), D_INT(time_wall())));
    return db_commit(tx);
}
