/* src/wf/engine_private.h - what engine.c (registry, upkeep), drive.c, commit.c, attempt.c and
 * resume.c (one run) and run_show.c share. */
#ifndef WF_ENGINE_PRIVATE_H
#define WF_ENGINE_PRIVATE_H

#include "base/buf.h"
#include "base/map.h"
#include "store/store_approval.h"
#include "store/store_child.h"
#include "store/store_workflow.h"
#include "wf/engine.h"
#include "wf/fleet.h"

#include <stdatomic.h>

/* In bytes. A batch of the journal is parsed whole when it is read again, and a run is folded into
 * one arena: what is written stays well below what can be read. */
enum {
    RUN_MEMORY_MAX = 512 << 20, /* of a run's values in memory; more fails the step */
    RUN_TEXT_MAX = 128 << 20,   /* of a run's journal; more output fails the step */
    ATTEMPT_MEMORY_MAX = 256 << 20,
    EVENT_TEXT_MAX = 32 << 20,
    COMMIT_TEXT_GOOD = 1 << 20, /* so much waits for a commit of its own no longer */
    COMMIT_TEXT_MAX = COMMIT_TEXT_GOOD + EVENT_TEXT_MAX,
};
/* A wall clock that went so far from the steady one was set. */
static const Usec CLOCK_SLACK = 5 * USEC_S;
/* A wait longer than this, with nothing in flight and nobody holding the run, frees the memory. */
static const Usec PARK_AFTER = 5 * USEC_S;

/* One attempt of a step that calls out, in a fiber of its own. */
struct attempt {
    struct attempt *next; /* in run->starting or run->outcomes */
    struct wf_run *run;
    struct wf_node_run *step; /* stays as long as it runs */
    int node, number;
    struct fiber *fiber; /* while it is in flight */
    bool stopped;        /* what it is in goes on no more */
    struct arena *a;
    struct wf_outcome outcome;
    size_t output_n; /* bytes of the output as JSON */
    Err result;
    Str message;
    Usec retry_after, began, took;
};

/* What goes into the next commit besides events. */
struct side {
    struct side *next;
    enum {
        SIDE_EVENT_WAIT,
        SIDE_APPROVAL,
        SIDE_END,
        SIDE_CLOSE,
        SIDE_TAKEN,
        SIDE_SEEN,
        SIDE_FLOW_SLEEP,
        SIDE_FLOW_RETURN,
        SIDE_CHILD,
        SIDE_STOP,
    } kind;
    struct event_wait wait;       /* SIDE_EVENT_WAIT; .id of SIDE_END */
    struct approval_row approval; /* SIDE_APPROVAL; .id and .outcome of SIDE_CLOSE */
    struct answer_row answer;     /* SIDE_TAKEN */
    int64_t mail;                 /* SIDE_SEEN */
    struct run_row run;           /* SIDE_CHILD, with its first batch and its place */
    struct journal_batch batch;
    struct child_row child; /* .run of SIDE_STOP */
};

enum { OWN_REFS = 2 }; /* of the registry and of the driver; more: somebody holds the run */

struct wf_run {
    struct wf_engine *engine;
    struct shard *shard;
    unsigned refs;
    struct arena *a;
    struct wf_def *def;
    struct run_row row;
    struct wf_facts facts;
    struct wf_state *state;
    Str key, fingerprint;
    bool store_def;
    void (*also)(struct db_tx *tx, Id run, void *ctx); /* of wf_start, until it is accepted */
    void *also_ctx;

    struct buf text;         /* the events that are applied and not yet durable: "[{...},{...}" */
    int64_t first_pending;   /* the first of them; 0: none */
    struct side *sides;      /* oldest first */
    size_t side_bytes;       /* of the runs among them */
    struct arena *side_a;    /* of what is needed until the next commit */
    Str report;              /* of its end, for the run that started it */
    bool kick;               /* the next commit gives other runs something to do */
    size_t written;          /* bytes of its journal that are durable, as texts */
    struct piece_book *book; /* the large values that its journal has; NULL: not asked for yet */
    bool taken_up;           /* the store may have some */
    bool stored;             /* its row is in the store */
    int stored_state;        /* as that row says */
    bool accepted, ended, parked; /* ended: its driver is gone */
    struct json *answer;          /* to its caller: the first that was recorded; NULL: none yet */
    bool answered;                /* it is durable */
    Err start_error;
    struct err_record *start_record;
    struct wait_queue accept_waiters, end_waiters;

    struct fiber_group *group;
    struct attempt *starting, *outcomes;
    int in_flight;
    unsigned stops_seen; /* of state->stops: steps in flight in frames stopped later are to stop */
    struct bell bell;    /* something happened to it */
    bool cancel_asked, stopping;
    bool pause_asked;       /* begin nothing new */
    bool poisoned;          /* the next commit says so */
    bool mail;              /* answers came */
    bool look_back;         /* a wait was begun: what it waits for may have come before */
    bool held;              /* it would be put away if nobody held it */
    int64_t woke_seq;       /* with this event it came back for what it waits for; 0: it did not */
    struct run_flow *flow;  /* how it comes to its gate; NULL: there is none, or it was taken up */
    Id gate;                /* none: it has none */
    bool told;              /* with the next commit somebody is told of something */
    bool gathered;          /* the next commit takes over what was gathered for it */
    bool flow_open;         /* admitted as it came */
    bool flow_entered;      /* it is before its gate, durably */
    bool flow_asleep;       /* it has given its place back */
    bool flow_moved;        /* with the next commit there may be a place */
    Usec queued_until;      /* wall: a run that queues is looked at then; 0: at once */
    Usec stop_deadline;     /* monotonic */
    Usec began, began_wall; /* when it came into memory; began is monotonic */
    Str clock;              /* run_clock(), while the wall clock is @clock_of ahead */
    Usec clock_of;
};

struct shard_runs {
    struct map *runs; /* id -> run in memory on this shard */
};

struct def_entry {
    struct wf_def *def;
    uint64_t used;
};

struct wf_engine {
    struct wf_engine_options o;
    struct db *db;
    struct wf_hub *hub;
    Id node;
    struct shard_runs *shards;
    _Atomic size_t active;
    struct fleet fleet; /* of the upkeep fiber */
    atomic_bool draining;
    uv_mutex_t def_lock;
    struct map *defs; /* content hash -> struct def_entry, under def_lock */
    uint64_t def_clock;
    struct fiber *upkeep;
    struct shard *upkeep_shard;
    char boot[9];              /* which start of which machine this is */
    Usec seen_wall, seen_mono; /* both clocks at upkeep's last turn */
    atomic_uint next_shard;
    atomic_bool kicked;
    atomic_bool upkeep_ended;
    struct notices *notices;
    struct flow_pump *pump;
    struct sweeper *sweeper;
    atomic_int flow_pokes; /* on their way to it */
    struct gatherer *gatherer;
    struct event_starts *event_starts;
    struct polls *polls;
    struct mails *mails;
    struct approval_mails *approval_mails; /* NULL: none are sent */
};

/* engine.c: a run as @start asks for it, with its first event; not driven yet. */
struct wf_run *run_of_start(struct wf_engine *e, const struct wf_start *start);
Err run_note_start(struct wf_run *run, const struct wf_start *start, const struct json *input);
/* drive.c */
struct wf_run *run_new(struct wf_engine *e, struct wf_def *def);
/* Where events, answers and users find it while it is in memory. */
void run_register(struct wf_run *run);
void run_unregister(struct wf_run *run);
Err run_drive(void *run); /* fiber function; takes a reference */
void run_poke(struct wf_run *run);
/* The wall clock as it was when the run came into memory, gone on steadily. */
Usec run_now(const struct wf_run *run);
/* Give the lease of a run that cannot go on back, to be tried again; after too many times end it as
 * failed. */
void run_give_up(struct wf_engine *e, const struct run_row *row, Err cause) YIELDS;
/* resume.c: load @row's run and drive it to its end; the lease is held. */
Err run_resume(struct wf_engine *e, const struct run_row *row) YIELDS;
/* Fold the stored journal of run @id into a fresh state in @a. Gives the bytes of the journal.
 * E_TOO_LARGE when @a does not hold it. @keep may be NULL. */
Err run_fold(struct wf_engine *e, struct arena *a, Id id, const struct wf_def *def,
             const struct wf_keep *keep, struct wf_state **ret_state, size_t *ret_text) YIELDS;
/* @facts: with the inputs of steps, which are computed; NULL: without. */
struct json *run_doc(struct arena *a, const struct run_row *row, const struct wf_state *s,
                     const struct wf_facts *facts);
/* A step's state as the API says it. */
const char *run_step_state_name(enum wf_node_state s);
/* run_input.c */
struct json *run_step_input(struct arena *a, const struct wf_state *s, const struct wf_facts *facts,
                            const struct wf_node_run *step) YIELDS;

/* ---- commit.c ---- */

/* Apply @ev and keep it for the next commit. E_TOO_LARGE: the journal does not take it, nothing has
 * changed. */
Err run_note(struct wf_run *run, const struct wf_event *ev);
/* The same, with the next number and time; commits by itself what has become much. An event that
 * cannot follow is a fault of this program: the run is stopped where its journal is still right. */
Err run_record(struct wf_run *run, struct wf_event ev) YIELDS;
/* The wall clock is @shift further than the times of this run were written by. */
Err run_record_clock(struct wf_run *run, Usec shift) YIELDS;
/* Make all that is pending durable, events and sides, and tell watchers; the run is accepted with
 * its first. */
Err run_commit(struct wf_run *run) YIELDS;
/* The same, and give the lease back: the run ends or is put away. */
Err run_commit_release(struct wf_run *run) YIELDS;
/* Whether @e is of the kind that passes: the store is away or full. */
bool run_may_pass(Err e);
bool run_must_stop(const struct wf_run *run);
Str run_clock(struct wf_run *run);

/* ---- attempt.c ---- */

/* Begin attempt @number of @n: at once when it is pure or waits; else with the next run_launch(),
 * which follows the commit. */
Err run_begin_step(struct wf_run *run, struct wf_node_run *n, int number) YIELDS;
Err run_launch(struct wf_run *run) YIELDS;
/* Record the ends of attempts that came in; oldest first. */
Err run_take_outcomes(struct wf_run *run) YIELDS;
/* Stop the calls of frames that were stopped since this was looked at last. */
void run_stop_attempts(struct wf_run *run);
/* Free what was never begun or recorded; none is in flight. */
void run_drop_attempts(struct wf_run *run);
/* Monotonic end of the whole run. */
Usec run_deadline(const struct wf_run *run);
Err run_record_failure(struct wf_run *run, struct wf_node_run *n, int number, Err e, Str message,
                       Usec retry_after, Usec took) YIELDS;
/* E_TOO_LARGE when a value of @n bytes as JSON does not go into the run's memory. */
Err run_check_memory(const struct wf_run *run, size_t n);
/* A step of @n as its type sees it; @names, which is filled, stays as long as @scope. */
struct wf_step run_step(struct wf_run *run, struct arena *a, const struct wf_node_run *n,
                        int number, struct wf_names *names, struct wf_scope *scope);
/* The arena of the frame that @n is in. */
struct arena *run_arena(const struct wf_run *run, const struct wf_node_run *n);

/* cycles.c */
Err run_open(struct wf_run *run, struct wf_node_run *n) YIELDS;
Err run_round(struct wf_run *run, struct wf_node_run *n) YIELDS;
Err run_close(struct wf_run *run, struct wf_node_run *n) YIELDS;
/* After a restart: ask for the items that the steps of @frame may name. */
Err run_find_items(const struct wf_env *env, const struct wf_state *s, const struct wf_facts *facts,
                   const struct wf_frame *frame) YIELDS;

/* rerun.c: let @node take over the result that is kept for it. */
Err run_keep_step(struct wf_run *run, struct wf_node_run *n) YIELDS;

/* dry.c: whether a step of @node takes a placeholder, and let it do so. */
bool run_is_pretended(const struct wf_run *run, const struct wf_node *node);
Err run_pretend(struct wf_run *run, struct wf_node_run *n, int number) YIELDS;

/* subrun.c: begin the child that @w asks for. */
Err run_begin_child(struct wf_run *run, struct wf_node_run *n, int number, struct wf_wait *w,
                    Usec began) YIELDS;
/* A run that another one has written is driven for the first time. */
Err run_child_enter(struct wf_run *run) YIELDS;
bool run_is_child_wait(const struct wf_node_run *n);
/* Ask the child that @n waits for, if it does, to stop. */
void run_stop_child(struct wf_run *run, const struct wf_node_run *n);
/* Put into the last transaction of a run what its end means for its parent and its children. */
void run_write_end(struct wf_run *run, struct db_tx *tx);
/* The first batch of the journal of a run that is written by another one, packed, in @a. Gives the
 * bytes of its text. */
Err run_first_batch(struct wf_engine *e, struct arena *a, const struct wf_event *started,
                    struct journal_batch *ret_batch, size_t *ret_n) YIELDS;
/* The published workflow of id or name @name. */
Err run_find_workflow(struct wf_run *run, struct arena *a, Str name, struct workflow_row *ret_row)
    YIELDS;
/* @input as its runs get it, until the next commit. */
Err run_check_input(struct wf_run *run, const struct workflow_row *row, const struct json *input,
                    const struct json **ret_input) YIELDS;
/* error_run.c: a run that has failed is told to its error workflow, with the next commit. */
Err run_tell_failure(struct wf_run *run) YIELDS;
/* pause.c: note that the run rests; because it was under way in too many crashes. */
Err run_record_pause(struct wf_run *run) YIELDS;
Err run_record_poison(struct wf_run *run) YIELDS;
/* Put into the last transaction before it is put away that it rests. */
void run_write_rest(const struct wf_run *run, struct db_tx *tx);
/* Hear of pauses that were asked elsewhere. */
Err engine_hear_pauses(struct wf_engine *e) YIELDS;
/* engine.c: look for runs that have something to do, in a fiber of its own. */
void engine_kick(struct wf_engine *e);

/* waits.c */
Err run_begin_wait(struct wf_run *run, struct wf_node_run *n, int number) YIELDS;
Err run_end_wait(struct wf_run *run, struct wf_node_run *n) YIELDS;
/* What the last event has stopped is not to be answered any more. */
void run_drop_waits(struct wf_run *run);
/* Look at the answers that came. */
Err run_take_mail(struct wf_run *run) YIELDS;
/* Look at the events that came before the waits for them were known. */
Err run_look_back(struct wf_run *run, bool *ret_found) YIELDS;
/* Put the sides into @tx. */
void run_write_sides(struct wf_run *run, struct arena *a, struct db_tx *tx);
/* Something that goes along with the next commit, and memory until then. */
struct side *run_add_side(struct wf_run *run);
struct arena *run_side_arena(struct wf_run *run);
/* Along with the next commit: @mail was looked at. */
void run_see_mail(struct wf_run *run, int64_t mail);
/* Whether to try a read again: the store is away, and the run outlives that. Waits before. */
bool run_try_again(const struct wf_run *run, Err e) YIELDS;
/* Tell runs in memory here that answers came, and take up those that were put away. */
Err engine_hear_mail(struct wf_engine *e) YIELDS;
/* An answer is durable: make the runs here hear it at once. */
void engine_answered(struct wf_engine *e) YIELDS;
/* Deliver events whose sender was interrupted. */
Err engine_deliver_left(struct wf_engine *e) YIELDS;

/* ---- flow.c ---- */

/* A run of a workflow with flow control comes: note that it queues. E_INVALID: its key cannot be
 * found out. */
Err run_flow_enter(struct wf_run *run) YIELDS;
/* The key of a run with flow control, for @input; and its name for people. E_INVALID. */
Err run_flow_key(struct wf_run *run, const struct json *input, Str *ret_key, Str *ret_name) YIELDS;
/* It was started by another run and is not refused: it waits at its gate. */
void run_flow_be_patient(struct wf_run *run);
/* Put it before its gate in the transaction that makes it accepted, and what came of that. */
void run_flow_write(struct wf_run *run, struct db_tx *tx);
void run_flow_written(struct wf_run *run, Err committed);
/* What to answer when that transaction was E_CONFLICT: E_RATE_LIMITED, E_PRECONDITION. */
Err run_flow_refused(struct wf_run *run) YIELDS;
/* It is through. */
Err run_flow_pass(struct wf_run *run) YIELDS;
/* Something came for a run that queues: look whether it was admitted. */
Err run_flow_hear(struct wf_run *run) YIELDS;
/* With the next commit a run that only waits gives its place back; it queues again. */
void run_flow_sleep(struct wf_run *run);
Err run_flow_return(struct wf_run *run) YIELDS;
/* It was taken up from the store. */
Err run_flow_resume(struct wf_run *run) YIELDS;
/* There may be a place in @gate, or somebody before it. On any shard. */
void engine_flow_moved(struct wf_engine *e, Id gate);

struct flow_pump *flow_pump_new(struct wf_engine *e);
void flow_pump_stop(struct flow_pump *p);
bool flow_pump_stopped(struct flow_pump *p);
void flow_pump_free(struct flow_pump *p);

/* ---- gather.c ---- */

/* A run that nobody has driven and that has no journal: begin it with what was gathered; or leave
 * it where it is, when it is not its time yet. */
Err run_gather_begin(struct wf_run *run, bool *ret_begun) YIELDS;
struct gatherer *gatherer_new(struct wf_engine *e);
void gatherer_stop(struct gatherer *g);
bool gatherer_stopped(struct gatherer *g);
void gatherer_free(struct gatherer *g);

/* ---- retention.c ---- */

struct sweeper *sweeper_new(struct wf_engine *e);
/* Look for runs to delete, in a fiber of its own. */
void sweeper_turn(struct sweeper *s);
void sweeper_free(struct sweeper *s);

/* ---- notice.c ---- */

/* Along with @tx who has subscribed to it is told that the run has ended, or of an approval. */
void run_tell_end(struct wf_run *run, struct arena *a, struct db_tx *tx);
void run_tell_approval(struct wf_run *run, struct arena *a, struct db_tx *tx,
                       const struct approval_row *row);
Err notices_new(struct wf_engine *e, struct notices **ret_notices) YIELDS;
/* There is something to send. On any shard. */
void notices_moved(struct notices *n);
void notices_stop(struct notices *n);
bool notices_stopped(struct notices *n);
void notices_free(struct notices *n);

/* ---- approval_mail.c ---- */

/* Along with @tx its approvers get their links by mail, if that is wanted. */
void run_mail_approval(struct wf_run *run, struct arena *a, struct db_tx *tx,
                       const struct approval_row *row);
/* There is something to send. On any shard. */
void approval_mails_moved(struct approval_mails *m);
/* NULL when there is no mail server; the others take that. */
Err approval_mails_new(struct wf_engine *e, struct approval_mails **ret_mails) YIELDS;
void approval_mails_stop(struct approval_mails *m);
bool approval_mails_stopped(struct approval_mails *m);
void approval_mails_free(struct approval_mails *m);

/* Counters that /metrics shows. */
void run_count_end(enum wf_run_state state, Usec took);
void run_count_step(const struct wf_node *node, bool ok, Usec took);

#endif
