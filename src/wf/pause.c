/* src/wf/pause.c - runs that rest by somebody's wish, or because they bring the server down.
 *
 * The wish stands in the run's row, so it outlives everything. Whoever holds the run begins nothing
 * new, lets steps in flight end, and puts the run away until it may go on. A run that was under way
 * in too many crashes is put away in the same manner before it does anything again: a person
 * decides.
 */
#include "wf/engine_private.h"

#include <stdlib.h>

/* ---- asking ---- */

struct pause_message {
    struct wf_engine *engine;
    Id id;
    bool pause;
};

static void pause_here(void *arg)
{
    struct pause_message *m = arg;
    struct map *runs = m->engine->shards[shard_index(shard_self())].runs;
    struct wf_run *run = map_get(runs, str_from((char *)m->id.b, 16));

    if (run) {
        run->pause_asked = m->pause;
        run_poke(run);
    }
    free(m);
}

static void pause_everywhere(struct wf_engine *e, Id id, bool pause)
{
    for (unsigned i = 0; i < shard_count(); i++) {
        struct pause_message *m = malloc(sizeof *m);
        if (!m)
            DIE("out of memory");
        *m = (struct pause_message){e, id, pause};
        shard_post(shard_at(i), pause_here, m);
    }
}

Err wf_run_pause(struct wf_engine *e, struct arena *a, Id tenant, Id id)
{
    TRY(store_run_request_pause(e->db, a, tenant, id));
    pause_everywhere(e, id, true);
    engine_kick(e);
    return OK;
}

Err wf_run_resume(struct wf_engine *e, struct arena *a, Id tenant, Id id)
{
    TRY(store_run_request_resume(e->db, a, tenant, id));
    pause_everywhere(e, id, false);
    engine_kick(e);
    return OK;
}

Err engine_hear_pauses(struct wf_engine *e)
{
    AUTO(arena) *a = arena_new(MIB(4));
    RunRows rows;

    TRY(store_run_pauses(e->db, a, e->node, &rows));
    vec_each(&rows, row)
        pause_everywhere(e, row->id, true);
    return OK;
}

/* ---- resting ---- */

Err run_record_poison(struct wf_run *run)
{
    run->poisoned = run->pause_asked = true;
    return run_record(run, (struct wf_event){.kind = WF_EV_RUN_PAUSED,
                                             .node = -1,
                                             .data = json_str(run->a, S("crash_loop"))});
}

Err run_record_pause(struct wf_run *run)
{
    if (wf_run_state_rests(run->state->run))
        return OK;
    return run_record(run, (struct wf_event){.kind = WF_EV_RUN_PAUSED,
                                             .node = -1,
                                             .data = json_str(run->a, S("asked by a user"))});
}

void run_write_rest(const struct wf_run *run, struct db_tx *tx)
{
    store_run_rest(tx, run->row.id, run->row.lease_epoch, (int)run->state->run, run->poisoned);
}
