/* src/llm/ledger.c - the record of model calls, written behind their answers. */
#include "llm/ledger.h"

#include "rt/log.h"
#include "rt/metric.h"

#include <stdlib.h>

static const Usec GATHER = 100 * USEC_MS;
static const Usec RETRY = USEC_S;
enum { BATCH_MAX = 1000, BATCH_BYTES = 8 << 20, EXPIRE_MAX = 5000 };

struct entry {
    struct entry *next;
    struct model_call_row row;
    char text[];
};

struct llm_ledger {
    struct db *db;
    Usec retention, bodies_kept;
    uv_mutex_t lock;
    struct entry *first, **last; /* under the lock, as what follows */
    size_t n, bodies;            /* bytes of what was said */
    uint64_t lost;

    struct fiber *writer;
    bool complained;
    bool refused;   /* the store refused a call, and it was told */
    Usec expire_at; /* monotonic */
};

static struct metric unrecorded = {"heddle_model_calls_unrecorded_total",
                                   "Model calls that could not be recorded.", METRIC_COUNTER, NULL};

static struct metric unlogged = {"heddle_model_calls_unlogged_total",
                                 "Model calls whose bodies could not be kept: too many waited.",
                                 METRIC_COUNTER, NULL};

/* ---- the queue ---- */

static Str copy(char **at, Str s)
{
    Str text = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return text;
}

static size_t body_of(const struct model_call_row *row)
{
    return row->request.n + row->answer.n;
}

static struct entry *entry_new(const struct model_call_row *row)
{
    size_t n = row->model.n + row->provider.n + row->upstream_model.n + row->operation.n +
               row->outcome.n + row->agent.n + row->workflow.n + row->step.n + row->user.n +
               row->error.n + row->request_id.n + row->guard.n + row->verdict.n +
               row->guard_reason.n + body_of(row);
    struct entry *e = malloc(sizeof *e + n);

    if (!e)
        DIE("out of memory");
    char *at = e->text;
    e->next = NULL;
    e->row = *row;
    e->row.model = copy(&at, row->model);
    e->row.provider = copy(&at, row->provider);
    e->row.upstream_model = copy(&at, row->upstream_model);
    e->row.operation = copy(&at, row->operation);
    e->row.outcome = copy(&at, row->outcome);
    e->row.agent = copy(&at, row->agent);
    e->row.workflow = copy(&at, row->workflow);
    e->row.step = copy(&at, row->step);
    e->row.user = copy(&at, row->user);
    e->row.error = copy(&at, row->error);
    e->row.request_id = copy(&at, row->request_id);
    e->row.guard = copy(&at, row->guard);
    e->row.verdict = copy(&at, row->verdict);
    e->row.guard_reason = copy(&at, row->guard_reason);
    e->row.request = copy(&at, row->request);
    e->row.answer = copy(&at, row->answer);
    return e;
}

void llm_ledger_add(struct llm_ledger *ledger, const struct model_call_row *row)
{
    struct entry *e = entry_new(row);

    uv_mutex_lock(&ledger->lock);
    bool room = ledger->n < LLM_LEDGER_MAX, all = true;
    if (room && ledger->bodies + body_of(row) > LLM_LEDGER_BODIES_MAX) {
        all = false;
        e->row.request = e->row.answer = S("");
    }
    if (room) {
        ledger->bodies += body_of(&e->row);
        *ledger->last = e;
        ledger->last = &e->next;
        ledger->n++;
    } else {
        ledger->lost++;
    }
    uv_mutex_unlock(&ledger->lock);
    if (!room) {
        free(e);
        metric_add(metric_series(&unrecorded), 1);
    }
    if (!all)
        metric_add(metric_series(&unlogged), 1);
}

/* ---- writing ---- */

/* Queue up to BATCH_MAX of what waits, or so many that bodies are some megabytes; only the writer
 * takes entries away, so they stay. */
/* @ret_full: more may wait. */
static size_t fill(struct llm_ledger *ledger, struct db_tx *tx, bool *ret_full)
{
    size_t n = 0, bytes = 0;

    uv_mutex_lock(&ledger->lock);
    for (struct entry *e = ledger->first; e && n < BATCH_MAX && bytes < BATCH_BYTES;
         e = e->next, n++) {
        store_model_call_insert(tx, &e->row);
        bytes += body_of(&e->row);
    }
    uv_mutex_unlock(&ledger->lock);
    *ret_full = n == BATCH_MAX || bytes >= BATCH_BYTES;
    return n;
}

static void drop(struct llm_ledger *ledger, size_t n)
{
    while (n--) {
        uv_mutex_lock(&ledger->lock);
        struct entry *e = ledger->first;
        ledger->first = e->next;
        if (!ledger->first)
            ledger->last = &ledger->first;
        ledger->n--;
        ledger->bodies -= body_of(&e->row);
        uv_mutex_unlock(&ledger->lock);
        free(e);
    }
}

/* The first that waits, alone: what the store never takes is dropped, so that the others do not
 * wait for it. */
static Err write_first(struct llm_ledger *ledger)
{
    AUTO(arena) *a = arena_new(MIB(16));
    struct db_tx *tx = db_begin(ledger->db, a);

    store_model_call_insert(tx, &ledger->first->row);
    Err e = db_commit(tx);
    if (e != OK && e != E_INVALID)
        return e;
    if (e == E_INVALID) {
        metric_add(metric_series(&unrecorded), 1);
        if (!ledger->refused)
            LOG_ERROR("a model call was not recorded: the store does not take it", L_ERR(e));
        ledger->refused = true;
    }
    drop(ledger, 1);
    return OK;
}

/* One batch. */
static Err write_batch(struct llm_ledger *ledger, bool *ret_full)
{
    AUTO(arena) *a = arena_new(MIB(16));
    struct db_tx *tx = db_begin(ledger->db, a);
    size_t n = fill(ledger, tx, ret_full);

    Err e = n ? db_commit(tx) : OK;
    if (e == E_INVALID) {
        while (n--)
            TRY(write_first(ledger));
        return OK;
    }
    TRY(e);
    drop(ledger, n);
    return OK;
}

static Err write_all(struct llm_ledger *ledger)
{
    bool full;

    do {
        TRY(write_batch(ledger, &full));
    } while (full);
    return OK;
}

static void complain(struct llm_ledger *ledger, Err e)
{
    uv_mutex_lock(&ledger->lock);
    uint64_t lost = ledger->lost;
    ledger->lost = 0;
    uv_mutex_unlock(&ledger->lock);
    if (lost)
        LOG_ERROR("model calls were not recorded: too many wait for the database",
                  L_INT("calls", lost));
    if (e != OK && !ledger->complained)
        LOG_WARN("model calls cannot be recorded now; they wait", L_ERR(e));
    ledger->complained = e != OK;
}

static void expire(struct llm_ledger *ledger)
{
    AUTO(arena) *a = arena_new(KIB(64));
    int64_t n = 0, bodies = 0;
    Usec now = time_wall();
    Err e = OK;

    if (time_mono() < ledger->expire_at)
        return;
    if (ledger->retention)
        e = store_model_call_expire(ledger->db, a, now - ledger->retention, EXPIRE_MAX, &n);
    if (e == OK && ledger->bodies_kept)
        e = store_model_call_body_expire(ledger->db, a, now - ledger->bodies_kept, EXPIRE_MAX,
                                         &bodies);
    n = n > bodies ? n : bodies;
    if (e != OK)
        LOG_WARN("old records of model calls could not be deleted", L_ERR(e));
    ledger->expire_at = usec_in(n == EXPIRE_MAX ? USEC_S : USEC_H);
}

static Err write_on(void *arg)
{
    struct llm_ledger *ledger = arg;
    Usec pause = GATHER;

    while (fiber_sleep(pause) == OK) {
        Err e = write_all(ledger);
        complain(ledger, e);
        expire(ledger);
        pause = e == OK ? GATHER : RETRY;
    }
    return OK;
}

/* ---- life ---- */

struct llm_ledger *llm_ledger_new(struct db *db, Usec retention, Usec bodies)
{
    struct llm_ledger *ledger = calloc(1, sizeof *ledger);

    if (!ledger || uv_mutex_init(&ledger->lock))
        DIE("out of memory");
    ledger->db = db;
    ledger->retention = retention;
    ledger->bodies_kept = bodies;
    ledger->last = &ledger->first;
    ledger->expire_at = usec_in(USEC_MIN);
    ledger->writer = fiber_start_ref("llm.ledger", write_on, ledger);
    return ledger;
}

void llm_ledger_free(struct llm_ledger *ledger)
{
    if (!ledger)
        return;
    fiber_shield();
    fiber_end(ledger->writer);
    Err e = write_all(ledger);
    complain(ledger, e);
    if (ledger->n) {
        LOG_ERROR("model calls were not recorded: the database is away at the end",
                  L_INT("calls", ledger->n));
        metric_add(metric_series(&unrecorded), (int64_t)ledger->n);
    }
    fiber_unshield();
    drop(ledger, ledger->n);
    uv_mutex_destroy(&ledger->lock);
    free(ledger);
}
