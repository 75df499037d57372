/* src/wf/drive.c - one run: the fiber that carries out what core.c decides.
 *
 * The order that makes a run survive anything: decide, record, commit, act. Recording and commits
 * are in commit.c, steps in attempt.c, taking up after a crash or a long wait in resume.c. When a
 * step that called out ends, its result is committed together with the starts that follow from it,
 * so a chain of calls costs one transaction a step.
 */
#include "rt/log.h"
#include "wf/engine_private.h"

#include <stdlib.h>

/* ---- life ---- */

/* What a small run keeps besides its state: its input, its results, its names. */
enum { FACTS_SIZE = 768 };

struct wf_run *run_new(struct wf_engine *e, struct wf_def *def)
{
    struct wf_run *run = calloc(1, sizeof *run);
    if (!run)
        DIE("out of memory");
    run->engine = e;
    run->shard = shard_self();
    run->refs = 1;
    run->a = arena_new_sized((size_t)RUN_MEMORY_MAX * 2, FACTS_SIZE + wf_core_size(def));
    run->def = wf_def_ref(def);
    run->state = wf_core_new(run->a, def);
    run->text = BUF(COMMIT_TEXT_MAX + 64); /* commas and brackets */
    run->began = time_mono();
    run->began_wall = time_wall();
    return run;
}

static struct shard_runs *runs_here(struct wf_engine *e)
{
    return &e->shards[shard_index(shard_self())];
}

void run_register(struct wf_run *run)
{
    struct wf_engine *e = run->engine;
    run->refs++;
    (void)map_put(runs_here(e)->runs, str_from((char *)run->row.id.b, 16), run);
    atomic_fetch_add(&e->active, 1);
}

void run_unregister(struct wf_run *run)
{
    struct wf_engine *e = run->engine;
    if (map_take(runs_here(e)->runs, str_from((char *)run->row.id.b, 16))) {
        wf_run_unref(run);
        atomic_fetch_sub(&e->active, 1);
    }
}

void wf_run_unref(struct wf_run *run)
{
    if (!run)
        return;
    if (--run->refs) {
        if (run->held)
            run_poke(run); /* it may be put away now */
        return;
    }
    wf_def_unref(run->def);
    arena_free(run->a);
    arena_free(run->side_a);
    buf_done(&run->text);
    piece_book_free(run->book);
    free(run->start_record);
    free(run);
}

Id wf_run_id(const struct wf_run *run)
{
    return run->row.id;
}

enum wf_run_state wf_run_state(const struct wf_run *run)
{
    return run->state->run;
}

/* The wall clock as it was when the run came into memory, gone on steadily: whoever sets the clock
 * neither ends a run nor makes it wait. */
Usec run_now(const struct wf_run *run)
{
    return run->began_wall + (time_mono() - run->began);
}

void run_poke(struct wf_run *run)
{
    bell_ring(&run->bell);
}

/* ---- the loop ---- */

static Err end_run(struct wf_run *run, const struct wf_decision *d)
{
    struct wf_event ev = {.node = -1};

    if (d->what == WF_DO_SUCCEED) {
        ev.kind = WF_EV_RUN_SUCCEEDED;
        ev.data = wf_core_output(run->a, run->state);
    } else if (d->what == WF_DO_FAIL) {
        ev.kind = WF_EV_RUN_FAILED;
        ev.node = d->node;
        ev.error = d->error;
    } else {
        ev.kind = WF_EV_RUN_CANCELLED;
    }
    Err e = run_record(run, ev);
    if (e == E_TOO_LARGE) /* its output, of many values that were small enough each */
        e = run_record(run,
                       (struct wf_event){
                           .kind = WF_EV_RUN_FAILED,
                           .node = -1,
                           .error = {S("too_large"), str_dup(run->a, str_c(err_client_text(e)))}});
    TRY(e);
    TRY(run_tell_failure(run));
    TRY(run_commit_release(run));
    run_count_end(run->state->run, time_mono() - run->began);
    return OK;
}

/* Whether the run is on its way to its end and only waits for steps in flight: they are stopped
 * then. */
static bool is_ending(const struct wf_run *run)
{
    const struct wf_state *s = run->state;
    return !s->undoing &&
           (s->cancel_requested || s->failed_node >= 0 || run_now(run) >= wf_core_deadline(s));
}

/* Whether what waits may still be answered. */
static bool takes_answers(const struct wf_run *run)
{
    return !is_ending(run) && !run->state->undoing;
}

static Err put_down(struct wf_run *run)
{
    run->parked = true;
    if (!run->stored)
        return err_set(E_SHUTDOWN, "the server stops before the run was accepted");
    return run_commit_release(run);
}

static Err park(struct wf_run *run, Usec until)
{
    run->parked = true;
    if (run->state->run == WF_RUN_QUEUED) {
        run->queued_until = until ? until : STORE_WAKE_NEVER;
        return run_commit_release(run);
    }
    run_flow_sleep(run);
    TRY(run_record(
        run, (struct wf_event){
                 .kind = WF_EV_RUN_WAITING, .node = -1, .until = until, .clock = run_clock(run)}));
    return run_commit_release(run);
}

/* Whether the run may be put away now: what comes next is far off, or nobody knows when it comes.
 */
static bool is_long_wait(const struct wf_run *run, Usec now, Usec until)
{
    if (run->in_flight || run->stopping)
        return false;
    if (until)
        return until - now > PARK_AFTER;
    return run->state->waits.n > 0 || run->state->run == WF_RUN_QUEUED;
}

/* The wall clock was set: what is so long after something else moves with it. */
static Err mind_clock(struct wf_run *run)
{
    Usec shift = time_wall() - run_now(run);

    if (!(run->state->waits.n || run->state->retrying.n) || llabs(shift) <= CLOCK_SLACK)
        return OK;
    run->began_wall += shift;
    return run_record_clock(run, shift);
}

/* Taken up a moment before its time, and nothing else has happened: that it came back is written
 * with what it does then, in one transaction. */
static bool is_early(const struct wf_run *run, Usec until)
{
    return run->woke_seq && run->woke_seq == run->state->seq &&
           run->woke_seq == run->first_pending && !run->sides && !run->stopping && until &&
           until - run_now(run) <= PARK_AFTER;
}

/* Nothing to decide: make things durable, act, and wait for what comes next. *ret_parked: the run
 * is put away. */
static Err rest(struct wf_run *run, const struct wf_decision *d, bool *ret_parked)
{
    if (!is_early(run, d->until))
        TRY(run_commit(run));
    TRY(run_launch(run));
    if (run->flow_open)
        return OK;
    if (run->look_back && takes_answers(run) && run->state->run != WF_RUN_QUEUED) {
        bool found = false;
        TRY(run_look_back(run, &found));
        if (found)
            return OK;
    }
    if (is_ending(run))
        fiber_group_cancel(run->group);
    run_stop_attempts(run);
    Usec now = run_now(run), until = d->until;
    bool long_wait = is_long_wait(run, now, until);
    if (long_wait && run->refs == OWN_REFS) {
        *ret_parked = true;
        return park(run, until ? until - now + time_wall() : 0);
    }
    if (long_wait) {
        run_flow_sleep(run);
        TRY(run_commit(run));
    }
    run->held = long_wait;
    Usec deadline = until ? usec_in(usec_max(until - now, 0)) : USEC_NEVER;
    Err e = bell_wait(&run->bell, deadline);
    run->held = false;
    return e == E_TIMEOUT ? OK : e;
}

/* The server stops: nothing new is begun. Steps in flight may end until the deadline and are
 * stopped then; what they gave is kept, and the run is put down where it is. */
static Err wind_down(struct wf_run *run, bool *ret_down)
{
    if (run->starting || (run->in_flight && run->first_pending)) {
        TRY(run_commit(run));
        TRY(run_launch(run));
    }
    if (run->in_flight == 0) {
        *ret_down = true;
        return put_down(run);
    }
    Usec deadline = run->stop_deadline;
    if (time_mono() >= deadline) {
        fiber_group_cancel(run->group);
        deadline = usec_in(USEC_S);
    }
    Err e = bell_wait(&run->bell, deadline);
    return e == E_TIMEOUT ? OK : e;
}

/* Somebody wants the run to rest: nothing new is begun, steps in flight end by themselves. */
static Err hold(struct wf_run *run, bool *ret_down)
{
    if (run->mail && run->state->run != WF_RUN_QUEUED)
        TRY(run_take_mail(run));
    TRY(run_commit(run));
    TRY(run_launch(run));
    if (run->in_flight) {
        Err e = bell_wait(&run->bell, run_deadline(run));
        return e == E_TIMEOUT ? OK : e;
    }
    if (!wf_run_state_rests(run->state->run))
        run_flow_sleep(run);
    TRY(run_record_pause(run));
    run->parked = *ret_down = true;
    return run_commit_release(run);
}

static Err drive_loop(struct wf_run *run)
{
    bool parked = false;

    for (;;) {
        struct wf_decision d;
        struct wf_event undo;

        TRY(run_take_outcomes(run));
        if (run->cancel_asked && !run->state->cancel_requested)
            TRY(run_record(run, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED,
                                                  .node = -1,
                                                  .data = json_str(run->a, S("asked by a user"))}));
        if (run->stopping) {
            TRY(wind_down(run, &parked));
            if (parked)
                return OK;
            continue;
        }
        if (run->pause_asked && (wf_run_state_rests(run->state->run) || !is_ending(run))) {
            TRY(hold(run, &parked));
            if (parked)
                return OK;
            continue;
        }
        if (run->flow_open && takes_answers(run))
            TRY(run_flow_pass(run));
        if (run->flow_asleep && run->mail && takes_answers(run))
            TRY(run_flow_return(run));
        if (run->mail && takes_answers(run))
            TRY(run_take_mail(run));
        TRY(mind_clock(run));
        wf_core_next(run->state, run_now(run), &d);
        if (run->flow_asleep && !run->state->undoing &&
            (d.what == WF_DO_WAKE || d.what == WF_DO_START)) {
            TRY(run_flow_return(run));
            continue;
        }
        switch (d.what) {
        case WF_DO_START:
            TRY(run_begin_step(run, d.step, d.attempt));
            break;
        case WF_DO_KEEP:
            TRY(run_keep_step(run, d.step));
            break;
        case WF_DO_SKIP:
            TRY(run_record(run, (struct wf_event){.kind = WF_EV_STEP_SKIPPED, .node = d.node}));
            break;
        case WF_DO_WAKE:
            TRY(run_end_wait(run, d.step));
            break;
        case WF_DO_ROUND:
            TRY(run_round(run, d.step));
            break;
        case WF_DO_CLOSE:
            TRY(run_close(run, d.step));
            break;
        case WF_DO_UNDO:
            wf_core_undo(run->a, &d, run->state->cancel_requested, &undo);
            TRY(run_record(run, undo));
            break;
        case WF_DO_NOTHING:
            TRY(rest(run, &d, &parked));
            if (parked)
                return OK;
            break;
        default:
            return end_run(run, &d);
        }
    }
}

static Err drive_in_group(struct wf_run *run)
{
    char id[ID_TEXT_SIZE];
    FIBER_GROUP(group, 0, false);

    fiber_request_id_set(id_text(run->row.id, id));
    run->group = &group;
    Err e = drive_loop(run);
    struct err_record record = *err_record();
    fiber_group_done(&group); /* before the attempts it works on are freed */
    fiber_group_init(&group, 0, false);
    run->group = NULL;
    run_drop_attempts(run);
    *err_record() = record;
    return e;
}

void run_give_up(struct wf_engine *e, const struct run_row *row, Err cause)
{
    AUTO(arena) *a = arena_new(KIB(64));
    /* The store being away is nobody's fault: the lease runs out, or the next start takes it. */
    bool counts = !run_may_pass(cause) && cause != E_SHUTDOWN && cause != E_CANCELLED;
    Err err = counts && row->crashes + 1 >= e->o.max_crashes
                  ? store_run_close(e->db, a, row->id, row->lease_epoch, WF_RUN_FAILED)
                  : store_run_give_back(e->db, a, row->id, row->lease_epoch, counts);
    if (err != OK && err != E_CONFLICT)
        LOG_WARN("the run's lease could not be given back", L_ERR(err));
}

Err run_drive(void *arg)
{
    struct wf_run *run = arg;
    Err e = drive_in_group(run);

    if (!run->accepted) {
        run->start_error = e == OK ? E_INTERNAL : e;
        run->start_record = malloc(sizeof *run->start_record);
        if (run->start_record)
            *run->start_record = *err_record();
    } else if (e == E_CONFLICT) {
        LOG_WARN("another node has taken the run; it is left to it", L_ERR(e));
    } else if (e != OK) {
        LOG_ERROR("a run cannot go on", L_ERR(e));
        run_give_up(run->engine, &run->row, e);
    }
    run->ended = true;
    run_unregister(run);
    wait_queue_wake_all(&run->accept_waiters, OK);
    wait_queue_wake_all(&run->end_waiters, OK);
    wf_run_unref(run);
    return OK; /* whoever waits was told, and the log */
}

Err wf_run_wait(struct wf_run *run, Usec deadline)
{
    while (!run->ended)
        TRY(wait_queue_wait(&run->end_waiters, deadline));
    return wf_run_state_is_final(run->state->run)
               ? OK
               : err_detail(E_SHUTDOWN, "The server stops; the run goes on when it is back.");
}

Err wf_run_wait_answer(struct wf_run *run, Usec deadline, const struct json **ret_answer)
{
    while (!run->ended && !run->answered)
        TRY(wait_queue_wait(&run->end_waiters, deadline));
    if (!run->answered && !wf_run_state_is_final(run->state->run))
        return err_detail(E_SHUTDOWN, "The server stops; the run goes on when it is back.");
    *ret_answer = run->answered ? run->answer : NULL;
    return OK;
}
