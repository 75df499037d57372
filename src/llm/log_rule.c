/* src/llm/log_rule.c - of which calls it is kept what was said. */
#include "llm/log_rule.h"

static Err read_rate(const struct json *v, struct llm_log_rule *rule)
{
    rule->rate = json_is_number(v) ? json_double_of(v, -1) : -1;
    if (!(rule->rate >= 0 && rule->rate <= 1))
        return err_detail(E_INVALID, "\"rate\" of a log must be a number from 0 to 1.");
    return OK;
}

static Err read_patterns(struct arena *a, const struct json *v, struct llm_log_rule *rule)
{
    if (!json_is(v, JSON_ARR) || json_len(v) > LLM_PATTERNS_MAX)
        return err_detail(E_INVALID, "\"redact\" must be a list of at most %d regular expressions.",
                          LLM_PATTERNS_MAX);
    for (size_t i = 0; i < json_len(v); i++) {
        Str pattern = json_str_of(json_item(v, i), S(""));
        TRY(llm_redact_check(pattern));
        vec_push(a, &rule->redact, pattern);
    }
    return OK;
}

Err llm_log_rule_read(struct arena *a, const struct json *v, struct llm_log_rule *ret_rule)
{
    struct llm_log_rule rule = {.given = true};

    *ret_rule = (struct llm_log_rule){0};
    if (!v || json_is(v, JSON_NULL))
        return OK;
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "\"log\" must be an object such as {\"rate\": 0.1}.");
    if (!json_at(v, "rate"))
        return err_detail(E_INVALID, "\"log\" needs a \"rate\".");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        if (str_eq(name, S("rate")))
            TRY(read_rate(&v->obj[i].val, &rule));
        else if (str_eq(name, S("redact")))
            TRY(read_patterns(a, &v->obj[i].val, &rule));
        else
            return err_detail(E_INVALID, "A log has no \"%.*s\".", P(str_head(name, 64)));
    }
    *ret_rule = rule;
    return OK;
}

struct json *llm_log_rule_json(struct arena *a, const struct llm_log_rule *rule)
{
    struct json *patterns = json_arr(a);

    if (!rule->given)
        return NULL;
    vec_each(&rule->redact, p)
        json_push(a, patterns, json_str(a, *p));
    return json_obj(a, "rate", json_double(a, rule->rate), "redact", patterns, NULL);
}
