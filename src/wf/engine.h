/* src/wf/engine.h - runs workflows durably: what core.c decides, this carries out and journals.
 *
 * A run in memory belongs to one shard and is driven by one fiber there; its steps that call out
 * are child fibers. Pure steps are computed at once and journaled with the next commit. Before a
 * step that calls out begins, everything before it is durable; its result is durable before
 * anything that depends on it. A run is accepted when its first transaction is durable, not before.
 * From then on it ends, whatever happens to its caller, to the database's connection or to this
 * process.
 */
#ifndef WF_ENGINE_H
#define WF_ENGINE_H

#include "net/smtp.h"
#include "store/db.h"
#include "store/store_approval.h"
#include "store/store_run.h"
#include "wf/core.h"
#include "wf/hub.h"
#include "wf/retention.h"

struct secrets;
struct wf_engine;
struct wf_run;

/* How approvers get their links by mail. */
struct wf_mail_options {
    struct smtp_server server; /* no url: not at all */
    Str base_url;              /* of the links */
    bool german;
};

struct wf_engine_options {
    struct db *db;
    struct wf_env env;
    Id node;             /* this process; none: a new id */
    Id former;           /* a process that is certainly gone: what it held is free at once */
    Str node_name;       /* shown to operators */
    bool alone;          /* no other process can run on this database (SQLite) */
    size_t max_active;   /* runs in memory on each shard; 0: 20,000 */
    int max_crashes;     /* a run that was under way in so many crashes is put by; 0: 10 */
    Usec takeover_after; /* without a sign of life a node loses its runs to others; 0: 30 s */
    struct wf_retention_base retention; /* of runs that have ended */
    size_t max_values; /* bytes of what the steps of one run give, as JSON; 0: 128 MiB, the most */
    const struct secrets *secrets; /* of subscriptions (notice.h); NULL: nothing is sent */
    struct wf_mail_options mail;   /* what it points to stays as long as the engine */
};

/* Registers this process as a node, takes up what was interrupted, and keeps watch until the drain.
 */
Err wf_engine_new(const struct wf_engine_options *options, struct wf_engine **ret_engine) YIELDS;
/* Take no new run; let steps in flight end within @grace, then stop them; park every run durably.
 */
void wf_engine_drain(struct wf_engine *e, Usec grace) YIELDS;
void wf_engine_free(struct wf_engine *e);
struct wf_hub *wf_engine_hub(struct wf_engine *e);
struct db *wf_engine_db(struct wf_engine *e);
const struct wf_retention_base *wf_engine_retention(const struct wf_engine *e);

/* The compiled definition that is stored under @hash, from the cache or the store. Gives a
 * reference. */
Err wf_engine_def(struct wf_engine *e, Str hash, struct wf_def **ret_def) YIELDS;
/* The hash under which @def is stored. */
void wf_def_content_hash(const struct wf_def *def, uint8_t out[32]);

struct wf_start {
    Id tenant, workflow;
    int version;        /* 0: a draft */
    struct wf_def *def; /* shared; stored under its content hash already, or with the run */
    bool store_def;     /* store the definition in the same transaction */
    Str origin;         /* "api", "webhook", "manual", "cli" */
    const struct json *input, *request, *vars;  /* copied */
    const struct json *kept, *rerun_of, *cause; /* of the run's first event; copied */
    bool dry_run;                               /* nothing is called, nobody is asked (dry.c) */
    Str key;                                    /* idempotency key; empty: none */
    Str fingerprint;                            /* 32 bytes of what the key stands for */
    /* Queue more statements into the transaction that makes the run accepted. May be called again
     * if that has to be repeated; never after wf_run_start or wf_run_gather has returned, which
     * are shielded for it: whoever is cancelled meanwhile hears of it afterwards. */
    void (*also)(struct db_tx *tx, Id run, void *ctx);
    void *also_ctx;
    /* Watch the run from before its first step, for wf_follow; NULL: do not. The caller frees it.
     */
    struct wf_watch **ret_watch;
};

/* Start a run on this shard and wait until it is accepted; with flow control that is when it is in
 * the queue. E_EXISTS: the key was used before. E_RATE_LIMITED (retry_after_us set): runs of its
 * key come too fast. E_PRECONDITION: it is to be the only one, and another is under way. E_INVALID:
 * its key cannot be found out. E_CONFLICT: what @also stated does not hold. E_SHUTDOWN,
 * E_OVERLOADED, or what the store answered: nothing was accepted. Gives a reference of this shard.
 */
Err wf_run_start(struct wf_engine *e, const struct wf_start *start, struct wf_run **ret_run) YIELDS;
Id wf_run_id(const struct wf_run *run);
enum wf_run_state wf_run_state(const struct wf_run *run);
/* Until it has ended: OK. E_TIMEOUT. E_SHUTDOWN when it was put down because the server stops. As
 * long as somebody holds a reference a run stays in memory, however long it has to wait. */
Err wf_run_wait(struct wf_run *run, Usec deadline) YIELDS;
/* Until a step of it has answered, durably: OK, and the answer (node.h), which lives as long as
 * @run; or until it has ended without one: OK and NULL. Else as wf_run_wait. For definitions that
 * are @answered. */
Err wf_run_wait_answer(struct wf_run *run, Usec deadline, const struct json **ret_answer) YIELDS;
void wf_run_unref(struct wf_run *run);
DEFINE_AUTO(wf_run, wf_run_unref)
/* The run as the API shows it, from memory. */
struct json *wf_run_json(struct arena *a, const struct wf_run *run, Str workflow_name);

/* Whether such a start is gathered with others into one run (settings.flow.debounce, .batch):
 * then wf_run_gather() takes it. What is run again, or with given results, is not. */
bool wf_start_gathers(const struct wf_start *start);
struct wf_gathered {
    Id run;         /* which it is in; it is queued until it begins */
    int64_t starts; /* that are gathered for it, this one too */
    Usec due_at;    /* wall: when it begins if no other start comes */
};
/* Durably take a start that is gathered. Fails as wf_run_start(); @also gets no run. */
Err wf_run_gather(struct wf_engine *e, const struct wf_start *start,
                  struct wf_gathered *ret_gathered) YIELDS;

/* ---- runs again, and beside each other (rerun.c, compare.c) ---- */

struct wf_rerun {
    const struct run_row *row; /* the run that is run again */
    Str from;                  /* this step and all behind it; empty: all, or what edits lead to */
    const struct json *edits; /* results by node that stand in place of those of the run, or NULL */
    const struct json *handles; /* the ways that edited steps take, by node, or NULL */
};
/* Prepare the start of a run of start->def with the input of another run, and with its results for
 * the steps that are not to run again. Sets input, request, vars, kept and rerun_of of @start, in
 * @a. E_INVALID with what is wrong; E_TOO_LARGE. */
Err wf_rerun_prepare(struct wf_engine *e, struct arena *a, const struct wf_rerun *rerun,
                     struct wf_start *start) YIELDS;
/* Set kept of @start by @mocks ({node: {output, handle}}), in @a: these steps do not run, they take
 * what is given. E_INVALID. (mocks.c) */
Err wf_mocks_prepare(struct arena *a, const struct json *mocks, struct wf_start *start);
/* Whether among @kept is what people have decided, or would have to: to take it over, or to set it,
 * is to decide. */
bool wf_rerun_approves(const struct wf_def *def, const struct json *kept);
/* One node alone (node_try.c). */
struct wf_try {
    Id tenant, workflow;
    int version;
    struct wf_def *def;
    int node;
    const struct json *input, *vars, *outputs; /* outputs: of other nodes, by id; NULL: none */
};
/* Run it once, without a run; what came of it, also its failure, as the API shows it. E_INVALID,
 * E_UNSUPPORTED of what does not stand alone. */
Err wf_node_try(struct wf_engine *e, struct arena *a, const struct wf_try *t,
                struct json **ret_json) YIELDS;
/* How two runs differ, step by step, as the API shows it. E_NOT_FOUND. */
Err wf_run_compare(struct wf_engine *e, struct arena *a, Id tenant, Id left, Id right,
                   struct json **ret_json) YIELDS;

/* Ask a run to stop, wherever it is. E_NOT_FOUND; E_CONFLICT when it has ended. */
Err wf_run_cancel(struct wf_engine *e, struct arena *a, Id tenant, Id id) YIELDS;

/* Begin nothing new in a run until wf_run_resume; steps in flight end. It rests as a row then. The
 * wish is idempotent. E_NOT_FOUND; E_CONFLICT when it has ended. */
Err wf_run_pause(struct wf_engine *e, struct arena *a, Id tenant, Id id) YIELDS;
/* Let a run that was paused, or is poisoned, go on. E_CONFLICT also when it does not rest. */
Err wf_run_resume(struct wf_engine *e, struct arena *a, Id tenant, Id id) YIELDS;

/* An event for whoever waits for it: delivered to each step that waits for @name and @key, durably
 * and once. */
struct wf_send {
    Id tenant;
    Str name, key;
    const struct json *data; /* NULL: null */
    Str idempotency;         /* the same event sent again is the same event; empty: none */
};
struct wf_sent {
    Id id;
    int64_t delivered; /* to so many steps that waited */
    bool duplicate;
};
/* E_EXISTS when @idempotency was used for another event. */
Err wf_event_send(struct wf_engine *e, struct arena *a, const struct wf_send *send,
                  struct wf_sent *ret_sent) YIELDS;

/* The events that start the published @def, as store_event_start.h has them; in @a. */
Str wf_trigger_events(struct arena *a, const struct wf_def *def);
/* What is published has changed. */
void wf_event_starts_changed(struct wf_engine *e);
void wf_polls_changed(struct wf_engine *e);
struct poll_row;
/* What the published @def looks at for something new, if it does: kind and spec of *ret_row, in @a.
 * E_INVALID: it may not look there. */
Err wf_trigger_poll(struct wf_engine *e, struct arena *a, const struct wf_def *def,
                    struct poll_row *ret_row, bool *ret_has);

struct mailbox_row;
/* What is published of @workflow has changed. */
void wf_mails_changed(struct wf_engine *e, Id workflow);
/* The mails that the published @def reads, if it does: hash apart, *ret_row in @a, with @tenant.
 * E_INVALID, E_EGRESS: it may not. */
Err wf_trigger_mail(struct wf_engine *e, struct arena *a, Id tenant, const struct wf_def *def,
                    struct mailbox_row *ret_row, bool *ret_has);
/* The text of @def with the secrets of its trigger sealed for @tenant (seal.h); empty: nothing has
 * to be sealed. E_INVALID: it was sealed for something else. */
Err wf_trigger_seal(struct wf_engine *e, struct arena *a, Id tenant, const struct wf_def *def,
                    Str *ret_text);
/* Connect as the trigger of @def says, and look at its folder: what is there, as the API shows it.
 */
Err wf_mail_test(struct wf_engine *e, struct arena *a, Id tenant, const struct wf_def *def,
                 struct json **ret_json) YIELDS;

/* ---- people decide (approval.c) ---- */

struct json *wf_approval_json(struct arena *a, const struct approval_row *row,
                              const Decisions *decisions);
/* The signature of @by's link, and whether it is one for an approver of this. */
Str wf_approval_sign(struct arena *a, const struct approval_row *row, Str by);
/* What became of the mails to its approvers: a list of objects. */
Err wf_approval_mails_json(struct wf_engine *e, struct arena *a, Id approval,
                           struct json **ret_list) YIELDS;
/* The link of approver @by, to a page of the server at @base_url. */
Str wf_approval_link(struct arena *a, Str base_url, const struct approval_row *row, Str by);
bool wf_approval_signed(struct arena *a, const struct approval_row *row, Str by, Str signature);

struct wf_decide {
    const struct approval_row *row;
    Str by;
    bool approve;
    const struct json *data; /* NULL: null */
    Str comment;
};
struct wf_decided {
    bool recorded;           /* else: @by decided before, or it is too late */
    Str decision;            /* what @by has decided; empty: nothing */
    Str outcome;             /* how it ended; empty: it is open, or was until now */
    JsonSchemaErrors errors; /* with E_INVALID */
};
/* E_INVALID when the data does not meet the form. */
Err wf_approval_decide(struct wf_engine *e, struct arena *a, const struct wf_decide *decide,
                       struct wf_decided *ret_decided) YIELDS;

struct gather_row;
/* What is gathered, as the API shows it. */
struct json *wf_gather_json(struct arena *a, const struct gather_row *row);

/* The run as the API shows it, from the store, with its steps if @steps. E_NOT_FOUND. */
Err wf_run_load(struct wf_engine *e, struct arena *a, Id tenant, Id id, struct json **ret_json)
    YIELDS;
/* The items or rounds of container @node, which is in @scope ("" or "outer[3]"), with their steps:
 * those from @from that have begun, at most @limit. E_NOT_FOUND, E_SYNTAX. */
struct wf_items_page {
    Id tenant, run;
    Str scope, node;
    int from, limit;
};
Err wf_run_items(struct wf_engine *e, struct arena *a, const struct wf_items_page *page,
                 struct json **ret_json) YIELDS;
struct json *wf_run_row_json(struct arena *a, const struct run_row *row);

/* Give every event of @run with seq > @after to @fn, as JSON that has the run's id, live ones too,
 * until the run has ended. @fn may yield. @on_idle is called after each @idle without an event. */
struct wf_follow {
    Err (*event)(void *ctx, int64_t seq, Str name, const struct json *event); /* seq 0: live */
    Err (*idle)(void *ctx);
    Usec idle_after;
    void *ctx;
    struct wf_watch *watch; /* of wf_start.ret_watch: then @after is 0; NULL: watch from now on */
};
Err wf_run_follow(struct wf_engine *e, Id tenant, Id run, int64_t after, const struct wf_follow *f)
    YIELDS;

#endif
