/* src/wf/sim.h - whole runs under a virtual clock and with faults, by the core that production has.
 *
 * A world has runs, a clock, a store, and people who answer. What is not committed is lost when the
 * process dies; at each place where production yields it may die, a commit may be refused, or its
 * answer may get lost. What steps give comes from a player: the tests make it up
 * (core_sim_test.c), sim_play.c asks the node types and makes up only what would come from
 * outside. What must hold in every run is checked by name, I1 to I11 (sim_check.c). The same seed
 * is the same history. Nothing here waits, calls out, or reads a clock.
 */
#ifndef WF_SIM_H
#define WF_SIM_H

#include "base/vec.h"
#include "wf/core.h"

struct sim;
struct sim_run;

/* How often things go wrong: parts of 1, at each occasion. */
struct sim_rates {
    double crash;       /* the process dies: at each turn, and in three places of each commit */
    double refused;     /* a commit: the store is away for a while */
    double lost_answer; /* a commit: it is not heard what became of it */
    double again;       /* an answer to a wait comes twice */
    double cancel, pause, clock, queue; /* at each turn; somebody does it, or sets the clock */
    int max_crashes;                    /* of all */
    int poison_after; /* crashes under way after which a run is put away; 0: never */
    Usec down_max;    /* until the process is up again */
};

/* What an attempt gives. */
struct sim_gives {
    Err result;
    Str message; /* of a failure */
    struct wf_outcome outcome;
    Usec retry_after, took;
};

struct sim_player {
    /* One attempt of @n that begins now: of pure steps too, which take no time. */
    void (*attempt)(struct sim_run *r, struct wf_node_run *n, int number, struct sim_gives *ret);
    Err (*wait)(struct sim_run *r, struct wf_node_run *n, int number, struct wf_wait *ret_wait);
    Err (*open)(struct sim_run *r, struct wf_node_run *n, struct wf_opening *ret_opening);
    Err (*round)(struct sim_run *r, struct wf_node_run *n, struct wf_round *ret_round);
    /* After how long somebody answers the wait of @n; USEC_NEVER: nobody does. */
    Usec (*answer_in)(struct sim_run *r, const struct wf_node_run *n);
    const struct json *(*answer)(struct sim_run *r, const struct wf_node_run *n);
    /* The workflow of that name, a reference; NULL: its run is not simulated but answered. */
    struct wf_def *(*child)(struct sim_run *r, Str name);
};

/* One step of one item, over all crashes. */
struct sim_step {
    struct wf_path in;
    int node;
    int calls, starts; /* attempts that were made; that are recorded durably */
    bool ended;        /* durably, with @result (NULL: of a container) */
    const struct json *result;
    Usec due;                 /* on the steady clock: the wait is not over before */
    bool waits;               /* the store knows that it waits */
    bool listed;              /* in sim_run.asked */
    Usec answer_at;           /* steady; 0: nobody is about to answer */
    struct wf_def *child_def; /* of the run that begins with the next commit */
    const struct json *child_input;
    struct sim_run *child; /* its run */
};

/* An attempt in flight. */
struct sim_call {
    struct sim_call *next;
    struct wf_node_run *n;
    struct sim_step *step;
    int number;
    Usec ends_at; /* steady */
    bool cut;     /* it was stopped */
    struct sim_gives gives;
};

struct sim_answer {
    struct sim_step *step;
    const struct json *body;
    bool taken; /* with the next commit it is deleted */
};

struct sim_run {
    struct sim *sim;
    int id;
    struct wf_def *def;
    struct wf_state *s;
    struct wf_facts facts;
    const struct json *input, *vars, *kept;
    VEC(struct wf_event) journal; /* applied; the first n_durable survive a crash */
    size_t n_durable;
    bool accepted; /* its caller heard so */
    int depth;     /* runs above it */
    struct sim_run *parent;
    struct sim_step *parent_step;
    VEC(struct sim_step *) steps; /* all there ever were */
    struct map *by_key;
    VEC(struct sim_step *) asked; /* steps somebody may answer */
    VEC(struct sim_answer) mail;  /* durable */
    VEC(struct sim_run *) stops;  /* children to be stopped with the next commit */
    VEC(struct wf_node_run *) starting;
    struct sim_call *calls;
    /* What is durable of what was asked. */
    bool cancel_asked, pause_asked;
    Usec resume_at; /* steady: when somebody lets it go on */
    /* Until something happens, or this wall time comes (0: it does not). */
    bool idle, parked, holds;
    Usec until, admit_at;
    Usec began, ended; /* steady */
    Usec first_skew;   /* of the clock when it began */
    int crashes;       /* since it made progress last */
    Usec cancelled_at;
    bool stuck; /* it waits for what does not come */
};

struct sim_line {
    Usec at;
    Str text;
};

struct sim {
    uint64_t state; /* of chance */
    struct arena *a;
    const struct sim_player *player;
    void *ctx; /* the player's own */
    struct sim_rates rates;
    Usec epoch; /* wall time of the steady clock's zero, before it was set */
    Usec now;   /* steady */
    Usec skew;  /* by how much the wall clock was set */
    VEC(struct sim_run *) runs;
    int crashes, refused, lost_answers, doubled, commits;
    uint64_t turns, turns_max;
    size_t memory_max;  /* of @a; more ends it */
    Usec deadline;      /* monotonic, of real time: then it ends; 0: none */
    bool spent;         /* turns, memory or time are */
    bool checks;        /* fold journals in the middle of a run too (I10) */
    const char *broken; /* what did not hold: "I2: ..." */
    bool traced;
    VEC(struct sim_line) trace;
};

/* A world in @a, which stays as long as it. The caller sets player, rates, turns_max, memory_max.
 */
void sim_init(struct sim *m, struct arena *a, uint64_t seed, Usec epoch);
/* Release what is not in the arena. */
void sim_done(struct sim *m);
uint64_t sim_random(struct sim *m);
bool sim_chance(struct sim *m, double part);
/* A run of @def, a reference that it keeps; what it is given stays as long as the world. */
struct sim_run *sim_add(struct sim *m, struct wf_def *def, const struct json *input,
                        const struct json *kept);
/* Until all runs have ended or are stuck, turns or memory are spent, or a promise is broken. */
void sim_go(struct sim *m);
/* The wall clock. */
Usec sim_wall(const struct sim *m);

/* sim_store.c: the store, and the death of the process. */

/* Apply @ev, with the next number and time; it waits for the next commit. */
void sim_record(struct sim_run *r, struct wf_event ev);
/* All that is pending becomes durable. false: the process died meanwhile, and its state is another
 * now. */
[[nodiscard]] bool sim_commit(struct sim_run *r);
void sim_crash(struct sim *m);
/* A run that was interrupted or put away goes on: what was in flight is settled. */
void sim_resume(struct sim_run *r);
/* A fresh state of the first @n events, by way of their JSON. */
struct wf_state *sim_fold(struct sim_run *r, size_t n);
struct sim_step *sim_step_at(struct sim_run *r, const struct wf_path *in, int node);
struct sim_step *sim_step_of(struct sim_run *r, const struct wf_node_run *n);
/* What is under way of it now; NULL. */
struct wf_node_run *sim_live(const struct sim_run *r, const struct sim_step *step);
void sim_note(struct sim_run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* sim_check.c: what must hold. @what begins with its name. */
void sim_broken(struct sim *m, const char *what);
void sim_check_durable(struct sim_run *r, struct sim_step *step, const struct wf_event *ev);
void sim_check_call(struct sim_run *r, const struct wf_node_run *n);
void sim_check_now(struct sim_run *r);
void sim_check_end(struct sim_run *r);
bool sim_states_equal(struct arena *a, const struct wf_state *x, const struct wf_state *y);

#endif
