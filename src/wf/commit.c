/* src/wf/commit.c - the journal of one run: what is decided is recorded, and made durable.
 *
 * Events are applied to the state as they are recorded and wait in run->text; a commit writes all
 * of them and the sides in one transaction, and tells those who watch. A commit whose answer is
 * lost is looked for before it is tried again.
 */
#include "rt/inject.h"
#include "rt/log.h"
#include "store/store_flow.h"
#include "store/store_gather.h"
#include "store/store_workflow.h"
#include "wf/event_start.h"

enum commit_flags { COMMIT_RELEASE = 1 };
static Err commit(struct wf_run *run, unsigned flags);

/* What @n bytes of @ev may not be. Only what gives a value can be refused: a run must be able to
 * fail. */
static Err check_event(const struct wf_run *run, const struct wf_event *ev, size_t n)
{
    size_t max = run->engine->o.env.max_output;

    if (ev->kind == WF_EV_STEP_FINISHED && n > max + KIB(4))
        return err_detail(E_TOO_LARGE, "The output of node %.*s is larger than %zu bytes.",
                          P(run->def->nodes[ev->node].id), max);
    if (n > EVENT_TEXT_MAX)
        return err_detail(E_TOO_LARGE, "The output is larger than %d MiB.", EVENT_TEXT_MAX >> 20);
    bool gives = (ev->kind == WF_EV_STEP_FINISHED && ev->data) || ev->kind == WF_EV_RUN_SUCCEEDED;
    if (gives && run->written + run->text.n > run->engine->o.max_values)
        return err_detail(E_TOO_LARGE, "The values of this run are together larger than %zu bytes.",
                          run->engine->o.max_values);
    return OK;
}

Err run_note(struct wf_run *run, const struct wf_event *ev)
{
    AUTO(arena) *a = arena_new(MIB(64));
    size_t before = run->text.n;

    buf_add_char(&run->text, run->first_pending ? ',' : '[');
    json_write(&run->text, wf_event_json(a, run->def, ev));
    size_t n = run->text.failed ? SIZE_MAX : run->text.n - before;
    Err e = check_event(run, ev, n);
    if (e == OK)
        e = wf_core_apply(run->state, ev);
    if (e != OK) {
        run->text.n = before;
        run->text.failed = false;
        return e;
    }
    if (!run->first_pending)
        run->first_pending = ev->seq;
    run_drop_waits(run);
    return OK;
}

/* Apply @ev to the state and keep it for the next commit. An event that cannot follow is a fault of
 * this program: the run is stopped where its journal is still right. */
Err run_record(struct wf_run *run, struct wf_event ev)
{
    if (run->text.n + run->side_bytes >= COMMIT_TEXT_GOOD)
        TRY(commit(run, 0));
    ev.seq = run->state->seq + 1;
    ev.at = run_now(run);
    return run_note(run, &ev);
}

/* By which clock the times of this run are written now: the start of the machine, and the wall time
 * less the steady time. Whoever takes the run up again sees whether the wall clock was set since.
 */
Str run_clock(struct wf_run *run)
{
    Usec ahead = run->began_wall - run->began;

    if (!run->clock.n || run->clock_of != ahead)
        run->clock = str_fmt(run->a, "%s %lld", run->engine->boot, (long long)ahead);
    run->clock_of = ahead;
    return run->clock;
}

Err run_record_clock(struct wf_run *run, Usec shift)
{
    return run_record(run, (struct wf_event){.kind = WF_EV_CLOCK_SET,
                                             .node = -1,
                                             .clock = run_clock(run),
                                             .data = json_int(run->a, shift)});
}

/* What still waits when the run ends is not answered any more. */
static void end_waits(const struct wf_run *run, struct db_tx *tx, Usec now)
{
    store_wait_end_run(tx, run->row.id);
    store_approval_close_run(tx, run->row.id, now);
}

static Err commit_once(struct wf_run *run, const struct journal_batch *batch, unsigned flags)
{
    AUTO(arena) *a = arena_new(MIB(64)); /* two statements for each large value */
    struct db_tx *tx = db_begin(run->engine->db, a);
    const struct wf_state *s = run->state;
    Usec finished_at = wf_run_state_is_final(s->run) ? s->ended_at : 0;
    int64_t seq = run->first_pending;
    bool moved = run->stored_state != (int)s->run;

    run->row.state = (int)s->run;
    run->row.finished_at = finished_at;
    run->row.wake_at = s->run == WF_RUN_WAITING ? s->wait_until : 0;
    if (s->run == WF_RUN_WAITING && !run->row.wake_at)
        run->row.wake_at = STORE_WAKE_NEVER;
    if (s->run == WF_RUN_QUEUED && (flags & COMMIT_RELEASE))
        run->row.wake_at = run->queued_until; /* none when the server stops: look at once again */
    bool enters = run->flow && !run->flow_entered;
    if (!run->stored) {
        if (run->store_def)
            store_definition_put(tx, run->row.hash, run->def->text);
        if (run->key.n)
            store_run_key_insert(tx, a, run->row.workflow, run->key, run->fingerprint, run->row.id,
                                 run->row.created_at);
        if (run->also)
            run->also(tx, run->row.id, run->also_ctx);
        if (enters) /* behind the key: a start that was accepted once is told so whatever the gate
                     */
            run_flow_write(run, tx);
        store_run_insert(tx, &run->row);
        store_journal_append(tx, &run->row, seq, batch, true);
    } else {
        if (enters)
            run_flow_write(run, tx);
        if (seq)
            store_journal_append(tx, &run->row, seq, batch, false);
        if (finished_at)
            run_write_end(run, tx);
        if (wf_run_state_rests(s->run) && (flags & COMMIT_RELEASE))
            run_write_rest(run, tx);
        else if (moved || finished_at || run->row.wake_at || (flags & COMMIT_RELEASE))
            store_run_update(tx, run->row.id, run->row.lease_epoch, (int)s->run, finished_at,
                             run->row.wake_at, (flags & COMMIT_RELEASE) != 0);
    }
    if (run->gathered)
        store_gather_drop(tx, run->row.id);
    if (run->sides && run->stored && !seq)
        store_run_fence(tx, run->row.id, run->row.lease_epoch);
    run_write_sides(run, a, tx);
    if (finished_at && s->was_open)
        end_waits(run, tx, finished_at);
    if (finished_at && s->flow)
        store_flow_leave(tx, run->row.id);
    if (finished_at)
        run_tell_end(run, a, tx);
    TRY(INJECT("wf.journal.before_commit"));
    Err e = db_commit(tx);
    if (enters)
        run_flow_written(run, e);
    run->flow_entered = run->flow_entered || (enters && e == OK);
    TRY(e);
    INJECT_VOID("wf.journal.after_commit");
    return OK;
}

struct last_seq {
    int64_t seq;
};

static Err keep_last(void *ctx, int64_t seq, Str events)
{
    (void)events;
    ((struct last_seq *)ctx)->seq = seq;
    return OK;
}

/* After a commit whose outcome is not known: look whether the batch is there under this run's
 * epoch. */
static Err look_for_commit(struct wf_run *run, bool *ret_there)
{
    AUTO(arena) *a = arena_new(MIB(256));
    struct last_seq last = {0};
    struct run_row row;
    Err e = store_run_get_any(run->engine->db, a, run->row.id, &row);

    if (e == E_NOT_FOUND) {
        *ret_there = false;
        return OK;
    }
    TRY(e);
    if (row.lease_epoch != run->row.lease_epoch)
        return err_set(E_CONFLICT, "another node has taken the run");
    if (!run->first_pending) {
        *ret_there = true;
        return OK;
    }
    TRY(store_journal_read(run->engine->db, a, run->row.id, run->first_pending - 1, keep_last,
                           &last));
    *ret_there = last.seq >= run->first_pending;
    return OK;
}

bool run_may_pass(Err e)
{
    return e == E_UNAVAILABLE || e == E_DISK_FULL || e == E_LOCKED || e == E_READ_ONLY ||
           e == E_IO || e == E_TIMEOUT || e == E_OVERLOADED || e == E_UNKNOWN_OUTCOME ||
           e == E_CONNECT || e == E_CLOSED;
}

/* The server stops, and its patience is at an end: the next start finds out. */
bool run_must_stop(const struct wf_run *run)
{
    return run->stopping && time_mono() >= run->stop_deadline;
}

/* One try, made certain. */
static Err commit_certain(struct wf_run *run, const struct journal_batch *batch, unsigned flags)
{
    Err e = commit_once(run, batch, flags);
    while (e == E_UNKNOWN_OUTCOME) {
        bool there = false;
        Err seen = look_for_commit(run, &there);
        if (seen == OK)
            return there ? OK : err_set(E_UNAVAILABLE, "the database broke off the commit");
        if (!run_may_pass(seen) || run_must_stop(run))
            return seen;
        TRY(fiber_sleep(200 * USEC_MS));
    }
    return e;
}

/* An accepted run outlives a database that is gone or full: it waits here, holding what it knows.
 * One that is not accepted yet fails, and its caller hears why. */
static Err commit_patiently(struct wf_run *run, unsigned flags)
{
    AUTO(arena) *a = arena_new(MIB(256)); /* of a packed batch */
    struct journal_batch batch;
    Usec pause = 50 * USEC_MS;
    bool said = false, packed = false;

    for (;;) {
        Err e = packed ? OK
                       : store_payload_pack(run->engine->db, a, run->row.id, run->taken_up,
                                            &run->book, buf_str(&run->text), &batch);
        packed = packed || e == OK;
        if (e == OK)
            e = commit_certain(run, &batch, flags);
        if (e == OK && said)
            LOG_INFO("the run's journal is written again");
        if (e == OK || !run->stored || !run_may_pass(e))
            return e;
        if (run_must_stop(run))
            return e;
        if (!said)
            LOG_WARN("the run waits for its journal to be written", L_ERR(e));
        said = true;
        fiber_shield();
        Err slept = fiber_sleep(pause);
        fiber_unshield();
        (void)slept; /* a shielded sleep ends by itself */
        pause = usec_min(pause * 2, 2 * USEC_S);
    }
}

static void mark_accepted(struct wf_run *run)
{
    run->accepted = true;
    wait_queue_wake_all(&run->accept_waiters, OK);
}

/* Make all that is pending durable, tell watchers, and count the run as accepted. */
static Err commit(struct wf_run *run, unsigned flags)
{
    int64_t first = run->first_pending;
    if (!first && run->stored && !flags && !run->sides)
        return OK;
    if (first)
        buf_add_char(&run->text, ']');
    TRY(commit_patiently(run, flags));
    run->stored = true;
    run->stored_state = run->row.state;
    run->written += run->text.n;
    run->first_pending = 0;
    run->gathered = false;
    run->sides = NULL;
    run->side_bytes = 0;
    if (run->side_a)
        arena_reset(run->side_a);
    if (first && wf_hub_watched(run->engine->hub, run->row.id))
        wf_hub_publish(run->engine->hub, run->row.id, WF_HUB_EVENTS, first, S(""),
                       buf_str(&run->text));
    buf_done(&run->text);
    if (run->state->flow && wf_run_state_is_final(run->state->run))
        run->flow_moved = true;
    if (run->flow_moved)
        engine_flow_moved(run->engine, run->gate);
    run->flow_moved = false;
    if (run->told) {
        notices_moved(run->engine->notices);
        event_starts_moved(run->engine->event_starts);
        approval_mails_moved(run->engine->approval_mails);
    }
    run->told = false;
    if (!run->accepted)
        mark_accepted(run);
    if (run->answer && !run->answered) {
        run->answered = true;
        wait_queue_wake_all(&run->end_waiters, OK);
    }
    if (run->kick)
        engine_kick(run->engine);
    run->kick = false;
    return OK;
}

Err run_commit(struct wf_run *run)
{
    return commit(run, 0);
}

Err run_commit_release(struct wf_run *run)
{
    return commit(run, COMMIT_RELEASE);
}
