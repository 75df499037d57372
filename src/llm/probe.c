/* src/llm/probe.c - whether a provider is asked from time to time if it is there. */
#include "llm/probe.h"

enum { MODEL_MAX = 256, DOWN_AFTER = 3, UP_AFTER = 2 };
static const Usec EVERY_LEAST = USEC_S;
static const Usec PAID_LEAST = 10 * USEC_S; /* a slip of the hand should not cost much */
static const Usec EVERY_MOST = USEC_DAY;
static const Usec TIMEOUT_LEAST = 100 * USEC_MS;
static const Usec TIMEOUT_MOST = USEC_MIN;
static const Usec TIMEOUT_USUAL = 10 * USEC_S;
static const Str kind_models = S_INIT("models"), kind_completion = S_INIT("completion");

/* ---- the rule ---- */

static Err read_span(const struct json *v, const char *name, Usec least, Usec most, Usec *ret_span)
{
    if (time_parse_span(json_str_of(v, S("")), ret_span) == OK && *ret_span >= least &&
        *ret_span <= most)
        return OK;
    char from[TIME_RFC3339_SIZE], to[TIME_RFC3339_SIZE];
    Str low = time_span(least, from), high = time_span(most, to);
    return err_detail(E_INVALID, "\"%s\" of a probe must be a span from %.*s to %.*s.", name,
                      P(low), P(high));
}

static Err read_number(const struct json *v, const char *name, unsigned *ret_n)
{
    int64_t n = json_int_of(v, 0);

    if (n < 1 || n > LLM_PROBES_MAX)
        return err_detail(E_INVALID, "\"%s\" of a probe must be from 1 to %d.", name,
                          LLM_PROBES_MAX);
    *ret_n = (unsigned)n;
    return OK;
}

static Err check_kind(Str kind, const struct llm_probe *probe)
{
    bool paid = str_eq(kind, kind_completion);

    if (!paid && !str_eq(kind, kind_models))
        return err_detail(E_INVALID, "\"kind\" of a probe must be models or completion.");
    if (paid != (probe->model.n > 0))
        return err_detail(E_INVALID,
                          "A probe of the kind completion, and no other, needs a \"model\".");
    if (probe->model.n > MODEL_MAX)
        return err_detail(E_INVALID, "\"model\" of a probe is longer than %d bytes.", MODEL_MAX);
    if (paid && probe->every < PAID_LEAST)
        return err_detail(E_INVALID, "\"every\" of a completion must be at least 10s.");
    return OK;
}

static Err read_member(Str name, const struct json *v, struct llm_probe *probe, Str *kind)
{
    if (str_eq(name, S("every")))
        return read_span(v, "every", EVERY_LEAST, EVERY_MOST, &probe->every);
    if (str_eq(name, S("timeout")))
        return read_span(v, "timeout", TIMEOUT_LEAST, TIMEOUT_MOST, &probe->timeout);
    if (str_eq(name, S("down_after")))
        return read_number(v, "down_after", &probe->down_after);
    if (str_eq(name, S("up_after")))
        return read_number(v, "up_after", &probe->up_after);
    if (str_eq(name, S("kind")))
        *kind = json_str_of(v, S(""));
    else if (str_eq(name, S("model")))
        probe->model = json_str_of(v, S(""));
    else
        return err_detail(E_INVALID, "A probe has no \"%.*s\".", P(str_head(name, 64)));
    return OK;
}

Err llm_probe_read(const struct json *v, struct llm_probe *ret_probe)
{
    struct llm_probe probe = {
        .timeout = TIMEOUT_USUAL, .down_after = DOWN_AFTER, .up_after = UP_AFTER};
    Str kind = kind_models;

    *ret_probe = (struct llm_probe){0};
    if (!v || json_is(v, JSON_NULL))
        return OK;
    if (!json_is(v, JSON_OBJ) || !json_at(v, "every"))
        return err_detail(E_INVALID, "\"probe\" must be an object such as {\"every\": \"30s\"}.");
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_member(json_str_of(&v->obj[i].key, S("")), &v->obj[i].val, &probe, &kind));
    TRY(check_kind(kind, &probe));
    *ret_probe = probe;
    return OK;
}

struct json *llm_probe_json(struct arena *a, const struct llm_probe *p)
{
    char span[TIME_RFC3339_SIZE];

    if (!p->every)
        return NULL;
    Str every = str_dup(a, time_span(p->every, span));
    Str timeout = str_dup(a, time_span(p->timeout, span));
    return json_obj(a, "every", json_str(a, every), "kind",
                    json_str(a, p->model.n ? kind_completion : kind_models), "model",
                    p->model.n ? json_str(a, p->model) : NULL, "timeout", json_str(a, timeout),
                    "down_after", json_int(a, p->down_after), "up_after", json_int(a, p->up_after),
                    NULL);
}

Usec llm_probe_next(const struct llm_probe *probe, Usec now, uint64_t chance)
{
    Usec tenth = probe->every / 10;

    return now + probe->every - tenth + (Usec)(chance % (uint64_t)(2 * tenth + 1));
}

/* ---- outcomes ---- */

static bool become(struct llm_probed *p, enum llm_probed_as state, Usec wall)
{
    bool told = state == LLM_PROBED_DOWN || p->state == LLM_PROBED_DOWN;

    if (p->state == state)
        return false;
    p->state = state;
    p->since = wall;
    return told;
}

bool llm_probed_note(struct llm_probed *p, const struct llm_probe *probe, Str why, Usec took,
                     Usec wall)
{
    bool ok = !why.n;

    p->in_a_row = p->at && p->ok == ok ? p->in_a_row + (p->in_a_row < LLM_PROBES_MAX) : 1;
    p->ok = ok;
    p->at = wall;
    p->took = took;
    snprintf(p->why, sizeof p->why, "%.*s", P(str_head(why, LLM_PROBE_WHY_MAX)));
    if (!ok)
        return p->in_a_row >= probe->down_after && become(p, LLM_PROBED_DOWN, wall);
    if (p->state == LLM_PROBED_DOWN && p->in_a_row < probe->up_after)
        return false;
    return become(p, LLM_PROBED_UP, wall);
}

bool llm_probed_failed(struct llm_probed *p, Str why, Usec wall)
{
    bool news = !str_eq(str_c(p->why), str_head(why, LLM_PROBE_WHY_MAX));

    p->ok = false;
    p->in_a_row = 0;
    p->at = wall;
    p->took = 0;
    snprintf(p->why, sizeof p->why, "%.*s", P(str_head(why, LLM_PROBE_WHY_MAX)));
    return news;
}

bool llm_probed_alive(struct llm_probed *p, Usec wall)
{
    if (!p->ok)
        p->in_a_row = 0;
    return p->state == LLM_PROBED_DOWN && become(p, LLM_PROBED_UP, wall);
}
