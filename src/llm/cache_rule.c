/* src/llm/cache_rule.c - whether answers are kept, and what a request says of it. */
#include "llm/cache_rule.h"

static const Str scope_key = S_INIT("key"), scope_tenant = S_INIT("tenant");

static Err read_ttl(const struct json *v, struct llm_cache_rule *rule)
{
    Str text = json_str_of(v, S(""));

    if (time_parse_span(text, &rule->ttl) != OK || rule->ttl > LLM_CACHE_TTL_MAX ||
        (rule->ttl && rule->ttl < USEC_S))
        return err_detail(E_INVALID, "\"ttl\" of a cache must be a span from 1s to 30d, or 0s.");
    return OK;
}

static Err read_scope(const struct json *v, struct llm_cache_rule *rule)
{
    Str text = json_str_of(v, S(""));

    rule->shared = str_eq(text, scope_tenant);
    if (!rule->shared && !str_eq(text, scope_key))
        return err_detail(E_INVALID, "\"scope\" of a cache must be key or tenant.");
    return OK;
}

static Err read_similarity(const struct json *v, struct llm_cache_rule *rule)
{
    rule->similarity = json_is_number(v) ? json_double_of(v, 0) : 0;
    if (rule->similarity < 0.5 || rule->similarity > 1)
        return err_detail(E_INVALID, "\"similarity\" of a cache must be a number from 0.5 to 1.");
    return OK;
}

static Err read_embeddings(const struct json *v, struct llm_cache_rule *rule)
{
    Str name = json_str_of(v, S(""));

    if (!name.n || name.n > LLM_CACHE_NAME_MAX)
        return err_detail(E_INVALID, "\"embeddings\" of a cache must be the name of a model.");
    snprintf(rule->embeddings, sizeof rule->embeddings, "%.*s", P(name));
    return OK;
}

Err llm_cache_rule_read(const struct json *v, struct llm_cache_rule *ret_rule)
{
    struct llm_cache_rule rule = {.given = true};

    *ret_rule = (struct llm_cache_rule){0};
    if (!v || json_is(v, JSON_NULL))
        return OK;
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "\"cache\" must be an object such as {\"ttl\": \"1h\"}.");
    if (!json_at(v, "ttl"))
        return err_detail(E_INVALID, "\"cache\" needs a \"ttl\".");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        if (str_eq(name, S("ttl")))
            TRY(read_ttl(&v->obj[i].val, &rule));
        else if (str_eq(name, S("scope")))
            TRY(read_scope(&v->obj[i].val, &rule));
        else if (str_eq(name, S("similarity")))
            TRY(read_similarity(&v->obj[i].val, &rule));
        else if (str_eq(name, S("embeddings")))
            TRY(read_embeddings(&v->obj[i].val, &rule));
        else
            return err_detail(E_INVALID, "A cache has no \"%.*s\".", P(str_head(name, 64)));
    }
    if ((rule.similarity > 0) != (rule.embeddings[0] != '\0'))
        return err_detail(E_INVALID, "A cache has \"similarity\" and \"embeddings\" or neither.");
    *ret_rule = rule;
    return OK;
}

struct json *llm_cache_rule_json(struct arena *a, const struct llm_cache_rule *rule)
{
    char span[TIME_RFC3339_SIZE];

    if (!rule->given)
        return NULL;
    return json_obj(a, "ttl", json_str(a, str_dup(a, time_span(rule->ttl, span))), "scope",
                    json_str(a, rule->shared ? scope_tenant : scope_key), "similarity",
                    rule->similarity > 0 ? json_double(a, rule->similarity) : NULL, "embeddings",
                    rule->similarity > 0 ? json_str(a, str_dup(a, str_c(rule->embeddings))) : NULL,
                    NULL);
}

/* ---- requests ---- */

/* Seconds, perhaps in quotes; what is no number is the most careful one. */
static Usec age_of(Str text)
{
    uint64_t seconds;

    text = str_trim(text);
    if (text.n >= 2 && str_starts(text, S("\"")) && str_ends(text, S("\"")))
        text = str_from(text.p + 1, text.n - 2);
    if (str_to_u64(text, &seconds) != OK)
        return 0;
    return seconds > (uint64_t)(LLM_CACHE_TTL_MAX / USEC_S) ? USEC_NEVER : (Usec)seconds * USEC_S;
}

struct llm_cache_control llm_cache_control_read(Str value)
{
    struct llm_cache_control control = {.max_age = USEC_NEVER};
    Str word, rest = value;

    while (rest.n) {
        rest = str_cut(rest, ',', &word);
        Str name, argument = str_cut(word, '=', &name);
        name = str_trim(name);
        if (str_eq_nocase(name, S("no-cache")))
            control.no_cache = true;
        else if (str_eq_nocase(name, S("no-store")))
            control.no_store = true;
        else if (str_eq_nocase(name, S("only-if-cached")))
            control.only = true;
        else if (str_eq_nocase(name, S("max-age")))
            control.max_age = usec_min(control.max_age, age_of(argument));
    }
    return control;
}
