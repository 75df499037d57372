/* src/llm/vitals.c - how calls of a provider went of late. */
#include "llm/vitals.h"

const Str llm_fate_names[LLM_FATES] = {
    [LLM_FATE_OK] = S_INIT("ok"),
    [LLM_FATE_REFUSED] = S_INIT("refused"),
    [LLM_FATE_LIMITED] = S_INIT("limited"),
    [LLM_FATE_DENIED] = S_INIT("denied"),
    [LLM_FATE_FAILED] = S_INIT("failed"),
    [LLM_FATE_UNREACHABLE] = S_INIT("unreachable"),
    [LLM_FATE_TIMEOUT] = S_INIT("timeout"),
    [LLM_FATE_CUT] = S_INIT("cut"),
    [LLM_FATE_UNUSABLE] = S_INIT("unusable"),
};

enum llm_fate llm_fate_of(int status)
{
    switch (status) {
    case 401:
    case 402:
    case 403:
        return LLM_FATE_DENIED;
    case 408:
        return LLM_FATE_FAILED;
    case 429:
        return LLM_FATE_LIMITED;
    default:
        return status >= 400 && status < 500   ? LLM_FATE_REFUSED
               : status >= 500 && status < 600 ? LLM_FATE_FAILED
                                               : LLM_FATE_UNUSABLE;
    }
}

enum llm_fate llm_fate_of_error(Err e)
{
    switch (e) {
    case E_CONNECT:
    case E_EGRESS:
        return LLM_FATE_UNREACHABLE;
    case E_TIMEOUT:
        return LLM_FATE_TIMEOUT;
    case E_UPSTREAM_CUT:
        return LLM_FATE_CUT;
    default:
        return LLM_FATE_UNUSABLE;
    }
}

void llm_vitals_note(struct llm_vitals *v, enum llm_fate fate, Usec first_byte, Usec now, Usec wall)
{
    Usec minute = now / USEC_MIN;
    size_t i = (size_t)(minute % LLM_VITAL_MINUTES);

    if (v->minutes[i].from != minute * USEC_MIN) {
        memset(&v->minutes[i], 0, sizeof v->minutes[i]);
        v->minutes[i].from = minute * USEC_MIN;
    }
    v->minutes[i].n[fate]++;
    v->last = fate;
    v->last_at = wall;
    if (llm_fate_is_alive(fate))
        v->in_a_row = 0;
    else if (v->in_a_row < UINT32_MAX)
        v->in_a_row++;
    if (fate != LLM_FATE_OK || first_byte <= 0)
        return;
    llm_latency_add(&v->latency, first_byte, now);
    llm_pace_add(&v->pace, first_byte);
}

void llm_vitals_sum(const struct llm_vitals *v, Usec now, int64_t ret_n[LLM_FATES])
{
    memset(ret_n, 0, sizeof(int64_t) * LLM_FATES);
    for (size_t i = 0; i < LLM_VITAL_MINUTES; i++)
        for (size_t k = 0; k < LLM_FATES; k++)
            if (now - v->minutes[i].from < LLM_VITAL_MINUTES * USEC_MIN)
                ret_n[k] += v->minutes[i].n[k];
}
