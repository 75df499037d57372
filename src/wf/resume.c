/* src/wf/resume.c - a run that was interrupted or put away is taken up again.
 *
 * Its journal is folded into a state by the same core that wrote it; then it hears what happened
 * while nobody drove it, and goes on.
 */
#include "wf/engine_private.h"

#include <stdlib.h>

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
        TRY(run_record_clock(run, shift));
    if (s->seq == 1 && (s->parent || run->gathered)) { /* nobody has driven it yet */
        TRY(run_child_enter(run));
    } else {
        TRY(run_record(run, (struct wf_event){.kind = WF_EV_RUN_RESUMED,
                                              .node = -1,
                                              .data = json_str(run->a, why)}));
        if (str_eq(why, S("wake")))
            run->woke_seq = s->seq;
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
        TRY(run_record(run, ev));
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
            end = run_commit_release(run);
        run->ended = true;
        run_unregister(run);
        return end;
    }
    struct wf_run *driven = run;
    run = NULL; /* its reference goes to the driver */
    return run_drive(driven);
}
