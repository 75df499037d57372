/* src/llm/alerts.c - what operators are to be told. */
#include "llm/alerts.h"

#include "base/vec.h"
#include "rt/fiber.h"
#include "rt/log.h"
#include "rt/metric.h"

#include <stdlib.h>

static const Usec TICK = 250 * USEC_MS;
static const Usec AGAIN = USEC_S; /* after one could not be told */

static struct metric alerts_total = {"heddle_model_alerts_total",
                                     "Alerts of the model gateway, by what became of them.",
                                     METRIC_COUNTER, "event,outcome"};

struct llm_alerts {
    uv_mutex_t lock;
    struct llm_alert *ring; /* LLM_ALERTS_MAX of them; under the lock, as the two below */
    unsigned first, n;
    llm_tell_fn *tell;
    void *ctx;
    struct fiber *fiber;
};

static void count(const struct llm_alert *alert, const char *outcome)
{
    metric_add(metric_series(&alerts_total, alert->event, outcome), 1);
}

static struct json *id_or_null(struct arena *a, Id id)
{
    return id_is_none(id) ? json_null(a) : json_id(a, id);
}

struct json *llm_alert_json(struct arena *a, const struct llm_alert *alert)
{
    if (alert->provider[0] && !alert->model[0])
        return json_obj(a, "provider", json_str_c(a, alert->provider), "model", json_null(a), NULL);
    if (alert->provider[0])
        return json_obj(a, "provider", json_str_c(a, alert->provider), "model",
                        json_str_c(a, alert->model), NULL);
    if (str_starts(str_c(alert->event), S("limits.")))
        return json_obj(a, "counted_by", json_str_c(a, alert->why[0] ? "database" : "redis"), "why",
                        json_str_c(a, alert->why), NULL);
    return json_obj(a, "key_id", id_or_null(a, alert->key), "user_id", id_or_null(a, alert->user),
                    "team_id", id_or_null(a, alert->team), "per", json_str_c(a, alert->per),
                    "max_cost_micros", json_int(a, alert->max), "used_cost_micros",
                    json_int(a, alert->used), NULL);
}

struct llm_alerts *llm_alerts_new(void)
{
    struct llm_alerts *alerts = calloc(1, sizeof *alerts);

    if (!alerts || uv_mutex_init(&alerts->lock))
        DIE("out of memory");
    alerts->ring = calloc(LLM_ALERTS_MAX, sizeof *alerts->ring);
    if (!alerts->ring)
        DIE("out of memory");
    return alerts;
}

void llm_alerts_add(struct llm_alerts *alerts, const struct llm_alert *alert)
{
    uv_mutex_lock(&alerts->lock);
    bool fits = alerts->n < LLM_ALERTS_MAX;
    if (fits)
        alerts->ring[(alerts->first + alerts->n++) % LLM_ALERTS_MAX] = *alert;
    uv_mutex_unlock(&alerts->lock);
    if (!fits)
        count(alert, "dropped");
}

static bool first_of(struct llm_alerts *alerts, struct llm_alert *ret_alert)
{
    uv_mutex_lock(&alerts->lock);
    bool any = alerts->n > 0;
    if (any)
        *ret_alert = alerts->ring[alerts->first];
    uv_mutex_unlock(&alerts->lock);
    return any;
}

static void drop_first(struct llm_alerts *alerts)
{
    uv_mutex_lock(&alerts->lock);
    alerts->first = (alerts->first + 1) % LLM_ALERTS_MAX;
    alerts->n--;
    uv_mutex_unlock(&alerts->lock);
}

/* Tell what waits, the oldest first. */
static Err tell_all(struct llm_alerts *alerts)
{
    struct llm_alert alert;

    while (first_of(alerts, &alert)) {
        TRY(alerts->tell(alerts->ctx, &alert));
        drop_first(alerts);
        count(&alert, "told");
    }
    return OK;
}

static Err run(void *arg)
{
    struct llm_alerts *alerts = arg;
    Usec pause = TICK;
    bool said = false;

    while (fiber_sleep(pause) == OK) {
        Err e = tell_all(alerts);
        if (e != OK && e != E_CANCELLED && !said)
            LOG_WARN("an alert of the model gateway cannot be told; it waits", L_ERR(e));
        said = e != OK;
        pause = e == OK ? TICK : AGAIN;
    }
    return OK;
}

void llm_alerts_begin(struct llm_alerts *alerts, llm_tell_fn *fn, void *ctx)
{
    alerts->tell = fn;
    alerts->ctx = ctx;
    alerts->fiber = fiber_start_ref("llm.alerts", run, alerts);
}

void llm_alerts_end(struct llm_alerts *alerts)
{
    if (!alerts)
        return;
    fiber_end(alerts->fiber);
    alerts->fiber = NULL;
}

void llm_alerts_free(struct llm_alerts *alerts)
{
    if (!alerts)
        return;
    llm_alerts_end(alerts);
    free(alerts->ring);
    uv_mutex_destroy(&alerts->lock);
    free(alerts);
}
