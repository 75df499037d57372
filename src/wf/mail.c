/* src/wf/mail.c - see mail.h: the fiber that takes folders nobody reads, and those that read. */
#include "wf/mail.h"

#include "rt/log.h"
#include "rt/metric.h"

#include <stdlib.h>

static const Usec TICK = USEC_S;
enum { BOXES_MAX = 2000, AT_ONCE = 50, BOX_MEMORY = 1 << 20 };

static struct metric boxes_gauge = {"heddle_mailboxes", "Folders of mails that this node reads.",
                                    METRIC_GAUGE, NULL};

/* One that is read, on any shard. */
struct reader {
    struct mails *m;
    struct reader *next;
    struct shard *shard;
    struct fiber *fiber; /* on @shard; NULL: it has not begun, or has ended */
    struct mailbox box;
    Id workflow;
    atomic_int refs; /* of the list, of messages */
};

struct mails {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct bell bell;
    bool failing;
    struct reader *readers; /* on @shard */
    int n_readers;
    atomic_int busy; /* readers and messages to @shard under way */
    unsigned next_shard;
};

static void release(struct reader *r)
{
    if (atomic_fetch_sub(&r->refs, 1) > 1)
        return;
    arena_free(r->box.a);
    free(r);
}

/* ---- on the shard of a reader ---- */

static void ended(void *arg);

static Err read_fiber(void *arg)
{
    struct reader *r = arg;

    mailbox_read(&r->box);
    fiber_unref(r->fiber);
    r->fiber = NULL;
    shard_post(r->m->shard, ended, r);
    return OK;
}

static void begin_here(void *arg)
{
    struct reader *r = arg;
    r->fiber = fiber_start_ref("mailbox", read_fiber, r);
}

static void stop_here(void *arg)
{
    struct reader *r = arg;
    if (r->fiber)
        fiber_cancel(r->fiber);
    release(r);
}

static void poke_here(void *arg)
{
    struct reader *r = arg;
    if (r->fiber)
        mailbox_poke(&r->box);
    release(r);
}

static void tell(struct reader *r, void (*fn)(void *arg))
{
    atomic_fetch_add(&r->refs, 1);
    shard_post(r->shard, fn, r);
}

/* ---- the fiber ---- */

static void count(struct mails *m, int change)
{
    m->n_readers += change;
    metric_set(metric_series(&boxes_gauge), m->n_readers);
}

/* Back on the shard of the fiber. */
static void ended(void *arg)
{
    struct reader *r = arg;
    struct mails *m = r->m;
    struct reader **at = &m->readers;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    count(m, -1);
    release(r);
    bell_ring(&m->bell);
    atomic_fetch_sub(&m->busy, 1);
}

static void launch(struct mails *m, const struct mailbox_row *row)
{
    struct reader *r = calloc(1, sizeof *r);

    if (!r)
        DIE("out of memory");
    r->m = m;
    r->workflow = row->workflow;
    r->shard = shard_at(m->next_shard++ % shard_count());
    struct mailbox *box = &r->box;
    box->engine = m->engine;
    box->a = arena_new(BOX_MEMORY);
    box->row = *row;
    box->row.hash = str_dup(box->a, row->hash);
    box->row.spec = str_dup(box->a, row->spec);
    box->row.error = str_dup(box->a, row->error);
    atomic_store(&r->refs, 1);
    r->next = m->readers;
    m->readers = r;
    count(m, 1);
    atomic_fetch_add(&m->busy, 1);
    shard_post(r->shard, begin_here, r);
}

static Err take(struct mails *m)
{
    AUTO(arena) *a = arena_new(MIB(4));
    struct wf_engine *e = m->engine;
    int room = BOXES_MAX - m->n_readers < AT_ONCE ? BOXES_MAX - m->n_readers : AT_ONCE;
    MailboxRows rows;
    Usec now = time_wall();
    bool due;

    TRY(store_mailbox_is_due(e->db, a, now, &due));
    if (!due || room <= 0)
        return OK;
    TRY(store_mailbox_take(e->db, a, e->node, now, now + MAIL_TAKEN, room, &rows));
    vec_each(&rows, row)
        launch(m, row);
    return OK;
}

static Err watch(void *arg)
{
    struct mails *m = arg;

    while (!fiber_cancelled()) {
        Err e = take(m);
        if (e != OK && e != E_CANCELLED && !m->failing)
            LOG_WARN("triggers that read mails wait for the store", L_ERR(e));
        m->failing = e != OK;
        e = bell_wait(&m->bell, usec_in(TICK));
        if (e != OK && e != E_TIMEOUT)
            break;
    }
    for (struct reader *r = m->readers; r; r = r->next)
        tell(r, stop_here);
    return OK;
}

struct change {
    struct mails *m;
    Id workflow;
};

static void changed_here(void *arg)
{
    struct change *c = arg;
    struct mails *m = c->m;

    for (struct reader *r = m->readers; r; r = r->next)
        if (id_eq(r->workflow, c->workflow))
            tell(r, poke_here);
    bell_ring(&m->bell);
    free(c);
    atomic_fetch_sub(&m->busy, 1);
}

void wf_mails_changed(struct wf_engine *e, Id workflow)
{
    struct change *c = malloc(sizeof *c);

    if (!c)
        DIE("out of memory");
    *c = (struct change){e->mails, workflow};
    atomic_fetch_add(&e->mails->busy, 1);
    shard_post(e->mails->shard, changed_here, c);
}

Err mails_new(struct wf_engine *e, struct mails **ret_mails)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct mails *m = calloc(1, sizeof *m);
    Err err = OK;

    if (!m)
        DIE("out of memory");
    m->engine = e;
    m->shard = shard_self();
    if (e->o.alone || !id_is_none(e->o.former))
        err = store_mailbox_free(e->db, a, e->o.alone ? ID_NONE : e->o.former);
    if (err != OK) {
        free(m);
        return err;
    }
    m->fiber = fiber_start_ref("mails", watch, m);
    *ret_mails = m;
    return OK;
}

void mails_stop(struct mails *m)
{
    fiber_cancel(m->fiber);
}

bool mails_stopped(struct mails *m)
{
    return fiber_ended(m->fiber) && !atomic_load(&m->busy);
}

void mails_free(struct mails *m)
{
    if (!m)
        return;
    fiber_unref(m->fiber);
    free(m);
}
