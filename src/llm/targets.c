/* src/llm/targets.c - how the targets of routes are: their health, how quick they are, what is
 * under way. */
#include "llm/targets.h"

#include "llm/llm_private.h"
#include "llm/states.h"

#include <stdlib.h>

enum { TARGETS_MAX = 20000, KEY_MAX = 16 + LLM_MODEL_MAX };

static Str target_key(char out[KEY_MAX], const struct llm_target *t)
{
    size_t n = t->model.n < LLM_MODEL_MAX ? t->model.n : LLM_MODEL_MAX;

    memcpy(out, t->provider->id.b, 16);
    memcpy(out + 16, t->model.p, n);
    return str_from(out, 16 + n);
}

/* Under the lock: forget those that nobody uses now. */
static void sweep(struct llm *llm)
{
    struct map *kept = map_new();
    size_t at = 0;
    void *value;
    Str key;

    while (map_next(llm->targets, &at, &key, &value)) {
        struct llm_target_state *s = value;
        if (s->under_way || s->gate.n)
            (void)map_put(kept, key, s); /* there was none */
        else
            free(s);
    }
    map_free(llm->targets, NULL);
    llm->targets = kept;
}

/* Under the lock. Routes are few; should there be too many targets, all begin anew. */
static struct llm_target_state *state_of(struct llm *llm, const struct llm_target *t)
{
    char key[KEY_MAX];
    Str k = target_key(key, t);
    struct llm_target_state *s = map_get(llm->targets, k);

    if (s)
        return s;
    if (map_count(llm->targets) >= TARGETS_MAX)
        sweep(llm);
    s = calloc(1, sizeof *s);
    if (!s)
        DIE("out of memory");
    (void)map_put(llm->targets, k, s); /* there was none */
    return s;
}

static enum llm_take take(struct llm_target_state *s, unsigned most, bool has_turn)
{
    bool room = !most || (s->under_way < most && (has_turn || !s->gate.n));

    if (!room)
        return LLM_FULL;
    if (!llm_health_take(&s->health, time_mono())) {
        (void)llm_gate_wake(&s->gate); /* it is so for all who wait */
        return LLM_RESTS;
    }
    s->under_way++;
    if (s->under_way < most)
        (void)llm_gate_wake(&s->gate); /* there is room for one more */
    return LLM_TAKEN;
}

enum llm_take llm_target_take(struct llm *llm, const struct llm_target *target, unsigned most,
                              bool has_turn)
{
    Usec until;

    uv_mutex_lock(&llm->lock);
    struct llm_target_state *s = state_of(llm, target);
    bool down = llm_state_is_down(llm, target->provider, &until);
    enum llm_take taken = down ? LLM_RESTS : take(s, most, has_turn);
    if (down)
        (void)llm_gate_wake(&s->gate); /* it is so for all who wait */
    uv_mutex_unlock(&llm->lock);
    return taken;
}

/* Under the lock: a call has ended. */
static void leave(struct llm_target_state *s)
{
    s->under_way -= s->under_way > 0;
    (void)llm_gate_wake(&s->gate); /* if anybody waits */
}

/* Under the lock: @s went from @before to what it is. */
static void tell_change(struct llm *llm, const struct llm_target *t, unsigned before,
                        const struct llm_target_state *s)
{
    struct llm_alert alert = {.tenant = t->provider->tenant, .at = time_wall()};

    if (before < LLM_FAILURES_MAX && s->health.failures >= LLM_FAILURES_MAX)
        alert.event = "provider.down";
    else if (before >= LLM_FAILURES_MAX && s->health.failures == 0)
        alert.event = "provider.up";
    else
        return;
    snprintf(alert.provider, sizeof alert.provider, "%.*s", P(t->provider->name));
    snprintf(alert.model, sizeof alert.model, "%.*s", P(t->model));
    llm_alerts_add(llm->alerts, &alert);
}

void llm_target_note(struct llm *llm, const struct llm_target *target, enum llm_verdict verdict,
                     Usec retry_after, Usec first_byte)
{
    Usec now = time_mono();

    uv_mutex_lock(&llm->lock);
    struct llm_target_state *s = state_of(llm, target);
    unsigned before = s->health.failures;
    llm_health_note(&s->health, verdict, retry_after, now);
    tell_change(llm, target, before, s);
    if (first_byte > 0) {
        llm_latency_add(&s->latency, first_byte, now);
        llm_pace_add(&s->pace, first_byte);
    }
    leave(s);
    uv_mutex_unlock(&llm->lock);
}

void llm_target_drop(struct llm *llm, const struct llm_target *target)
{
    uv_mutex_lock(&llm->lock);
    struct llm_target_state *s = state_of(llm, target);
    llm_health_drop(&s->health);
    leave(s);
    uv_mutex_unlock(&llm->lock);
}

void llm_target_lost(struct llm *llm, const struct llm_target *target, Usec waited)
{
    uv_mutex_lock(&llm->lock);
    struct llm_target_state *s = state_of(llm, target);
    llm_health_drop(&s->health);
    if (waited > s->latency.mean)
        llm_latency_add(&s->latency, waited, time_mono());
    if (waited > 0)
        llm_pace_add(&s->pace, waited);
    leave(s);
    uv_mutex_unlock(&llm->lock);
}

Err llm_target_wait(struct llm *llm, const struct llm_target *target, Id key, bool again,
                    Usec deadline)
{
    struct llm_waiter w;

    uv_mutex_lock(&llm->lock);
    struct llm_target_state *s = state_of(llm, target);
    bool crowded = s->gate.n >= LLM_TARGET_WAITING_MAX;
    if (!crowded && again)
        llm_gate_join(&s->gate, &w, true);
    else if (!crowded)
        llm_gate_join_fair(&s->gate, &w, key);
    uv_mutex_unlock(&llm->lock);
    if (crowded)
        return err_detail(E_OVERLOADED, "Too many calls wait for the provider \"%.*s\".",
                          P(target->provider->name));
    return llm_gate_wait(&s->gate, &w, &llm->lock, deadline);
}

/* Under the lock. */
static struct llm_target_state copy_of(struct llm *llm, const struct llm_provider *p,
                                       const struct llm_target_state *of)
{
    struct llm_target_state s = *of;
    Usec until;

    s.gate.first = s.gate.last = NULL;
    s.down = llm_state_is_down(llm, p, &until);
    if (s.down)
        s.health.rest_until = usec_max(s.health.rest_until, until);
    return s;
}

struct llm_target_state llm_target_look(struct llm *llm, const struct llm_target *target)
{
    uv_mutex_lock(&llm->lock);
    struct llm_target_state s = copy_of(llm, target->provider, state_of(llm, target));
    uv_mutex_unlock(&llm->lock);
    return s;
}

/* ---- for probes, and to be shown ---- */

void llm_targets_try(struct llm *llm, Id provider, Usec now)
{
    size_t at = 0;
    void *value;
    Str key;

    while (map_next(llm->targets, &at, &key, &value)) {
        struct llm_health *h = &((struct llm_target_state *)value)->health;
        if (memcmp(key.p, provider.b, sizeof provider.b) == 0 && h->failures >= LLM_FAILURES_MAX &&
            h->rest_until > now)
            h->rest_until = now;
    }
}

void llm_target_probed(struct llm *llm, const struct llm_target *target, enum llm_verdict verdict,
                       Usec first_byte, Usec now)
{
    struct llm_target_state *s = state_of(llm, target);
    unsigned before = s->health.failures;

    llm_health_note(&s->health, verdict, 0, now);
    tell_change(llm, target, before, s);
    if (first_byte > 0)
        llm_latency_add(&s->latency, first_byte, now);
}

void llm_targets_list(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant,
                      size_t max, LlmTargetRows *ret_rows)
{
    LlmTargetRows rows = {0};
    size_t at = 0;
    void *value;
    Str key;

    uv_mutex_lock(&llm->lock);
    while (rows.n < max && map_next(llm->targets, &at, &key, &value)) {
        Id id;
        memcpy(id.b, key.p, sizeof id.b);
        const struct llm_provider *p = llm_view_get(view, tenant, id);
        if (!p)
            continue;
        struct llm_target_row row = {id, str_dup(a, str_skip(key, sizeof id.b)),
                                     copy_of(llm, p, value)};
        vec_push(a, &rows, row);
    }
    uv_mutex_unlock(&llm->lock);
    *ret_rows = rows;
}
