/* src/llm/repair.c - what servers of OpenAI's dialect get wrong about calls of tools, put right. */
#include "llm/repair.h"

/* Whether the fragment begins a call: it has a name, or an id that is not the last one's again. */
static bool begins(struct llm_repair *r, const struct json *call)
{
    Str id = json_str_of(json_at(call, "id"), S(""));
    Str name = json_str_of(json_at(json_at(call, "function"), "name"), S(""));
    bool same = id.n && id.n <= sizeof r->id && str_eq(id, str_from(r->id, r->id_n));

    if (same || (!id.n && !name.n))
        return false;
    r->id_n = id.n <= sizeof r->id ? id.n : 0;
    memcpy(r->id, id.n ? id.p : "", r->id_n);
    return true;
}

/* Number the call if the server did not. */
static bool number(struct llm_repair *r, struct arena *a, size_t choice, struct json *call)
{
    uint16_t *n = &r->calls[choice];
    const struct json *index = json_at(call, "index");
    bool fresh;

    if (json_is(index, JSON_INT)) {
        r->numbered = true;
        return false;
    }
    fresh = begins(r, call);
    if ((fresh || !*n) && *n < UINT16_MAX)
        (*n)++;
    json_set(a, call, S("index"), json_int(a, *n - 1));
    return true;
}

/* An end that is told as if no tool had been called. */
static bool set_finish(struct arena *a, struct json *choice)
{
    if (!str_eq(json_str_of(json_at(choice, "finish_reason"), S("")), S("stop")))
        return false;
    json_set(a, choice, S("finish_reason"), json_str(a, S("tool_calls")));
    return true;
}

bool llm_repair_chunk(struct llm_repair *r, struct arena *a, struct json *v)
{
    struct json *choices = json_get(v, S("choices"));
    bool changed = false;

    for (size_t i = 0; i < json_len(choices); i++) {
        struct json *choice = &choices->arr[i];
        int64_t at = json_int_of(json_at(choice, "index"), 0);
        struct json *delta = json_get(choice, S("delta"));
        struct json *calls = delta ? json_get(delta, S("tool_calls")) : NULL;
        if (at < 0 || at >= LLM_REPAIR_CHOICES)
            continue;
        for (size_t k = 0; json_is(calls, JSON_ARR) && k < json_len(calls); k++) {
            r->called |= 1u << at;
            if (json_is(&calls->arr[k], JSON_OBJ))
                changed |= number(r, a, (size_t)at, &calls->arr[k]);
        }
        if (r->called >> at & 1)
            changed |= set_finish(a, choice);
    }
    return changed;
}

bool llm_repair_choices(struct arena *a, struct json *choices)
{
    bool changed = false;

    for (size_t i = 0; json_is(choices, JSON_ARR) && i < json_len(choices); i++) {
        struct json *choice = &choices->arr[i];
        const struct json *calls = json_at(json_at(choice, "message"), "tool_calls");
        if (json_is(calls, JSON_ARR) && json_len(calls))
            changed |= set_finish(a, choice);
    }
    return changed;
}
