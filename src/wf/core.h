/* src/wf/core.h - the workflow engine as a pure state machine: events in, decisions out.
 *
 * The state of a run is the fold of its journal: wf_core_apply() takes one event. wf_core_next()
 * looks at the state and says what should happen next. Neither reads a clock, draws a number, waits
 * or does I/O, so that the same code drives production (engine.c), recovery and simulation, and a
 * journal replays to the same state for ever.
 */
#ifndef WF_CORE_H
#define WF_CORE_H

#include "wf/def.h"
#include "wf/node.h"

enum wf_run_state {
    WF_RUN_QUEUED, /* not begun, or before a gate (flow.c) */
    WF_RUN_RUNNING,
    WF_RUN_WAITING,   /* parked until a time, or until somebody answers */
    WF_RUN_SUCCEEDED, /* final, and so the next two */
    WF_RUN_FAILED,
    WF_RUN_CANCELLED,
    WF_RUN_PAUSED,   /* somebody wants it to rest */
    WF_RUN_POISONED, /* it was under way in too many crashes: rests until somebody decides */
};
const char *wf_run_state_name(enum wf_run_state s); /* "queued" ... */
bool wf_run_state_parse(Str name, enum wf_run_state *ret_state);
static inline bool wf_run_state_is_final(enum wf_run_state s)
{
    return s >= WF_RUN_SUCCEEDED && s <= WF_RUN_CANCELLED;
}
static inline bool wf_run_state_rests(enum wf_run_state s)
{
    return s == WF_RUN_PAUSED || s == WF_RUN_POISONED;
}

enum wf_event_kind {
    WF_EV_RUN_STARTED,   /* data: input; request, vars */
    WF_EV_STEP_STARTED,  /* node, attempt */
    WF_EV_STEP_FINISHED, /* node, attempt, handle, data: output */
    WF_EV_STEP_FAILED,   /* node, attempt, error; retry_at if it will be tried again; handled
                            otherwise */
    WF_EV_STEP_WAITING,  /* node, attempt, until, relative, handle, data: what it waits for */
    WF_EV_STEP_ANSWERED, /* node, attempt, data: one of several answers */
    WF_EV_STEP_OPENED,   /* node, attempt, data: what a container goes through */
    WF_EV_STEP_ROUND,    /* node, attempt, handle ("again", or why it is over), data: set, append */
    WF_EV_STEP_SKIPPED,  /* node */
    WF_EV_RUN_QUEUED,    /* before a gate; data: gate, key, yields */
    WF_EV_RUN_ADMITTED,  /* through the gate */
    WF_EV_RUN_WAITING,   /* until; 0: nobody knows */
    WF_EV_RUN_PAUSED,    /* data: the reason, a string; "crash_loop": it is poisoned */
    WF_EV_RUN_RESUMED,   /* after a restart or a wait; data: the reason, a string */
    WF_EV_CLOCK_SET,     /* data: by how many microseconds the wall clock was set */
    WF_EV_CANCEL_REQUESTED, /* data: the reason, a string */
    WF_EV_RUN_UNDOING,      /* node (may be -1), error, data: because */
    WF_EV_RUN_SUCCEEDED,    /* data: output */
    WF_EV_RUN_FAILED,       /* node (may be -1), error */
    WF_EV_RUN_CANCELLED,
    WF_EV_COUNT
};
const char *wf_event_name(enum wf_event_kind k); /* "run.started", "step.finished", ... */

struct wf_error {
    Str code;    /* err_slug: "timeout" */
    Str message; /* made for the user */
};

/* Where a step of a body belongs: the containers it is in, from the outside, and the item or round
 * of each. As text "outer[12]/inner[3]"; empty: the workflow itself. (scope.c) */
struct wf_path {
    int depth;
    struct {
        int node, index;
    } at[WF_DEPTH_MAX];
};
Str wf_path_text(struct arena *a, const struct wf_def *def, const struct wf_path *path);
/* E_SYNTAX; E_NOT_FOUND: no such container there. */
Err wf_path_read(const struct wf_def *def, Str text, struct wf_path *ret_path);

/* What an error of a step does. */
enum wf_handled { WF_UNHANDLED, WF_HANDLED_DEFAULT, WF_HANDLED_BRANCH };

struct wf_event {
    int64_t seq; /* from 1, without gaps */
    Usec at;     /* wall */
    enum wf_event_kind kind;
    int node; /* index; -1: none */
    struct wf_path in;
    int attempt;
    Str handle;
    const struct json *data;
    const struct json *request, *vars; /* of RUN_STARTED; NULL: none */
    /* Of RUN_STARTED: results that steps take over instead of running, by node ({output, handle,
     * by}), and the run that is run again; NULL: none. */
    const struct json *kept, *rerun_of;
    const struct json *parent; /* of RUN_STARTED: the step that started it; NULL: none */
    const struct json *cause; /* of RUN_STARTED: the event, and the runs, that led to it; or NULL */
    bool dry_run;             /* of RUN_STARTED: nothing is called (dry.c) */
    Str kept_by; /* of STEP_FINISHED: where a result comes from that was taken over; empty: the step
                    has run */
    struct wf_error error;
    Usec retry_at; /* wall; 0: no */
    Usec until;    /* wall; 0: no end */
    Str clock;     /* by which clock a wait was written (drive.c); empty: as before */
    bool relative; /* until is a duration after at: it moves with the clock when that is set */
    Usec took;     /* of the attempt, for step ends */
    enum wf_handled handled;
};

/* Pure steps are recorded by their end alone: WF_EV_STEP_FINISHED or _FAILED of a node that is
 * ready. */

/* An event as JSON, and back. Reading answers E_CORRUPT; nodes are named by id. (event.c) */
struct json *wf_event_json(struct arena *a, const struct wf_def *def, const struct wf_event *ev);
Err wf_event_read(const struct wf_def *def, const struct json *json, struct wf_event *ret_event);

enum wf_node_state {
    WF_NODE_IDLE,    /* some in-edge is unknown */
    WF_NODE_RUNNING, /* step_started, not ended: in flight, or interrupted by a crash */
    WF_NODE_RETRY,   /* failed, to be tried again at retry_at */
    WF_NODE_WAITING, /* begun, and waits for due_at or an answer; takes no slot */
    WF_NODE_OPEN,    /* a container whose items or rounds are under way; takes no slot */
    WF_NODE_DONE,    /* finished, or failed and handled */
    WF_NODE_FAILED,
    WF_NODE_SKIPPED,
};

struct wf_frame;
struct wf_cycle;

struct wf_node_run {
    int node;
    struct wf_frame *frame;
    enum wf_node_state state;
    bool queued;                     /* in the list of what is ready, or of what is settled */
    struct wf_node_run *prev, *next; /* in the list of its state */
    int waiting_in;                  /* in-edges that are unknown yet */
    int taken_in;
    int attempt; /* the last one started, 0: none */
    Usec first_at, started_at, ended_at, retry_at;
    Usec took;
    int64_t done_seq; /* of the event that ended it */
    const struct json *output;
    Str handle;  /* taken when DONE */
    Str kept_by; /* "run", "edit", ...: its result was taken over; empty: it has run */
    struct wf_error error;
    /* Of a wait. */
    Usec due_at; /* wall; 0: never */
    bool relative;
    Str due_handle;          /* taken when due */
    const struct json *wait; /* what it waits for: kind, ... */
    struct json *answers;    /* so far, when several are wanted */
    struct wf_cycle *inside; /* of a container, once it was opened */
    /* The caller's own. */
    void *attempt_of; /* of a step in flight */
    bool looked_back; /* of a wait: for events that came before it */
};

enum { WF_CYCLE_MAX = 1000000 }; /* items, or rounds */

struct wf_steps {
    struct wf_node_run *first, *last;
    int n;
};

/* One item or round of a container, or the workflow itself: the states of the nodes in it. It lives
 * in an arena of its own, which is freed some time after it has ended. */
struct wf_frame {
    struct wf_cycle *cycle; /* NULL: the workflow itself */
    int index;
    struct wf_path path;
    struct arena *a;
    size_t bytes;              /* of it when it was last looked at */
    struct wf_node_run *nodes; /* of the workflow: by index; else by their place in the body */
    int left;                  /* nodes that are not at their end */
    int running;               /* steps in flight, those of frames below included */
    bool stopped; /* nothing begins in it any more; it ends when nothing is in flight */
    bool failed;
    struct json *vars;            /* of a round that is to be kept: as they were in it */
    struct wf_frame *chain;       /* in the table of its cycle */
    struct wf_frame *prev, *next; /* of all that live; of those that are to be freed */
};

/* A container that is, or was, under way. */
struct wf_cycle {
    struct wf_node_run *step;
    struct arena *a; /* of the frame that the container is in */
    struct wf_cycle_rules rules;
    int count; /* items, or rounds at most */
    int begun, done, failed, live;
    struct wf_frame **table; /* those that live, by index */
    unsigned mask;
    bool closing; /* a failure ends it */
    struct wf_error error;
    /* Of an iteration. */
    const struct json *items; /* NULL: to be asked for (wf_core_lacks) */
    struct json *results;     /* an array; what is left out of it is in @skipped */
    bool *skipped;
    struct json *errors; /* the first few */
    /* Of a loop. */
    struct wf_frame *over; /* the round to decide about */
    struct wf_loop_var *vars;
    int n_vars;
    size_t var_bytes;
    Str ended_by;
    const struct json *last; /* what the last round gave */
    VEC(Id) taken;           /* events that have answered a wait in it */
};

/* Which items or rounds are kept when they are over, for who looks at them: those of @node, which
 * is in @in, from @from and before @to. Set before the fold. */
struct wf_keep {
    bool wanted;
    struct wf_path in;
    int node, from, to;
    struct wf_frame *kept;
};

struct wf_state {
    const struct wf_def *def;
    enum wf_run_state run;
    bool queued_before; /* it rests, and was before a gate */
    int64_t seq;        /* of the last event applied */
    int steps;          /* attempts started */
    const struct json *input, *request, *vars, *output;
    const struct json *kept, *rerun_of, *parent, *cause; /* of RUN_STARTED */
    bool dry_run;
    struct wf_error error;
    int error_node; /* -1: none */
    Usec started_at, ended_at, wait_until;
    const struct json *flow; /* of RUN_QUEUED; NULL: it has passed no gate */
    bool cancel_requested;
    bool undoing, undo_cancelled; /* what the run did is undone (undo.c), since it was cancelled */
    bool was_open;                /* a step has waited for what comes from outside */
    bool has_children;            /* for the end of another run */
    /* While nothing but waits is left the time of the run stands still. */
    Usec idle_since, idle;
    Usec clock_shift; /* by how much the wall clock was set since the start */
    Str clock;        /* of the last event that has one */
    struct arena *a;
    bool copies; /* what is applied is copied: the caller need not keep it */
    struct wf_frame root;
    struct wf_node_run *nodes; /* of the workflow itself, by index; those in bodies take no part */
    struct wf_steps ready;     /* in-edges all known, and not begun; oldest first */
    struct wf_steps running, retrying, waits;
    struct wf_steps settled; /* containers about which there is something to decide */
    int n_open;              /* containers of the workflow itself in WF_NODE_OPEN */
    int failed_node;         /* of an unhandled failure; -1 */
    struct wf_frame *frames; /* all that live, without the root */
    struct wf_frame *dead;   /* to be freed with the next event */
    size_t frame_bytes;      /* of those that live */
    unsigned stops;          /* how often a frame was stopped */
    struct wf_keep keep;
    VEC(struct wf_node_run *)
    dropped; /* waits that nobody is to answer any more; of the last event */
};

/* A fresh state in @a. The json and texts of events applied later must live as long as the arena of
 * their frame, unless @copies is set. */
struct wf_state *wf_core_new(struct arena *a, const struct wf_def *def);
/* How many bytes of @a that takes. */
size_t wf_core_size(const struct wf_def *def);
/* The frame at @path; NULL if it is not under way. */
struct wf_frame *wf_core_frame(const struct wf_state *s, const struct wf_path *path);
/* Item or round @index of container @n: under way, or kept; NULL. */
struct wf_frame *wf_core_turn(const struct wf_state *s, const struct wf_node_run *n, int index);
/* The same by path. */
struct wf_frame *wf_core_frame_kept(const struct wf_state *s, const struct wf_path *path);
/* The step of @node in @frame or in those around it; NULL. */
struct wf_node_run *wf_core_step(const struct wf_state *s, const struct wf_frame *frame, int node);
/* The frame that @frame's container is in; NULL for the workflow itself. */
static inline struct wf_frame *wf_frame_above(const struct wf_frame *frame)
{
    return frame->cycle ? frame->cycle->step->frame : NULL;
}
/* The step from which @edge led to @to, by being taken; NULL: it did not, or not yet. */
const struct wf_node_run *wf_core_came(const struct wf_state *s, const struct wf_node_run *to,
                                       const struct wf_edge *edge);
/* Whether @frame or one around it is stopped. */
bool wf_frame_is_stopped(const struct wf_frame *frame);
/* The outermost container around @frame whose items are not known (after a restart); NULL. */
struct wf_cycle *wf_core_lacks(const struct wf_frame *frame);
/* Fold one event in. E_CORRUPT when it cannot follow (gap in seq, a step ends that did not start,
 * anything after a final event): the state is not changed then. */
Err wf_core_apply(struct wf_state *s, const struct wf_event *ev);

enum wf_do {
    WF_DO_NOTHING, /* wait for steps in flight, for answers, or for until */
    WF_DO_START,   /* start @attempt of @node */
    WF_DO_KEEP,    /* @node takes over a result: record wf_core_kept() */
    WF_DO_SKIP,    /* no in-edge was taken: record the skip */
    WF_DO_WAKE,    /* the wait of @node is over: record wf_core_due() */
    WF_DO_ROUND,   /* a round of @node is over: ask its type, record wf_core_round() */
    WF_DO_CLOSE,   /* all of @node is over: record wf_core_close() */
    WF_DO_UNDO,    /* the run is to end, but first what it did is undone: record wf_core_undo() */
    WF_DO_SUCCEED, /* with wf_core_output() */
    WF_DO_FAIL,
    WF_DO_CANCELLED,
};
struct wf_decision {
    enum wf_do what;
    int node, attempt;
    struct wf_node_run *step; /* of @node; NULL: no step */
    Usec until; /* WF_DO_NOTHING: wall time of the next retry or end of a wait; 0: none */
    struct wf_error error;
};
/* What to do next at wall time @now. The caller carries it out, applies the event that says so, and
 * asks again; a START it holds back (limit on parallel steps) is remembered by @in_flight: with
 * def->max_parallel steps running it answers NOTHING. Cancelled and failed runs drain: no new steps
 * are started, the end is decided when none runs. */
void wf_core_next(struct wf_state *s, Usec now, struct wf_decision *ret_decision);

/* The event by which @n takes over the result that is kept for it (all but seq and at). */
void wf_core_kept(const struct wf_state *s, const struct wf_node_run *n,
                  struct wf_event *ret_event);
/* The event that ends the wait @n whose time has come (all but seq and at). */
void wf_core_due(struct arena *a, const struct wf_node_run *n, struct wf_event *ret_event);
/* What @answer to the wait @n leads to, as the event to record; false: nobody waits for it
 * any more. */
bool wf_core_answer(struct arena *a, const struct wf_node_run *n, const struct json *answer,
                    struct wf_event *ret_event);
/* What the end of the run that @n waits for means, as the event to record. (subrun.c) */
void wf_core_child_answer(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                          const struct json *answer, Usec now, struct wf_event *ret_event);
/* The event that opens container @n. */
void wf_core_open(struct arena *a, const struct wf_node_run *n, const struct wf_opening *opening,
                  struct wf_event *ret_event);
/* The event that says how container @n goes on after a round. */
void wf_core_round(struct arena *a, const struct wf_node_run *n, const struct wf_round *round,
                   struct wf_event *ret_event);
/* The event that ends container @n, all of which is over. */
void wf_core_close(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                   struct wf_event *ret_event);
/* The event by which a run begins to undo what it did, as @d (WF_DO_UNDO) says. */
void wf_core_undo(struct arena *a, const struct wf_decision *d, bool cancelled,
                  struct wf_event *ret_event);
/* How that stands: {because, state, failed}; NULL: nothing is, or was, undone. */
struct json *wf_undo_json(struct arena *a, const struct wf_state *s);
/* The wall time at which the run has taken too long; USEC_NEVER. For the
 * timeout the time in which nothing but waits is left does not count, for the deadline it does. */
Usec wf_core_deadline(const struct wf_state *s);

/* What an attempt of @n that failed with @e leads to, as the event to record (all but seq and
 * at): a retry at a time (@chance in [0,1) is for the jitter, @retry_after the far end's own wish),
 * a default output, the error branch, or the failure of the run. @message is kept. */
void wf_core_failure(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                     int attempt, Err e, Str message, Usec now, Usec retry_after, double chance,
                     struct wf_event *ret_event);
/* The same for an attempt whose end is not known after a crash: tried again at once if the node's
 * policy allows a repeat, else failed as "unknown_outcome". */
void wf_core_interrupted(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                         Usec now, struct wf_event *ret_event);

/* The failure of @n with @error that is not tried again: its default output, its error branch, or
 * the end of what it is in. */
void wf_core_give_up(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                     int attempt, struct wf_error error, struct wf_event *ret_event);

/* The run's output: that of the one output node reached (or the one last node), else an object by
 * node id. */
const struct json *wf_core_output(struct arena *a, const struct wf_state *s);
/* The same of an item or a round. */
const struct json *wf_core_output_of(struct arena *a, const struct wf_state *s,
                                     const struct wf_frame *frame);
/* Item @index of @c, whose items are known: of an object {key, value}. */
struct json *wf_cycle_item(struct arena *a, const struct wf_cycle *c, int index);
/* What the id of the container around @frame means in it: {item, index, count} or {index, vars}. */
struct json *wf_frame_json(struct arena *a, const struct wf_frame *frame);

/* The result that is given for step @id of @def by @mock, {output, handle}: of which node, and by
 * which handle it goes on. @inside: steps of bodies too. E_INVALID with what is wrong. (mocks.c) */
Err wf_mock_read(const struct wf_def *def, Str id, const struct json *mock, bool inside,
                 const struct wf_node **ret_node, Str *ret_handle);

/* What a run is, besides its state; for templates and for showing it. */
struct wf_facts {
    Id run, workflow, tenant;
    int version; /* 0: a draft */
    Usec created_at;
    Str trigger; /* "api", "webhook", "manual", "cli" */
};
/* The names templates see. In place; the scope points to it. Values made on the way live in @a. */
struct wf_names {
    struct arena *a;
    const struct wf_state *state;
    const struct wf_facts *facts;
    const struct wf_frame *frame; /* NULL: the workflow itself */
};
struct wf_scope wf_core_scope(struct wf_names *names);

#endif
