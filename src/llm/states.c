/* src/llm/states.c - how each provider is: what became of calls and probes. */
#include "llm/states.h"

#include "base/crypto.h"
#include "llm/llm_private.h"

#include <stdlib.h>

enum { STATES_MAX = 20000 };
static const Usec KEPT_FOR = USEC_MIN;
static const Usec FIRST_WITHIN = USEC_S; /* of probes, by chance */

/* ---- under the lock ---- */

static struct llm_provider_state *state_of(struct llm *llm, const struct llm_provider *p)
{
    struct llm_provider_state *s = map_get(llm->states, llm_id_key(&p->id));

    if (s)
        return s;
    if (map_count(llm->states) >= STATES_MAX) { /* of providers that are gone: all begin anew */
        map_free(llm->states, free);
        llm->states = map_new();
    }
    s = calloc(1, sizeof *s);
    if (!s)
        DIE("out of memory");
    (void)map_put(llm->states, llm_id_key(&p->id), s); /* there was none */
    return s;
}

bool llm_state_is_down(struct llm *llm, const struct llm_provider *p, Usec *ret_until)
{
    const struct llm_provider_state *s = map_get(llm->states, llm_id_key(&p->id));

    if (!p->probe.every || !s || s->revision != p->revision || s->probed.state != LLM_PROBED_DOWN)
        return false;
    *ret_until = s->probed.next_at;
    return true;
}

static void tell(struct llm *llm, const struct llm_provider *p, const struct llm_provider_state *s)
{
    bool down = s->probed.state == LLM_PROBED_DOWN;
    struct llm_alert alert = {.tenant = p->tenant,
                              .event = down ? "provider.down" : "provider.up",
                              .at = s->probed.since};

    snprintf(alert.provider, sizeof alert.provider, "%.*s", P(p->name));
    llm_alerts_add(llm->alerts, &alert);
}

/* ---- calls ---- */

void llm_state_note(struct llm *llm, const struct llm_provider *p, enum llm_fate fate,
                    Usec first_byte)
{
    Usec now = time_mono(), wall = time_wall();

    uv_mutex_lock(&llm->lock);
    struct llm_provider_state *s = state_of(llm, p);
    llm_vitals_note(&s->vitals, fate, first_byte, now, wall);
    if (fate == LLM_FATE_OK && llm_probed_alive(&s->probed, wall)) {
        tell(llm, p, s);
        llm_targets_try(llm, p->id, now);
    }
    uv_mutex_unlock(&llm->lock);
}

struct llm_provider_state llm_state_look(struct llm *llm, const struct llm_provider *p)
{
    uv_mutex_lock(&llm->lock);
    const struct llm_provider_state *found = map_get(llm->states, llm_id_key(&p->id));
    struct llm_provider_state s = found ? *found : (struct llm_provider_state){0};
    uv_mutex_unlock(&llm->lock);
    if (!p->probe.every || s.revision != p->revision)
        s.probed = (struct llm_probed){0};
    return s;
}

const char *llm_state_name(const struct llm_provider *p, const struct llm_provider_state *s)
{
    if (!p->enabled || p->sealed)
        return "off";
    if (s->probed.state == LLM_PROBED_DOWN)
        return "down";
    if (s->vitals.in_a_row >= LLM_FAILURES_MAX)
        return "failing";
    bool seen = s->probed.state == LLM_PROBED_UP ||
                (s->vitals.last_at && llm_fate_is_alive(s->vitals.last));
    return seen ? "up" : "unknown";
}

/* ---- probes ---- */

bool llm_state_probe_take(struct llm *llm, const struct llm_provider *p)
{
    Usec now = time_mono();

    uv_mutex_lock(&llm->lock);
    struct llm_provider_state *s = state_of(llm, p);
    if (s->revision != p->revision && !s->probed.under_way) { /* it may be somewhere else now */
        uint64_t chance = crypto_random_u64() % (uint64_t)usec_min(FIRST_WITHIN, p->probe.every);
        s->revision = p->revision;
        s->probed = (struct llm_probed){.next_at = now + (Usec)chance};
    }
    bool due = !s->probed.under_way && now >= s->probed.next_at;
    s->probed.under_way = s->probed.under_way || due;
    uv_mutex_unlock(&llm->lock);
    return due;
}

static void end(struct llm_provider_state *s, const struct llm_provider *p)
{
    s->probed.under_way = false;
    s->probed.next_at = llm_probe_next(&p->probe, time_mono(), crypto_random_u64());
}

bool llm_state_probed(struct llm *llm, const struct llm_provider *p, Str why, Usec took,
                      const struct llm_target *target)
{
    Usec now = time_mono();
    bool ok = !why.n;

    uv_mutex_lock(&llm->lock);
    struct llm_provider_state *s = state_of(llm, p);
    bool turned = s->revision == p->revision &&
                  llm_probed_note(&s->probed, &p->probe, why, took, time_wall());
    if (turned)
        tell(llm, p, s);
    if (ok)
        llm_targets_try(llm, p->id, now);
    if (target)
        llm_target_probed(llm, target, ok ? LLM_WELL : LLM_FAILED, ok ? took : 0, now);
    bool keep = turned || !s->kept_at || s->kept_ok != ok || now - s->kept_at >= KEPT_FOR;
    if (keep) {
        s->kept_at = now;
        s->kept_ok = ok;
    }
    end(s, p);
    uv_mutex_unlock(&llm->lock);
    return keep;
}

bool llm_state_probe_drop(struct llm *llm, const struct llm_provider *p, Str why)
{
    uv_mutex_lock(&llm->lock);
    struct llm_provider_state *s = state_of(llm, p);
    bool news = why.n && llm_probed_failed(&s->probed, why, time_wall());
    end(s, p);
    uv_mutex_unlock(&llm->lock);
    return news;
}
