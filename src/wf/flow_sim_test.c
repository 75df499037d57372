/* src/wf/flow_sim_test.c - gates by simulation, on both databases: runs come, pass, sleep, return
 * and end in any order, and whoever lets them in may have looked before others changed something.
 *
 *  I7  never more are admitted than the limit
 *  I8  of those of one fair key, who came first is admitted first
 *  I9  while one waits, each other key passes it a bounded number of times (who only waited for
 *      something goes on first); in the end nobody waits
 */
#include "base/test.h"
#include "store/migrate.h"
#include "store/store_run.h"
#include "store/test_store.h"
#include "wf/flow_plan.h"

enum { KEYS = 3, RUNS_MAX = 400, SPARE = 4 };

struct passer {
    Id run;
    int key;
    enum passer_state { OUTSIDE, QUEUED, ADMITTED, ASLEEP, GONE } state;
    bool returned;    /* it slept: it is not where it came in the order any more */
    int ahead;        /* of its own key, when it came: it has its turn after so many rounds */
    int passed[KEYS]; /* by runs of each key that came later, while it was queued */
};

struct gates {
    struct db *db;
    uint64_t state;
    struct flow_gate gate;
    struct passer runs[RUNS_MAX];
    int n;
    Usec now;
    struct flow_look look; /* what was seen a while ago */
    const char *broken;
};

static uint64_t rnd(struct gates *m)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return m->state;
}

static void broken(struct gates *m, const char *what)
{
    if (!m->broken)
        m->broken = what;
}

/* Run @i is admitted: it passes those that wait. */
static void admitted(struct gates *m, int i)
{
    struct passer *r = &m->runs[i];

    if (r->state != QUEUED)
        broken(m, "I7: a run is admitted that does not wait");
    r->state = ADMITTED;
    for (int k = 0; k < m->n; k++) {
        struct passer *other = &m->runs[k];
        if (other->state != QUEUED)
            continue;
        if (other->key == r->key && k < i && !r->returned && !other->returned)
            broken(m, "I8: a run is admitted before one of its key that came first");
        if (k < i && other->key != r->key && !r->returned &&
            ++other->passed[r->key] > other->ahead + SPARE)
            broken(m, "I9: a run that waits is passed again and again");
    }
}

static void check_limit(struct gates *m)
{
    int64_t n = 0;

    for (int i = 0; i < m->n; i++)
        n += m->runs[i].state == ADMITTED;
    if (n > m->gate.concurrency)
        broken(m, "I7: more runs are admitted than the limit");
}

static int queued_of(const struct gates *m, int key)
{
    int n = 0;

    for (int i = 0; i < m->n; i++)
        n += m->runs[i].state == QUEUED && m->runs[i].key == key;
    return n;
}

static Err put_run(struct gates *m, Id id)
{
    struct db_tx *tx = db_begin(m->db, t_arena());
    struct run_row row = {.id = id,
                          .tenant = m->gate.tenant,
                          .workflow = m->gate.tenant,
                          .hash = S("01234567890123456789012345678901"),
                          .origin = S("api"),
                          .created_at = m->now,
                          .lease_node = m->gate.tenant,
                          .lease_epoch = 1};

    store_run_insert(tx, &row);
    return db_commit(tx);
}

static Err come(struct gates *m)
{
    struct passer *r = &m->runs[m->n];
    AUTO(db_cursor) *c = NULL;

    *r = (struct passer){.run = id_new(), .key = (int)(rnd(m) % KEYS), .state = QUEUED};
    r->ahead = queued_of(m, r->key);
    TRY(put_run(m, r->run));
    struct db_tx *tx = db_begin(m->db, t_arena());
    struct flow_entry entry = {
        .run = r->run, .gate = m->gate.id, .rank = m->now, .fair = {{(uint8_t)(r->key + 1)}}};
    store_flow_enter(tx, &m->gate, &entry, m->now, &c);
    TRY(db_commit(tx));
    m->n++;
    if (db_next(c) && db_int(c, 0) == FLOW_ADMITTED)
        admitted(m, m->n - 1);
    return OK;
}

static Err look(struct gates *m)
{
    Err e = store_flow_look(m->db, t_arena(), m->gate.id, 3 + (int)(rnd(m) % 3), &m->look);
    return e == E_NOT_FOUND ? OK : e;
}

/* Let in who there is room for, by what was seen; that may be of long ago. */
static Err let_in(struct gates *m)
{
    struct flow_room room = wf_flow_room(&m->look, m->now);

    if (!room.n)
        return OK;
    Err e = store_flow_admit(m->db, t_arena(), &m->look, room.n, room.throttle_at, m->now);
    if (e == E_CONFLICT)
        return OK;
    TRY(e);
    for (size_t i = 0; i < room.n; i++)
        for (int k = 0; k < m->n; k++)
            if (id_eq(m->runs[k].run, m->look.next[i].run))
                admitted(m, k);
    return OK;
}

/* One of those in @state does what it does; nothing happens if there is none. */
static Err change(struct gates *m, int state, void (*fn)(struct db_tx *tx, Id run),
                  enum passer_state to)
{
    int picked = -1, n = 0;

    for (int i = 0; i < m->n; i++)
        if ((int)m->runs[i].state == state && rnd(m) % (uint64_t)++n == 0)
            picked = i;
    if (picked < 0)
        return OK;
    struct db_tx *tx = db_begin(m->db, t_arena());
    fn(tx, m->runs[picked].run);
    TRY(db_commit(tx));
    m->runs[picked].returned |= to == QUEUED;
    m->runs[picked].ahead = queued_of(m, m->runs[picked].key);
    memset(m->runs[picked].passed, 0, sizeof m->runs[picked].passed);
    m->runs[picked].state = to;
    return OK;
}

static Err turn(struct gates *m, bool comes)
{
    m->now += 1000;
    switch (rnd(m) % 8) {
    case 0:
    case 1:
        /* A place that is free is given before somebody comes: the pump is told at once. */
        m->look.n = 0;
        TRY(look(m));
        TRY(let_in(m));
        return comes && m->n < RUNS_MAX ? come(m) : OK;
    case 2:
        return look(m);
    case 3:
        return let_in(m);
    case 4:
    case 5:
        TRY(look(m));
        return let_in(m);
    case 6:
        return change(m, ADMITTED, store_flow_leave, GONE);
    default:
        return rnd(m) % 3   ? change(m, ADMITTED, store_flow_leave, GONE)
               : rnd(m) % 2 ? change(m, ADMITTED, store_flow_sleep, ASLEEP)
                            : change(m, ASLEEP, store_flow_return, QUEUED);
    }
}

static int left(const struct gates *m)
{
    int n = 0;

    for (int i = 0; i < m->n; i++)
        n += m->runs[i].state != GONE;
    return n;
}

static const char *simulate(struct gates *m, uint64_t seed)
{
    m->state = seed * 0x9e3779b97f4a7c15u + 1;
    m->n = 0;
    m->look = (struct flow_look){0};
    m->gate = (struct flow_gate){.id = id_new(),
                                 .tenant = id_new(),
                                 .name = S("g"),
                                 .concurrency = 1 + (int64_t)(rnd(m) % 3)};
    for (int i = 0; i < 3000 && (i < 120 || left(m)) && !m->broken; i++) {
        if (turn(m, i < 120) != OK)
            broken(m, err_client_text(err_record()->code));
        check_limit(m);
    }
    if (left(m))
        broken(m, "I9: some wait for ever");
    return m->broken;
}

DB_TEST(gates_keep_their_promises_whatever_comes_in_whatever_order)
{
    struct gates *m = arena_new_of(t_arena(), struct gates);

    m->db = db;
    m->now = 1700000000 * USEC_S;
    t_expect_ok(db_migrate(db, migrations));
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const char *wrong = simulate(m, seed);
        if (wrong)
            t_fail(__FILE__, __LINE__, "seed %d: %s", (int)seed, wrong);
        if (wrong)
            return;
    }
}
