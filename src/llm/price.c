/* src/llm/price.c - what tokens cost, and what a call did. */
#include "llm/price.h"

#include <math.h>

enum { TOKENS_MAX = 1000000000 };
static const double PICO = 1e12; /* of a token's price in dollars */

/* The members of a price, in the order in which they are written. */
static const struct rate_member {
    Str name;
    size_t at;
    size_t otherwise; /* the rate that stands for it where it is not given */
    bool needed;
} rate_members[] = {
    {S_INIT("input"), offsetof(struct llm_rates, input), offsetof(struct llm_rates, input), true},
    {S_INIT("output"), offsetof(struct llm_rates, output), offsetof(struct llm_rates, output),
     true},
    {S_INIT("cached_input"), offsetof(struct llm_rates, cached_input),
     offsetof(struct llm_rates, input), false},
    {S_INIT("cache_write"), offsetof(struct llm_rates, cache_write),
     offsetof(struct llm_rates, input), false},
    {S_INIT("reasoning"), offsetof(struct llm_rates, reasoning), offsetof(struct llm_rates, output),
     false},
};

/* Prices of what is not counted in tokens. */
static const struct unit_member {
    Str name;
    size_t at;
} unit_members[] = {
    {S_INIT("request"), offsetof(struct llm_price, request)},
    {S_INIT("image"), offsetof(struct llm_price, image)},
    {S_INIT("character"), offsetof(struct llm_price, character)},
    {S_INIT("second"), offsetof(struct llm_price, second)},
};

static int64_t *unit_at(struct llm_price *p, size_t i)
{
    return (int64_t *)(void *)((char *)p + unit_members[i].at);
}

static int64_t *rate_at(struct llm_rates *r, size_t at)
{
    return (int64_t *)(void *)((char *)r + at);
}

static int64_t rate_of(const struct llm_rates *r, size_t at)
{
    return *(const int64_t *)(const void *)((const char *)r + at);
}

/* ---- our own form ---- */

static Err read_number(const struct json *v, Str name, int64_t most, int64_t *ret_n)
{
    if (!json_is(v, JSON_INT) || v->i < 0 || v->i > most)
        return err_detail(E_INVALID, "\"%.*s\" must be a whole number from 0 to %lld.", P(name),
                          (long long)most);
    *ret_n = v->i;
    return OK;
}

/* @usual: what stands for all that is not given; NULL: some must be given. */
static Err read_rates(const struct json *v, const struct llm_rates *usual,
                      struct llm_rates *ret_rates)
{
    struct llm_rates rates = usual ? *usual : (struct llm_rates){0};

    for (size_t i = 0; i < ARRAY_LEN(rate_members); i++) {
        const struct rate_member *m = &rate_members[i];
        const struct json *given = json_get(v, m->name);
        if (given)
            TRY(read_number(given, m->name, LLM_PRICE_MAX, rate_at(&rates, m->at)));
        else if (m->needed && !usual)
            return err_detail(E_INVALID, "A price needs \"%.*s\".", P(m->name));
        else if (!usual)
            *rate_at(&rates, m->at) = rate_of(&rates, m->otherwise);
    }
    *ret_rates = rates;
    return OK;
}

static Err check_names(const struct json *v, const Str *more, size_t n_more)
{
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(rate_members); k++)
            known = known || str_eq(name, rate_members[k].name);
        for (size_t k = 0; k < n_more; k++)
            known = known || str_eq(name, more[k]);
        if (!known)
            return err_detail(E_INVALID, "A price has no \"%.*s\".", P(str_head(name, 64)));
    }
    return OK;
}

static Err read_long(const struct json *v, struct llm_price *p)
{
    static const Str more[] = {S_INIT("above")};

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "\"long\" must be an object.");
    TRY(check_names(v, more, ARRAY_LEN(more)));
    TRY(read_number(json_at(v, "above"), S("above"), TOKENS_MAX, &p->long_above));
    if (!p->long_above)
        return err_detail(E_INVALID, "\"above\" must be more than 0 tokens.");
    return read_rates(v, &p->usual, &p->longer);
}

Err llm_price_read(const struct json *v, struct llm_price *ret_price)
{
    static const Str more[] = {S_INIT("request"), S_INIT("image"),     S_INIT("character"),
                               S_INIT("second"),  S_INIT("max_input"), S_INIT("max_output"),
                               S_INIT("long")};
    static const struct llm_rates none;
    struct llm_price p = {0};
    const struct json *given;

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "A price must be an object.");
    TRY(check_names(v, more, ARRAY_LEN(more)));
    for (size_t i = 0; i < ARRAY_LEN(unit_members); i++)
        if ((given = json_get(v, unit_members[i].name)))
            TRY(read_number(given, unit_members[i].name, LLM_PRICE_MAX, unit_at(&p, i)));
    bool units = (p.image || p.character || p.second) && !json_at(v, "input");
    TRY(read_rates(v, units ? &none : NULL, &p.usual));
    if ((given = json_at(v, "max_input")))
        TRY(read_number(given, S("max_input"), TOKENS_MAX, &p.max_input));
    if ((given = json_at(v, "max_output")))
        TRY(read_number(given, S("max_output"), TOKENS_MAX, &p.max_output));
    if ((given = json_at(v, "long")))
        TRY(read_long(given, &p));
    *ret_price = p;
    return OK;
}

static struct json *rates_json(struct arena *a, const struct llm_rates *r)
{
    struct json *v = json_obj(a, NULL);

    for (size_t i = 0; i < ARRAY_LEN(rate_members); i++)
        json_set(a, v, rate_members[i].name, json_int(a, rate_of(r, rate_members[i].at)));
    return v;
}

struct json *llm_price_json(struct arena *a, const struct llm_price *p)
{
    struct json *v = rates_json(a, &p->usual);

    for (size_t i = 0; i < ARRAY_LEN(unit_members); i++) {
        struct llm_price copy = *p;
        if (*unit_at(&copy, i))
            json_set(a, v, unit_members[i].name, json_int(a, *unit_at(&copy, i)));
    }
    if (p->max_input)
        json_set(a, v, S("max_input"), json_int(a, p->max_input));
    if (p->max_output)
        json_set(a, v, S("max_output"), json_int(a, p->max_output));
    if (p->long_above) {
        struct json *longer = rates_json(a, &p->longer);
        json_set(a, longer, S("above"), json_int(a, p->long_above));
        json_set(a, v, S("long"), longer);
    }
    return v;
}

/* ---- costs ---- */

/* The part of @whole that is priced by itself: never more than there is. */
static int64_t part(int64_t n, int64_t whole)
{
    return n < 0 ? 0 : n < whole ? n : whole;
}

int64_t llm_price_cost(const struct llm_price *p, const struct llm_usage *u)
{
    const struct llm_rates *r = p->long_above && u->prompt > p->long_above ? &p->longer : &p->usual;
    int64_t cached = part(u->cached, u->prompt);
    int64_t written = part(u->cache_written, u->prompt - cached);
    int64_t reasoning = part(u->reasoning, u->completion);
    __extension__ typedef __int128 wide;
    wide sum = (wide)(u->prompt - cached - written) * r->input + (wide)cached * r->cached_input +
               (wide)written * r->cache_write + (wide)(u->completion - reasoning) * r->output +
               (wide)reasoning * r->reasoning + (wide)u->characters * p->character +
               (wide)u->audio_ms * p->second / 1000;

    sum = (sum + 999999) / 1000000 + p->request + (wide)u->images * p->image;
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t llm_price_most(const struct llm_price *p, const struct llm_usage *most)
{
    const struct llm_rates *both[] = {&p->usual, &p->longer};
    struct llm_price dearest = *p;
    struct llm_usage usage = *most;

    usage.cached = usage.cache_written = usage.reasoning = 0; /* it may all be the dearest */
    dearest.usual = (struct llm_rates){0};
    dearest.long_above = 0;

    for (int i = 0; i < (p->long_above ? 2 : 1); i++) {
        const struct llm_rates *r = both[i];
        int64_t in = larger(larger(r->input, r->cached_input), r->cache_write);
        dearest.usual.input = larger(dearest.usual.input, in);
        dearest.usual.output = larger(dearest.usual.output, larger(r->output, r->reasoning));
    }
    return llm_price_cost(&dearest, &usage);
}

/* ---- LiteLLM's form ---- */

static bool take_dollars(const struct json *v, double scale, int64_t *ret_n)
{
    double d = json_double_of(v, -1);

    if (!json_is_number(v) || !(d >= 0) || d * scale > (double)LLM_PRICE_MAX)
        return false;
    *ret_n = llround(d * scale);
    return true;
}

/* A member that may be absent, but not wrong. */
static Err take_rate(const struct json *v, Str name, int64_t *rate)
{
    const struct json *given = json_get(v, name);

    if (given && !json_is(given, JSON_NULL) && !take_dollars(given, PICO, rate))
        return err_detail(E_INVALID, "\"%.*s\" is no price.", P(name));
    return OK;
}

static const struct litellm_rate {
    const char *name;
    size_t at;
} litellm_rates[] = {
    {"cache_read_input_token_cost", offsetof(struct llm_rates, cached_input)},
    {"cache_creation_input_token_cost", offsetof(struct llm_rates, cache_write)},
    {"input_cost_per_token", offsetof(struct llm_rates, input)},
    {"output_cost_per_token", offsetof(struct llm_rates, output)},
    {"output_cost_per_reasoning_token", offsetof(struct llm_rates, reasoning)},
};

/* "input_cost_per_token_above_200k_tokens": the bound, or 0 for a member of another kind. */
static int64_t bound_of(Str name, Str base)
{
    uint64_t n;

    if (!str_starts(name, base) || !str_starts(str_skip(name, base.n), S("_above_")))
        return 0;
    Str rest = str_skip(name, base.n + S("_above_").n);
    if (!str_ends(rest, S("k_tokens")))
        return 0;
    rest.n -= S("k_tokens").n;
    return str_to_u64(rest, &n) == OK && n > 0 && n < TOKENS_MAX / 1000 ? (int64_t)n * 1000 : 0;
}

/* A price for long prompts; one bound is understood, not several. */
static Err litellm_long(const struct json *v, struct llm_price *p)
{
    p->longer = p->usual;
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        for (size_t k = 0; k < ARRAY_LEN(litellm_rates); k++) {
            int64_t bound = bound_of(name, str_c(litellm_rates[k].name));
            if (!bound || json_is(&v->obj[i].val, JSON_NULL))
                continue;
            if (p->long_above && p->long_above != bound)
                return err_detail(E_INVALID, "It has prices for several lengths of prompts.");
            p->long_above = bound;
            TRY(take_rate(v, name, rate_at(&p->longer, litellm_rates[k].at)));
        }
    }
    if (!p->long_above)
        p->longer = (struct llm_rates){0};
    return OK;
}

/* "1024-x-1536/gpt-image-1": how many pixels; 0 if it does not say. */
static int64_t pixels_of(Str key)
{
    enum { SIDE_MAX = 65536 };
    Str part, side;
    uint64_t x, y;

    while (key.p && key.n) {
        key = str_cut(key, '/', &part);
        size_t at = str_find(part, S("-x-"));
        side = at == SIZE_MAX ? S("") : str_skip(part, at + 3);
        if (side.n && str_to_u64(str_head(part, at), &x) == OK && str_to_u64(side, &y) == OK &&
            x <= SIDE_MAX && y <= SIDE_MAX)
            return (int64_t)(x * y);
    }
    return 0;
}

/* The first of @names that is a price above zero. */
static bool first_price(const struct json *v, const char *const *names, double scale, int64_t *to)
{
    for (; *names; names++)
        if (take_dollars(json_get(v, str_c(*names)), scale, to) && *to)
            return true;
    return false;
}

/* What is priced by other things than tokens, as its mode says. */
static bool litellm_units(Str key, const struct json *v, struct llm_price *p)
{
    static const char *const per_image[] = {"output_cost_per_image", "input_cost_per_image", NULL};
    static const char *const per_pixel[] = {"output_cost_per_pixel", "input_cost_per_pixel", NULL};
    static const char *const per_character[] = {"input_cost_per_character", NULL};
    static const char *const per_second[] = {"output_cost_per_second", "input_cost_per_second",
                                             NULL};
    static const char *const per_query[] = {"input_cost_per_query", NULL};
    Str mode = json_str_of(json_at(v, "mode"), S(""));
    int64_t pixels = pixels_of(key);

    if (str_eq(mode, S("image_generation")) || str_eq(mode, S("image_edit")))
        return first_price(v, per_image, 1e6, &p->image) ||
               (pixels && first_price(v, per_pixel, 1e6 * (double)pixels, &p->image));
    if (str_eq(mode, S("rerank")))
        return first_price(v, per_query, 1e6, &p->request);
    if (!str_eq(mode, S("audio_speech")) && !str_eq(mode, S("audio_transcription")))
        return false;
    bool characters = first_price(v, per_character, PICO, &p->character);
    return first_price(v, per_second, PICO, &p->second) || characters;
}

static Err litellm_names(Str key, const struct json *v, Str *ret_provider, Str *ret_model)
{
    Str provider = json_str_of(json_at(v, "litellm_provider"), S("")), first;
    Str rest = str_cut(key, '/', &first);

    if (!provider.n)
        return err_detail(E_INVALID, "It names no provider.");
    *ret_model = rest.n && str_eq(first, provider) ? rest : key;
    if (str_eq(provider, S("text-completion-openai")))
        provider = S("openai");
    else if (str_eq(provider, S("azure_text")))
        provider = S("azure");
    *ret_provider = provider;
    return OK;
}

static int64_t tokens_of(const struct json *v)
{
    int64_t n = json_int_of(v, 0);

    return n > 0 && n <= TOKENS_MAX ? n : 0;
}

Err llm_price_litellm(Str key, const struct json *v, Str *ret_provider, Str *ret_model,
                      struct llm_price *ret_price)
{
    struct llm_price p = {0};
    bool embeds = str_eq(json_str_of(json_at(v, "mode"), S("")), S("embedding"));
    Str provider, model;

    TRY(litellm_names(key, v, &provider, &model));
    bool units = litellm_units(key, v, &p);
    const char *image = "output_cost_per_image_token"; /* of those that make nothing else */
    bool images = json_is_number(json_get(v, str_c(image))) && !json_at(v, "output_cost_per_token");
    if (!units && (!json_is_number(json_at(v, "input_cost_per_token")) ||
                   (!embeds && !images && !json_is_number(json_at(v, "output_cost_per_token")))))
        return err_detail(E_INVALID, "It has no price that is understood.");
    TRY(take_rate(v, S("input_cost_per_token"), &p.usual.input));
    TRY(take_rate(v, images ? str_c(image) : S("output_cost_per_token"), &p.usual.output));
    p.usual.cached_input = p.usual.cache_write = p.usual.input;
    p.usual.reasoning = p.usual.output;
    for (size_t i = 0; i < ARRAY_LEN(litellm_rates); i++)
        TRY(take_rate(v, str_c(litellm_rates[i].name), rate_at(&p.usual, litellm_rates[i].at)));
    const struct json *request = json_at(v, "input_cost_per_request");
    if (json_is_number(request) && !take_dollars(request, 1e6, &p.request))
        return err_detail(E_INVALID, "\"input_cost_per_request\" is no price.");
    p.max_input = tokens_of(json_at(v, "max_input_tokens"));
    p.max_output = tokens_of(json_at(v, "max_output_tokens"));
    TRY(litellm_long(v, &p));
    *ret_provider = provider;
    *ret_model = model;
    *ret_price = p;
    return OK;
}
