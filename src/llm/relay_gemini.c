/* src/llm/relay_gemini.c - what a stream of Gemini's says in passing: each event is a whole answer,
 * and the end of the connection that of the stream. */
#include "llm/relay.h"

#include "base/arena.h"

enum { EVENT_TREE = 64 << 20, TAIL_TREE = 1 << 20 };

void llm_relay_gemini(struct llm_relay *r, Str data)
{
    AUTO(arena) *a = arena_new(EVENT_TREE);
    struct json *v;

    if (json_parse(a, data, &v) != OK)
        return; /* the client's parser tells its user */
    const struct json *candidates = json_at(v, "candidates"), *error = json_at(v, "error");
    r->chunks += json_len(candidates) > 0;
    for (size_t i = 0; json_is(candidates, JSON_ARR) && i < json_len(candidates); i++)
        r->finished |= json_is(json_at(json_item(candidates, i), "finishReason"), JSON_STR);
    r->finished |= json_is(json_at(json_at(v, "promptFeedback"), "blockReason"), JSON_STR);
    r->failed |= !llm_is_none(error);
    llm_dialect_gemini.read_usage(json_at(v, "usageMetadata"), &r->usage);
}

/* Behind the last @name of @tail, at its value. In a text a quote has a stroke before it. */
static Str value_of(Str tail, Str name)
{
    Str value = S("");

    for (size_t at; (at = str_find(tail, name)) != SIZE_MAX;) {
        tail = str_skip(tail, at + name.n);
        Str rest = str_trim(tail);
        if (str_starts(rest, S(":")))
            value = str_trim(str_skip(rest, 1));
    }
    return value;
}

/* Where the object ends that @s begins with; it has no texts with braces in them. */
static Str object_of(Str s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        depth += s.p[i] == '{';
        depth -= s.p[i] == '}' && depth > 0;
        if (!depth)
            return str_head(s, i + 1);
    }
    return S("");
}

void llm_relay_gemini_tail(struct llm_relay *r, Str tail)
{
    AUTO(arena) *a = arena_new(TAIL_TREE);
    struct json *v;

    r->chunks++;
    r->finished |= str_starts(value_of(tail, S("\"finishReason\"")), S("\""));
    if (json_parse(a, object_of(value_of(tail, S("\"usageMetadata\""))), &v) == OK)
        llm_dialect_gemini.read_usage(v, &r->usage);
}
