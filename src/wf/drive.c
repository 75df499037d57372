/* src/wf/drive.c - one run: the fiber that carries out what core.c decides, and its journal.
 *
 * The order that makes a run survive anything: decide, record, commit, act. Events are applied to
 * the state as they are recorded and wait in run->pending; commit() makes all of them durable in
 * one transaction. Steps that call out are started after that commit and never before. When one of
 * them ends its result is committed together with the starts that follow from it, so a chain of
 * calls costs one transaction a step.
 */
#include "base/crypto.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "store/store_flow.h"
#include "store/store_gather.h"
#include "store/store_workflow.h"
#include "wf/event_start.h"

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

static void unregister(struct wf_run *run)
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
    run->poked = true;
    if (run->wake)
        wait_end(run->wake, OK);
}

/* Until poked or @deadline (monotonic). */
static Err wait_poke(struct wf_run *run, Usec deadline)
{
    Err e = OK;
    if (!run->poked) {
        struct wait w;
        wait_init(&w);
        run->wake = &w;
        e = wait_for(&w, deadline);
        run->wake = NULL;
    }
    run->poked = false;
    return e;
}

/* ---- recording ---- */

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
static Err record(struct wf_run *run, struct wf_event ev)
{
    if (run->text.n + run->side_bytes >= COMMIT_TEXT_GOOD)
        TRY(commit(run, 0));
    ev.seq = run->state->seq + 1;
    ev.at = run_now(run);
    return run_note(run, &ev);
}

Err run_record(struct wf_run *run, struct wf_event ev)
{
    return record(run, ev);
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

static Err record_clock(struct wf_run *run, Usec shift)
{
    return record(run, (struct wf_event){.kind = WF_EV_CLOCK_SET,
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
    if (finished_at && s->has_waited)
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

/* ---- steps ---- */

static void publish_live(struct wf_step *step, Str kind, const struct json *data)
{
    struct wf_engine *e = step->engine;
    if (!wf_hub_watched(e->hub, step->run))
        return;
    struct json *o =
        json_obj(step->a, "type", json_str(step->a, kind), "run_id", json_id(step->a, step->run),
                 "node", json_str(step->a, step->node->id), NULL);
    if (step->where.n)
        json_set(step->a, o, S("scope"), json_str(step->a, step->where));
    for (size_t i = 0; json_is(data, JSON_OBJ) && i < data->n; i++)
        json_set(step->a, o, str_from(data->obj[i].key.s, data->obj[i].key.n), &data->obj[i].val);
    wf_hub_publish(e->hub, step->run, WF_HUB_LIVE, 0, kind, json_text(step->a, o));
}

/* Monotonic end of the whole run. */
static Usec run_deadline(const struct wf_run *run)
{
    Usec at = wf_core_deadline(run->state);
    return at == USEC_NEVER ? at : usec_in(usec_max(at - run_now(run), 0));
}

/* The same for all attempts of a step, and of no other. */
static Str step_key(struct arena *a, const struct wf_run *run, const struct wf_node *node,
                    Str where)
{
    char id[ID_TEXT_SIZE];
    return str_fmt(a, "%.*s:%.*s%s%.*s", P(id_text(run->row.id, id)), P(where), where.n ? "/" : "",
                   P(node->id));
}

struct arena *run_arena(const struct wf_run *run, const struct wf_node_run *n)
{
    return n->frame->cycle ? n->frame->a : run->a;
}

struct wf_step run_step(struct wf_run *run, struct arena *a, const struct wf_node_run *n,
                        int number, struct wf_names *names, struct wf_scope *scope)
{
    const struct wf_node *node = &run->def->nodes[n->node];
    Str where = wf_path_text(a, run->def, &n->frame->path);

    *names = (struct wf_names){a, run->state, &run->facts, n->frame};
    *scope = wf_core_scope(names);
    return (struct wf_step){
        .a = a,
        .env = &run->engine->o.env,
        .def = run->def,
        .node = node,
        .scope = scope,
        .tenant = run->row.tenant,
        .run = run->row.id,
        .attempt = number,
        .where = where,
        .key = step_key(a, run, node, where),
        .deadline = usec_min(usec_in(node->timeout), run_deadline(run)),
        .input = run->state->input,
        .state = run->state,
        .self = n,
        .live = publish_live,
        .engine = run->engine,
    };
}

/* Run one attempt of @n in @a. */
static Err run_attempt(struct wf_run *run, struct arena *a, const struct wf_node_run *n, int number,
                       struct wf_outcome *ret_outcome)
{
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = run_step(run, a, n, number, &names, &scope);
    return step.node->type->run(&step, step.node->settings, ret_outcome);
}

/* The bytes of @output as JSON, held to the limit of a step. */
static Err measure_output(struct wf_run *run, const struct wf_node *node, const struct json *output,
                          size_t *ret_n)
{
    size_t max = run->engine->o.env.max_output;
    AUTO_BUF(b, max);

    json_write(&b, output);
    if (buf_ok(&b) != OK)
        return err_detail(E_TOO_LARGE, "The output of node %.*s is larger than %zu bytes.",
                          P(node->id), max);
    *ret_n = b.n;
    return OK;
}

/* Whether a value of @n bytes as JSON goes into the run's memory. Looked at before each one: many
 * steps may end at once. */
Err run_check_memory(const struct wf_run *run, size_t n)
{
    if (arena_used(run->a) + run->state->frame_bytes + n * 4 > RUN_MEMORY_MAX)
        return err_detail(E_TOO_LARGE, "The values of this run are too large to keep in memory.");
    return OK;
}

/* E_TOO_LARGE: nothing was recorded. */
static Err record_success(struct wf_run *run, struct wf_node_run *n, int number,
                          struct wf_outcome *o, Usec took)
{
    TRY(record(run, (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                      .node = n->node,
                                      .in = n->frame->path,
                                      .attempt = number,
                                      .handle = o->handle,
                                      .data = o->output,
                                      .took = took}));
    run_count_step(&run->def->nodes[n->node], true, took);
    /* Kept by itself: what the step is in may be over and its memory gone before it is sent. */
    if (run->def->nodes[n->node].type->answers && run->def->answered && !run->answer)
        run->answer = json_dup(run->a, o->output);
    return OK;
}

Err run_record_failure(struct wf_run *run, struct wf_node_run *n, int number, Err e, Str message,
                       Usec retry_after, Usec took)
{
    struct wf_event ev;
    double chance = (double)(crypto_random_u64() >> 11) / 9007199254740992.0;

    wf_core_failure(run_arena(run, n), run->state, n, number, e, message, run_now(run), retry_after,
                    chance, &ev);
    ev.took = took;
    run_count_step(&run->def->nodes[n->node], false, took);
    return record(run, ev);
}

/* A step that fails as the workflow says. */
static Err record_stop(struct wf_run *run, struct wf_node_run *n, int number, struct wf_error error,
                       Usec took)
{
    struct wf_event ev;

    wf_core_give_up(run_arena(run, n), run->state, n, number, error, &ev);
    ev.took = took;
    run_count_step(&run->def->nodes[n->node], false, took);
    return record(run, ev);
}

/* A pure step: computed here and now, in the memory of what it belongs to. */
static Err run_pure(struct wf_run *run, struct wf_node_run *n, int number)
{
    struct wf_outcome outcome = {0};
    struct arena *a = run_arena(run, n);
    Usec began = time_mono();
    Err e = run_check_memory(run, 0);

    if (e == OK)
        e = run_attempt(run, a, n, number, &outcome);
    if (e == OK && outcome.output == NULL)
        outcome.output = json_null(a);
    Usec took = time_mono() - began;
    if (e == OK) {
        e = record_success(run, n, number, &outcome, took);
        if (e != E_TOO_LARGE)
            return e;
    }
    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    Str message = str_dup(a, str_c(err_client_text(e)));
    return e == E_STOPPED && outcome.error_code.n
               ? record_stop(run, n, number, (struct wf_error){outcome.error_code, message}, took)
               : run_record_failure(run, n, number, e, message, 0, took);
}

static Err attempt_fiber(void *arg)
{
    struct attempt *t = arg;
    struct wf_run *run = t->run;
    Usec deadline = usec_min(usec_in(run->def->nodes[t->node].timeout), run_deadline(run));

    (void)fiber_deadline_set(deadline);
    t->began = time_mono();
    t->fiber = fiber_self();
    INJECT_VOID("wf.step.before_call");
    t->result = t->stopped ? err_detail(E_CANCELLED, "It was stopped before it began.")
                           : run_attempt(run, t->a, t->step, t->number, &t->outcome);
    INJECT_VOID("wf.step.after_call");
    t->fiber = NULL;
    t->took = time_mono() - t->began;
    if (t->result == OK) {
        if (!t->outcome.output)
            t->outcome.output = json_null(t->a);
        t->result = measure_output(run, &run->def->nodes[t->node], t->outcome.output, &t->output_n);
    }
    if (t->result != OK) {
        t->message = str_dup(t->a, str_c(err_client_text(t->result)));
        t->retry_after = err_record()->code == t->result ? err_record()->retry_after_us : 0;
    }
    t->next = run->outcomes;
    run->outcomes = t;
    run_poke(run);
    return OK;
}

static struct attempt *attempt_new(struct wf_run *run, struct wf_node_run *n, int number)
{
    struct attempt *t = calloc(1, sizeof *t);
    if (!t)
        DIE("out of memory");
    t->run = run;
    t->step = n;
    t->node = n->node;
    t->number = number;
    t->a = arena_new(ATTEMPT_MEMORY_MAX);
    n->attempt_of = t;
    return t;
}

static void attempt_free(struct attempt *t)
{
    arena_free(t->a);
    free(t);
}

/* Begin the steps whose start is durable now. */
static Err launch(struct wf_run *run)
{
    while (run->starting) {
        struct attempt *t = run->starting;
        run->starting = t->next;
        t->next = NULL;
        Err e = fiber_group_start(run->group, "step", attempt_fiber, t);
        if (e != OK) {
            attempt_free(t);
            return e;
        }
        run->in_flight++;
    }
    return OK;
}

/* Stop the calls of frames that were stopped since this was looked at last. */
static void stop_attempts(struct wf_run *run)
{
    if (run->stops_seen == run->state->stops)
        return;
    run->stops_seen = run->state->stops;
    for (struct wf_node_run *n = run->state->running.first; n; n = n->next) {
        struct attempt *t = n->attempt_of;
        if (!t || !wf_frame_is_stopped(n->frame))
            continue;
        t->stopped = true;
        if (t->fiber)
            fiber_cancel(t->fiber);
    }
}

static Err begin_step(struct wf_run *run, struct wf_node_run *n, int number)
{
    const struct wf_node *node = &run->def->nodes[n->node];
    Err e = run_find_items(&run->engine->o.env, run->state, &run->facts, n->frame);

    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    if (e != OK)
        return run_record_failure(run, n, number, e,
                                  str_dup(run_arena(run, n), str_c(err_client_text(e))), 0, 0);
    if (node->body) {
        TRY(run_open(run, n));
        return fiber_breathe();
    }
    if (run_is_pretended(run, node)) {
        TRY(run_pretend(run, n, number));
        return fiber_breathe();
    }
    if (node->type->wait) {
        TRY(run_begin_wait(run, n, number));
        return fiber_breathe();
    }
    if (wf_node_effects(node) == WF_PURE) {
        TRY(run_pure(run, n, number));
        return fiber_breathe();
    }
    TRY(record(run, (struct wf_event){.kind = WF_EV_STEP_STARTED,
                                      .node = n->node,
                                      .in = n->frame->path,
                                      .attempt = number}));
    struct attempt *t = attempt_new(run, n, number);
    struct attempt **at = &run->starting;
    while (*at)
        at = &(*at)->next;
    *at = t;
    return OK;
}

static Err record_end(struct wf_run *run, struct attempt *t)
{
    Err e = t->result == OK ? run_check_memory(run, t->output_n) : t->result;
    struct arena *a = run_arena(run, t->step);
    Str message = t->message;

    t->step->attempt_of = NULL;
    if (e == OK) {
        t->outcome.output = json_dup(a, t->outcome.output);
        t->outcome.handle = str_dup(a, t->outcome.handle);
        e = record_success(run, t->step, t->number, &t->outcome, t->took);
        if (e != E_TOO_LARGE)
            return e;
    }
    if (t->result == OK)
        message = str_c(err_client_text(e));
    return run_record_failure(run, t->step, t->number, e, str_dup(a, message), t->retry_after,
                              t->took);
}

/* Stopped because the time of the run was over, which is why it failed, and not that it was
 * stopped. */
static void name_timeout(struct wf_run *run, struct attempt *t)
{
    const struct wf_state *s = run->state;

    if (t->result != E_CANCELLED || run->stopping || s->cancel_requested || s->failed_node >= 0 ||
        t->stopped || run_now(run) < wf_core_deadline(s))
        return;
    t->result = E_TIMEOUT;
    t->message = S("The run took longer than its workflow allows.");
}

/* Record the ends of attempts that came in; oldest first. */
static Err take_outcomes(struct wf_run *run)
{
    struct attempt *in_order = NULL;

    while (run->outcomes) {
        struct attempt *t = run->outcomes;
        run->outcomes = t->next;
        t->next = in_order;
        in_order = t;
    }
    Err e = OK;
    while (in_order) {
        struct attempt *t = in_order;
        in_order = t->next;
        run->in_flight--;
        /* Broken off by the stop: its end is not known, and the next start decides. */
        bool unknown = run->stopping && t->result == E_CANCELLED && !t->stopped &&
                       (!run->state->cancel_requested || run->state->undoing);
        name_timeout(run, t);
        if (e == OK && !unknown)
            e = record_end(run, t);
        attempt_free(t);
    }
    return e;
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
    Err e = record(run, ev);
    if (e == E_TOO_LARGE) /* its output, of many values that were small enough each */
        e = record(run, (struct wf_event){
                            .kind = WF_EV_RUN_FAILED,
                            .node = -1,
                            .error = {S("too_large"), str_dup(run->a, str_c(err_client_text(e)))}});
    TRY(e);
    TRY(run_tell_failure(run));
    TRY(commit(run, COMMIT_RELEASE));
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
    return commit(run, COMMIT_RELEASE);
}

static Err park(struct wf_run *run, Usec until)
{
    run->parked = true;
    if (run->state->run == WF_RUN_QUEUED) {
        run->queued_until = until ? until : STORE_WAKE_NEVER;
        return commit(run, COMMIT_RELEASE);
    }
    run_flow_sleep(run);
    TRY(record(
        run, (struct wf_event){
                 .kind = WF_EV_RUN_WAITING, .node = -1, .until = until, .clock = run_clock(run)}));
    return commit(run, COMMIT_RELEASE);
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
    return record_clock(run, shift);
}

/* Nothing to decide: make things durable, act, and wait for what comes next. *ret_parked: the run
 * is put away. */
static Err rest(struct wf_run *run, const struct wf_decision *d, bool *ret_parked)
{
    TRY(commit(run, 0));
    TRY(launch(run));
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
    stop_attempts(run);
    Usec now = run_now(run), until = d->until;
    bool long_wait = is_long_wait(run, now, until);
    if (long_wait && run->refs == OWN_REFS) {
        *ret_parked = true;
        return park(run, until ? until - now + time_wall() : 0);
    }
    if (long_wait) {
        run_flow_sleep(run);
        TRY(commit(run, 0));
    }
    run->held = long_wait;
    Usec deadline = until ? usec_in(usec_max(until - now, 0)) : USEC_NEVER;
    Err e = wait_poke(run, deadline);
    run->held = false;
    return e == E_TIMEOUT ? OK : e;
}

/* The server stops: nothing new is begun. Steps in flight may end until the deadline and are
 * stopped then; what they gave is kept, and the run is put down where it is. */
static Err wind_down(struct wf_run *run, bool *ret_down)
{
    if (run->starting || (run->in_flight && run->first_pending)) {
        TRY(commit(run, 0));
        TRY(launch(run));
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
    Err e = wait_poke(run, deadline);
    return e == E_TIMEOUT ? OK : e;
}

/* Somebody wants the run to rest: nothing new is begun, steps in flight end by themselves. */
static Err hold(struct wf_run *run, bool *ret_down)
{
    if (run->mail && run->state->run != WF_RUN_QUEUED)
        TRY(run_take_mail(run));
    TRY(commit(run, 0));
    TRY(launch(run));
    if (run->in_flight) {
        Err e = wait_poke(run, run_deadline(run));
        return e == E_TIMEOUT ? OK : e;
    }
    if (!wf_run_state_rests(run->state->run))
        run_flow_sleep(run);
    TRY(run_record_pause(run));
    run->parked = *ret_down = true;
    return commit(run, COMMIT_RELEASE);
}

static Err drive_loop(struct wf_run *run)
{
    bool parked = false;

    for (;;) {
        struct wf_decision d;
        struct wf_event undo;

        TRY(take_outcomes(run));
        if (run->cancel_asked && !run->state->cancel_requested)
            TRY(record(run, (struct wf_event){.kind = WF_EV_CANCEL_REQUESTED,
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
            TRY(begin_step(run, d.step, d.attempt));
            break;
        case WF_DO_KEEP:
            TRY(run_keep_step(run, d.step));
            break;
        case WF_DO_SKIP:
            TRY(record(run, (struct wf_event){.kind = WF_EV_STEP_SKIPPED, .node = d.node}));
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
            TRY(record(run, undo));
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

static void drop_attempts(struct wf_run *run)
{
    for (struct attempt **list = &run->starting; list;
         list = list == &run->starting ? &run->outcomes : NULL) {
        while (*list) {
            struct attempt *t = *list;
            *list = t->next;
            attempt_free(t);
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
    drop_attempts(run);
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
    unregister(run);
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

/* ---- taking up ---- */

struct fold {
    struct arena *a;
    const struct wf_def *def;
    struct wf_state *state;
    size_t text;
};

/* What the events hold is copied by the state, which lets go of it when it is over: of 100,000
 * items the results stay and not their steps. */
static Err fold_batch(void *ctx, int64_t seq, Str events)
{
    const struct json_limits limits = {.bytes = MIB(128)};
    AUTO(arena) *tmp = arena_new((size_t)RUN_MEMORY_MAX * 2);
    struct fold *f = ctx;
    struct json *list;

    (void)seq;
    f->text += events.n;
    TRY(json_parse_limits(tmp, events, &limits, &list));
    if (arena_used(f->a) + f->state->frame_bytes + arena_used(tmp) + events.n + MIB(1) >
        arena_max(f->a))
        return err_detail(E_TOO_LARGE, "The run is too large to be read whole.");
    for (size_t i = 0; i < json_len(list); i++) {
        struct wf_event ev;
        TRY(wf_event_read(f->def, json_item(list, i), &ev));
        TRY(wf_core_apply(f->state, &ev));
    }
    return fiber_breathe();
}

Err run_fold(struct wf_engine *e, struct arena *a, Id id, const struct wf_def *def,
             const struct wf_keep *keep, struct wf_state **ret_state, size_t *ret_text)
{
    AUTO(arena) *rows = arena_new((size_t)RUN_MEMORY_MAX * 2);
    struct fold f = {a, def, wf_core_new(a, def), 0};

    f.state->copies = true;
    if (keep)
        f.state->keep = *keep;
    TRY(store_journal_read(e->db, rows, id, 0, fold_batch, &f));
    f.state->copies = false;
    f.state->dropped.n = 0;
    *ret_state = f.state;
    *ret_text = f.text;
    return OK;
}

/* The wall time less the steady time by which the journal's last wait was written; that of now if
 * the machine was started since, or is another. */
static Usec clock_before(const struct wf_run *run)
{
    int64_t offset;
    Str boot, rest = str_cut(run->state->clock, ' ', &boot);

    if (!str_eq(boot, str_c(run->engine->boot)) || str_to_i64(rest, &offset) != OK)
        return run->began_wall - run->began;
    return offset;
}

/* What a run that was interrupted has to hear first. */
static Err record_return(struct wf_run *run, const struct run_row *row)
{
    struct wf_state *s = run->state;
    Str why = s->run == WF_RUN_WAITING     ? S("wake")
              : wf_run_state_rests(s->run) ? S("resume")
                                           : S("restart");

    run->pause_asked = row->pause;
    if (wf_run_state_rests(s->run) && row->pause && !row->cancel_requested)
        return OK; /* it only looks at what came meanwhile */
    Usec shift = run->began_wall - run->began - clock_before(run);

    if (llabs(shift) > CLOCK_SLACK)
        TRY(record_clock(run, shift));
    if (s->seq == 1 && (s->parent || run->gathered)) { /* nobody has driven it yet */
        TRY(run_child_enter(run));
    } else {
        TRY(record(run, (struct wf_event){
                            .kind = WF_EV_RUN_RESUMED, .node = -1, .data = json_str(run->a, why)}));
        TRY(run_flow_resume(run));
    }
    if (wf_run_state_is_final(s->run))
        return OK;
    int max = run->engine->o.max_crashes;
    if (row->crashes >= max && !row->cancel_requested)
        return run_record_poison(run);
    while (s->running.first) {
        struct wf_event ev;
        wf_core_interrupted(run->a, s, s->running.first, run_now(run), &ev);
        TRY(record(run, ev));
    }
    return OK;
}

Err run_resume(struct wf_engine *e, const struct run_row *row)
{
    AUTO(wf_def) *def = NULL;
    AUTO(wf_run) *run = NULL;

    TRY(wf_engine_def(e, row->hash, &def));
    run = run_new(e, def);
    run->row = *row;
    run->row.hash = str_dup(run->a, row->hash);
    run->row.origin = str_dup(run->a, row->origin);
    run->facts = (struct wf_facts){row->id,      row->workflow,   row->tenant,
                                   row->version, row->created_at, run->row.origin};
    run->stored = run->accepted = run->taken_up = true;
    run->stored_state = row->state;
    run->cancel_asked = row->cancel_requested;
    TRY(run_fold(e, run->a, row->id, def, NULL, &run->state, &run->written));
    if (!run->state->seq) {
        bool begun;
        TRY(run_gather_begin(run, &begun));
        if (!begun)
            return OK;
    }
    run->mail = row->mail > 0;
    run->look_back = run->state->waits.n > 0;
    TRY(record_return(run, row));
    run->stopping = atomic_load(&e->draining);
    run_register(run);
    if (wf_run_state_is_final(run->state->run)) {
        Err end = run_tell_failure(run);
        if (end == OK)
            end = commit(run, COMMIT_RELEASE);
        run->ended = true;
        unregister(run);
        return end;
    }
    struct wf_run *driven = run;
    run = NULL; /* its reference goes to the driver */
    return run_drive(driven);
}
