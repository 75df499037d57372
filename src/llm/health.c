/* src/llm/health.c - whether a target of a route is worth a call just now. */
#include "llm/health.h"

static const Usec REST = 30 * USEC_S;
static const Usec LIMITED_LEAST = USEC_S;
static const Usec LIMITED_USUAL = 5 * USEC_S;
static const Usec LIMITED_MOST = 5 * USEC_MIN;

bool llm_health_take(struct llm_health *h, Usec now)
{
    if (!h->rest_until)
        return true;
    if (now < h->rest_until || h->probing)
        return false;
    h->probing = true;
    return true;
}

void llm_health_note(struct llm_health *h, enum llm_verdict verdict, Usec retry_after, Usec now)
{
    h->probing = false;
    switch (verdict) {
    case LLM_WELL:
        *h = (struct llm_health){0};
        return;
    case LLM_LIMITED:
        if (!retry_after)
            retry_after = LIMITED_USUAL;
        h->failures = 0; /* it is there, and says what it wants */
        h->rest_until = now + usec_min(usec_max(retry_after, LIMITED_LEAST), LIMITED_MOST);
        return;
    case LLM_FAILED:
        if (h->failures < LLM_FAILURES_MAX)
            h->failures++;
        /* One that tried after its rest and failed rests again. */
        if (h->failures == LLM_FAILURES_MAX)
            h->rest_until = now + REST;
        return;
    }
}

void llm_health_drop(struct llm_health *h)
{
    h->probing = false;
}

const char *llm_health_name(const struct llm_health *h, Usec now)
{
    if (h->probing)
        return "probing";
    if (h->rest_until > now)
        return "resting";
    return h->failures ? "failing" : "well";
}
