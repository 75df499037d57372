/* src/llm/tokens/trim.c - a conversation made to fit into a window. */
#include "llm/tokens/trim.h"

#include "base/arena.h"
#include "llm/tokens/request.h"

struct trim {
    const struct json *messages;
    size_t n, last; /* @last: the last question of the user */
    int64_t *cost;
    bool *dropped;
    int64_t total, most;
    size_t n_dropped;
};

/* Items of responses that a model made have types of their own. */
static bool is_of_model(const struct json *m)
{
    Str type = json_str_of(json_at(m, "type"), S(""));
    Str role = json_str_of(json_at(m, "role"), S(""));

    return str_eq(role, S("assistant")) || str_eq(role, S("model")) ||
           str_eq(type, S("function_call")) || str_eq(type, S("reasoning"));
}

static bool has_role(const struct json *m, const char *role)
{
    return str_eq(json_str_of(json_at(m, "role"), S("")), str_c(role));
}

static bool is_system(const struct json *m)
{
    return has_role(m, "system") || has_role(m, "developer");
}

/* In Anthropic's dialect and in Gemini's results of tools are the user's, too. */
static bool is_question(const struct json *m)
{
    const struct json *content = json_at(m, "content"), *parts = json_at(m, "parts");

    for (size_t i = 0; json_is(parts, JSON_ARR) && i < json_len(parts); i++)
        if (json_at(json_item(parts, i), "functionResponse") ||
            json_at(json_item(parts, i), "function_response"))
            return false;
    if (json_is(parts, JSON_ARR) && !json_at(m, "role"))
        return true; /* Gemini's without a role */

    for (size_t i = 0; json_is(content, JSON_ARR) && i < json_len(content); i++)
        if (str_eq(json_str_of(json_at(json_item(content, i), "type"), S("")), S("tool_result")))
            return false;
    return has_role(m, "user");
}

/* Leave out what stands in [from, to) but for the system's. */
static void drop(struct trim *t, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (is_system(json_item(t->messages, i)))
            continue;
        t->dropped[i] = true;
        t->total -= t->cost[i];
        t->n_dropped++;
    }
}

static void drop_turns(struct trim *t)
{
    size_t from = 0;

    for (size_t i = 1; i <= t->last && t->total > t->most; i++) {
        if (!is_question(json_item(t->messages, i)))
            continue;
        drop(t, from, i);
        from = i;
    }
}

/* Within the last turn; its last round stays. */
static void drop_rounds(struct trim *t)
{
    size_t from = t->last + 1;

    for (size_t i = from + 1; i < t->n && t->total > t->most; i++) {
        if (!is_of_model(json_item(t->messages, i)) || is_of_model(json_item(t->messages, i - 1)))
            continue; /* a round may be of several items */
        drop(t, from, i);
        from = i;
    }
}

static void count(struct trim *t, struct arena *a, const struct llm_tally *empty,
                  const struct json *body)
{
    struct llm_tally all = *empty;

    llm_tally_request(&all, a, body);
    t->total = llm_tally_total(&all);
    for (size_t i = 0; i < t->n; i++) {
        struct llm_tally one = *empty;
        llm_tally_message(&one, a, json_item(t->messages, i));
        t->cost[i] = llm_tally_total(&one);
        if (is_question(json_item(t->messages, i)))
            t->last = i;
    }
}

Err llm_trim(struct arena *a, const struct llm_tally *empty, const struct json *body, int64_t most,
             struct llm_trimmed *ret_trimmed)
{
    const struct json *contents = json_at(body, "contents"), *input = json_at(body, "input");
    const struct json *list = contents ? contents : json_at(body, "messages");
    const struct json *messages = list ? list : input;
    size_t n = json_is(messages, JSON_ARR) ? json_len(messages) : 0;
    struct trim t = {.messages = messages, .n = n, .last = n ? n - 1 : 0, .most = most};

    if (n > LLM_TRIM_MAX)
        return err_detail(E_TOO_LARGE, "A request of more than %d messages cannot be trimmed.",
                          LLM_TRIM_MAX);
    t.cost = arena_array(a, int64_t, n + 1);
    t.dropped = arena_array(a, bool, n + 1);
    count(&t, a, empty, body);
    if (n && t.total > most)
        drop_turns(&t);
    if (n && t.total > most)
        drop_rounds(&t);
    *ret_trimmed = (struct llm_trimmed){messages, t.n_dropped, t.total};
    if (!t.n_dropped)
        return OK;
    struct json *kept = json_arr(a);
    for (size_t i = 0; i < n; i++)
        if (!t.dropped[i])
            json_push(a, kept, json_item(messages, i));
    ret_trimmed->messages = kept;
    return OK;
}
