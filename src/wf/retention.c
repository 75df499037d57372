/* src/wf/retention.c - rules for how long runs are kept, and the fiber that deletes those that are
 * over.
 *
 * Every minute it goes through the workflows and deletes what their rules say, some dozens of runs
 * a transaction, so that the store's writer is never held for long. It remembers by outcome up to
 * which run it has looked: what is left below is kept, under way or looked at again each hour. All
 * nodes of a fleet do this; one that finds its runs deleted by another looks again.
 */
#include "wf/retention.h"

#include "rt/log.h"
#include "rt/metric.h"
#include "wf/engine_private.h"

#include <stdlib.h>

enum { PAGE = 200, FIND = 500, VACUUM_PAGES = 1024, LOOK_BACK_EVERY = 60, RACES_MAX = 10 };

static struct metric deleted_total = {"heddle_runs_deleted_total",
                                      "Runs that were deleted because they were old enough.",
                                      METRIC_COUNTER, NULL};

static const struct field rule_fields[] = {
    {"age", F_USEC, offsetof(struct retention_rule, age), .min = 60, .max = 36500.0 * 86400,
     .title = "Age", .help = "Runs that ended so long ago are deleted."},
    {"count", F_INT, offsetof(struct retention_rule, count), .dflt = "0", .min = 1, .max = 100000,
     .title = "Runs", .help = "So many are kept, the newest."},
    {0},
};

const struct field wf_retention_fields[] = {
    {"age", F_USEC, offsetof(struct wf_retention_cfg, age), .min = 60, .max = 36500.0 * 86400,
     .title = "Age", .help = "Runs that ended so long ago are deleted."},
    {"count", F_INT, offsetof(struct wf_retention_cfg, count), .dflt = "0", .min = 1, .max = 100000,
     .title = "Runs", .help = "So many of each outcome are kept, the newest."},
    {"succeeded", F_OBJECT, offsetof(struct wf_retention_cfg, succeeded), .sub = rule_fields,
     .title = "Succeeded", .help = "For runs that succeeded."},
    {"failed", F_OBJECT, offsetof(struct wf_retention_cfg, failed), .sub = rule_fields,
     .title = "Failed", .help = "For runs that failed."},
    {"cancelled", F_OBJECT, offsetof(struct wf_retention_cfg, cancelled), .sub = rule_fields,
     .title = "Cancelled", .help = "For runs that were cancelled."},
    {0},
};

static const char *const outcome_names[] = {
    [RETENTION_SUCCEEDED] = "succeeded",
    [RETENTION_FAILED] = "failed",
    [RETENTION_CANCELLED] = "cancelled",
};

/* What @first says, else @second. */
static struct retention_rule rule_or(struct retention_rule first, struct retention_rule second)
{
    return (struct retention_rule){first.age > 0 ? first.age : usec_max(second.age, 0),
                                   first.count > 0    ? first.count
                                   : second.count > 0 ? second.count
                                                      : 0};
}

struct retention wf_retention_rules(const struct wf_retention_cfg *cfg)
{
    struct retention_rule all = {cfg->age, cfg->count};
    return (struct retention){.of = {rule_or(cfg->succeeded, all), rule_or(cfg->failed, all),
                                     rule_or(cfg->cancelled, all)}};
}

bool wf_retention_is_set(const struct retention *rules)
{
    for (int i = 0; i < RETENTION_OUTCOMES; i++)
        if (rules->of[i].age || rules->of[i].count)
            return true;
    return false;
}

struct retention wf_retention_of(const struct wf_retention_base *base,
                                 const struct retention *of_tenant, const struct retention *own)
{
    struct retention rules;

    for (int i = 0; i < RETENTION_OUTCOMES; i++) {
        struct retention_rule r = rule_or(own->of[i], rule_or(of_tenant->of[i], base->usual));
        if (base->max_age && (!r.age || r.age > base->max_age))
            r.age = base->max_age;
        rules.of[i] = r;
    }
    return rules;
}

struct json *wf_retention_json(struct arena *a, const struct retention *rules)
{
    struct json *o = json_obj(a, NULL);
    char text[TIME_RFC3339_SIZE];

    for (int i = 0; i < RETENTION_OUTCOMES; i++) {
        const struct retention_rule *r = &rules->of[i];
        json_set(a, o, str_c(outcome_names[i]),
                 json_obj(a, "age",
                          r->age ? json_str(a, str_dup(a, time_span(r->age, text))) : json_null(a),
                          "count", r->count ? json_int(a, r->count) : json_null(a), NULL));
    }
    return o;
}

/* ---- deleting ---- */

/* Up to which run the runs of a workflow were looked at, by outcome. */
struct seen {
    Id up_to[RETENTION_OUTCOMES];
};

struct sweeper {
    struct wf_engine *engine;
    struct map *seen; /* workflow -> struct seen */
    unsigned turn;
    atomic_bool running;
};

struct sweeper *sweeper_new(struct wf_engine *e)
{
    struct sweeper *s = calloc(1, sizeof *s);
    if (!s)
        DIE("out of memory");
    s->engine = e;
    s->seen = map_new();
    return s;
}

void sweeper_free(struct sweeper *s)
{
    if (!s)
        return;
    map_free(s->seen, free);
    free(s);
}

static struct seen *seen_of(struct sweeper *s, const Id *workflow)
{
    Str key = str_from((const char *)workflow->b, sizeof workflow->b);
    struct seen *seen = map_get(s->seen, key);

    if (!seen) {
        seen = calloc(1, sizeof *seen);
        if (!seen)
            DIE("out of memory");
        (void)map_put(s->seen, key, seen);
    }
    return seen;
}

/* Delete @runs; E_CONFLICT when others were faster. */
static Err delete_all(struct sweeper *s, struct arena *a, const EndedRuns *runs)
{
    for (size_t at = 0; at < runs->n;) {
        EndedRuns rest = {.at = runs->at + at, .n = runs->n - at};
        size_t n;
        if (atomic_load(&s->engine->draining))
            return err_set(E_SHUTDOWN, "the server stops");
        TRY(store_retention_delete(s->engine->db, a, &rest, &n));
        metric_add(metric_series(&deleted_total), (int64_t)n);
        at += n;
    }
    return OK;
}

/* Delete what is in @range to its end. */
static Err clear_range(struct sweeper *s, struct retention_range range)
{
    int races = 0;

    for (;;) {
        AUTO(arena) *a = arena_new(MIB(16));
        EndedRuns runs;
        TRY(store_retention_find(s->engine->db, a, &range, FIND, &runs));
        if (runs.n == 0)
            return OK;
        Err e = delete_all(s, a, &runs);
        if (e == E_CONFLICT && ++races < RACES_MAX)
            continue;
        TRY(e);
        if (runs.n < FIND)
            return OK;
        range.after = runs.at[runs.n - 1].id;
        TRY(db_vacuum_some(s->engine->db, VACUUM_PAGES));
    }
}

static Err clear_old(struct sweeper *s, const struct retention_row *row, int first, int last,
                     Usec age, struct seen *seen)
{
    Usec cutoff = time_wall() - age;
    struct retention_range range = {.workflow = row->workflow,
                                    .first_state = WF_RUN_SUCCEEDED + first,
                                    .last_state = WF_RUN_SUCCEEDED + last,
                                    .after = seen->up_to[first],
                                    .before = id_floor(cutoff),
                                    .finished_before = cutoff};

    /* Ids begin with their time: a run that ended before then is below that id. */
    TRY(clear_range(s, range));
    for (int i = first; i <= last; i++)
        seen->up_to[i] = range.before;
    return OK;
}

static Err clear_surplus(struct sweeper *s, const struct retention_row *row, int outcome,
                         int64_t count)
{
    AUTO(arena) *a = arena_new(KIB(64));
    Id newest;
    Err e = store_retention_beyond(s->engine->db, a, row->workflow, WF_RUN_SUCCEEDED + outcome,
                                   count, &newest);

    if (e == E_NOT_FOUND)
        return OK;
    TRY(e);
    for (int i = 15; i >= 0 && ++newest.b[i] == 0; i--) /* it goes too */
        ;
    return clear_range(s, (struct retention_range){.workflow = row->workflow,
                                                   .first_state = WF_RUN_SUCCEEDED + outcome,
                                                   .last_state = WF_RUN_SUCCEEDED + outcome,
                                                   .before = newest});
}

static Err sweep_workflow(struct sweeper *s, const struct retention_row *row)
{
    struct retention rules = wf_retention_of(&s->engine->o.retention, &row->of_tenant, &row->own);
    struct seen *seen = seen_of(s, &row->workflow);
    const struct retention_rule *r = rules.of;

    if (s->turn % LOOK_BACK_EVERY == 0)
        *seen = (struct seen){0};
    if (r[0].age && r[0].age == r[1].age && r[0].age == r[2].age) { /* as it is mostly */
        TRY(clear_old(s, row, 0, RETENTION_OUTCOMES - 1, r[0].age, seen));
    } else {
        for (int i = 0; i < RETENTION_OUTCOMES; i++)
            if (r[i].age)
                TRY(clear_old(s, row, i, i, r[i].age, seen));
    }
    for (int i = 0; i < RETENTION_OUTCOMES; i++)
        if (r[i].count)
            TRY(clear_surplus(s, row, i, r[i].count));
    return OK;
}

static Err sweep(struct sweeper *s)
{
    Id after = ID_NONE;

    for (;;) {
        AUTO(arena) *a = arena_new(MIB(4));
        RetentionRows rows;
        TRY(store_retention_list(s->engine->db, a, after, PAGE, &rows));
        vec_each(&rows, row) {
            TRY(sweep_workflow(s, row));
            after = row->workflow;
        }
        if (rows.n < PAGE)
            break;
    }
    s->turn++;
    return db_vacuum_some(s->engine->db, VACUUM_PAGES);
}

static Err sweep_fiber(void *arg)
{
    struct sweeper *s = arg;
    struct wf_engine *e = s->engine;
    Err err = sweep(s);

    if (err != OK && err != E_SHUTDOWN && err != E_CANCELLED)
        LOG_WARN("runs that are old enough could not be deleted; tried again in a minute",
                 L_ERR(err));
    atomic_store(&s->running, false);
    atomic_fetch_sub(&e->active, 1);
    return OK;
}

void sweeper_turn(struct sweeper *s)
{
    if (atomic_exchange(&s->running, true))
        return;                              /* the last one is not over */
    atomic_fetch_add(&s->engine->active, 1); /* the drain waits for it */
    fiber_start("retention", sweep_fiber, s);
}
