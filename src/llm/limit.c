/* src/llm/limit.c - what a key or a tenant may use: a policy, and counters by windows of time. */
#include "llm/limit.h"

const Str llm_what_names[LLM_WHATS] = {[LLM_REQUESTS] = S_INIT("requests"),
                                       [LLM_TOKENS] = S_INIT("tokens"),
                                       [LLM_COST] = S_INIT("cost_micros")};
const Str llm_per_names[LLM_PERS] = {[LLM_PER_MINUTE] = S_INIT("minute"),
                                     [LLM_PER_HOUR] = S_INIT("hour"),
                                     [LLM_PER_DAY] = S_INIT("day"),
                                     [LLM_PER_MONTH] = S_INIT("month")};
/* Sums of it and of what is reserved stay far from what a number holds. */
static const int64_t MOST = (int64_t)1 << 60;
enum { SCOPE_MAX = 256 };

/* ---- policies ---- */

static int place_of(const Str *names, int n, Str name)
{
    for (int i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return i;
    return -1;
}

static Err read_windows(const struct json *v, int what, int64_t max[LLM_SLOTS])
{
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "\"%.*s\" must be an object of windows, such as {\"day\": 1}.",
                          P(llm_what_names[what]));
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        int per = place_of(llm_per_names, LLM_PERS, name);
        const struct json *n = &v->obj[i].val;
        if (per < 0)
            return err_detail(E_INVALID,
                              "There are limits by minute, hour, day and month; not by "
                              "\"%.*s\".",
                              P(str_head(name, 64)));
        if (!json_is(n, JSON_INT) || n->i < 0 || n->i > MOST)
            return err_detail(E_INVALID, "The limit of %.*s by %.*s must be a whole number.",
                              P(llm_what_names[what]), P(name));
        max[what * LLM_PERS + per] = n->i;
    }
    return OK;
}

static Err read_limits(const struct json *v, int64_t max[LLM_SLOTS])
{
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "\"limits\" must be an object.");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        int what = place_of(llm_what_names, LLM_WHATS, name);
        if (what < 0)
            return err_detail(E_INVALID,
                              "There are limits of requests, tokens and cost_micros; "
                              "not of \"%.*s\".",
                              P(str_head(name, 64)));
        TRY(read_windows(&v->obj[i].val, what, max));
    }
    return OK;
}

static Err read_scopes(struct arena *a, Str name, const struct json *v, LlmScopes *scopes)
{
    if (!json_is(v, JSON_ARR) || json_len(v) > LLM_SCOPES_MAX)
        return err_detail(E_INVALID, "\"%.*s\" must be a list of at most %d names.", P(name),
                          LLM_SCOPES_MAX);
    for (size_t i = 0; i < json_len(v); i++) {
        Str s = json_str_of(json_item(v, i), S(""));
        if (!s.n || s.n > SCOPE_MAX)
            return err_detail(E_INVALID, "\"%.*s\" must be a list of names.", P(name));
        vec_push(a, scopes, s);
    }
    return OK;
}

static Err read_end_users(const struct json *v, struct llm_policy *p)
{
    if (json_is(v, JSON_NULL))
        return OK;
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "\"end_users\" must be an object.");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        const struct json *value = &v->obj[i].val;
        if (str_eq(name, S("limits"))) {
            TRY(read_limits(value, p->end_user));
        } else if (str_eq(name, S("tracked"))) {
            if (!json_is(value, JSON_INT) || value->i < 1 || value->i > LLM_END_USERS_MAX)
                return err_detail(E_INVALID, "\"tracked\" must be a whole number from 1 to %d.",
                                  LLM_END_USERS_MAX);
            p->end_users = value->i;
        } else {
            return err_detail(E_INVALID, "\"end_users\" has no \"%.*s\".", P(str_head(name, 64)));
        }
    }
    return OK;
}

Err llm_policy_read(struct arena *a, const struct json *v, struct llm_policy *ret_policy)
{
    struct llm_policy p = {0};

    for (int i = 0; i < LLM_SLOTS; i++)
        p.max[i] = p.end_user[i] = -1;
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "Limits must be an object.");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        const struct json *value = &v->obj[i].val;
        if (str_eq(name, S("limits")))
            TRY(read_limits(value, p.max));
        else if (str_eq(name, S("models")))
            TRY(read_scopes(a, name, value, &p.models));
        else if (str_eq(name, S("endpoints")))
            TRY(read_scopes(a, name, value, &p.endpoints));
        else if (str_eq(name, S("cache")))
            TRY(llm_cache_rule_read(value, &p.cache));
        else if (str_eq(name, S("log")))
            TRY(llm_log_rule_read(a, value, &p.log));
        else if (str_eq(name, S("end_users")))
            TRY(read_end_users(value, &p));
        else
            return err_detail(E_INVALID, "Limits have no \"%.*s\".", P(str_head(name, 64)));
    }
    *ret_policy = p;
    return OK;
}

static struct json *scopes_json(struct arena *a, const LlmScopes *scopes)
{
    struct json *v = json_arr(a);

    vec_each(scopes, s)
        json_push(a, v, json_str(a, *s));
    return v;
}

static struct json *limits_json(struct arena *a, const int64_t max[LLM_SLOTS])
{
    struct json *limits = json_obj(a, NULL);

    for (int what = 0; what < LLM_WHATS; what++) {
        struct json *windows = json_obj(a, NULL);
        for (int per = 0; per < LLM_PERS; per++)
            if (max[what * LLM_PERS + per] >= 0)
                json_set(a, windows, llm_per_names[per], json_int(a, max[what * LLM_PERS + per]));
        if (json_len(windows))
            json_set(a, limits, llm_what_names[what], windows);
    }
    return limits;
}

struct json *llm_policy_json(struct arena *a, const struct llm_policy *p)
{
    struct json *v =
        json_obj(a, "limits", limits_json(a, p->max), "models", scopes_json(a, &p->models),
                 "endpoints", scopes_json(a, &p->endpoints), "cache",
                 llm_cache_rule_json(a, &p->cache), "log", llm_log_rule_json(a, &p->log), NULL);

    if (llm_policy_limits_end_users(p))
        json_set(a, v, S("end_users"),
                 json_obj(a, "limits", limits_json(a, p->end_user), "tracked",
                          json_int(a, p->end_users ? p->end_users : LLM_END_USERS), NULL));
    return v;
}

static bool has_limits(const int64_t max[LLM_SLOTS])
{
    for (int i = 0; i < LLM_SLOTS; i++)
        if (max[i] >= 0)
            return true;
    return false;
}

bool llm_policy_has_limits(const struct llm_policy *p)
{
    return has_limits(p->max);
}

bool llm_policy_limits_end_users(const struct llm_policy *p)
{
    return has_limits(p->end_user);
}

bool llm_policy_allows_model(const struct llm_policy *p, Str model)
{
    vec_each(&p->models, s) {
        bool open = str_ends(*s, S("*"));
        if (open ? str_starts(model, str_head(*s, s->n - 1)) : str_eq(model, *s))
            return true;
    }
    return p->models.n == 0;
}

bool llm_policy_allows_endpoint(const struct llm_policy *p, Str operation)
{
    vec_each(&p->endpoints, s)
        if (str_eq(*s, operation))
            return true;
    return p->endpoints.n == 0;
}

/* ---- windows ---- */

void llm_window(enum llm_per per, Usec wall, Usec *ret_from, Usec *ret_to)
{
    static const Usec spans[LLM_PERS] = {USEC_MIN, USEC_H, USEC_DAY, 0};

    if (per != LLM_PER_MONTH) {
        *ret_from = wall - wall % spans[per];
        *ret_to = *ret_from + spans[per];
        return;
    }
    struct time_date d = time_date_of(wall / USEC_DAY);
    *ret_from = time_days_of(d.year, d.month, 1) * USEC_DAY;
    *ret_to = *ret_from + time_month_days(d.year, d.month) * USEC_DAY;
}

/* ---- counters ---- */

void llm_counter_roll(struct llm_counter *c, enum llm_per per, Usec wall)
{
    if (wall >= c->from && wall < c->to)
        return;
    llm_window(per, wall, &c->from, &c->to);
    c->granted = c->used = c->over = 0; /* what is reserved is owed to the new window */
}

int64_t llm_counter_free(const struct llm_counter *c)
{
    return c->granted - c->used - c->reserved;
}

bool llm_counter_reserve(struct llm_counter *c, int64_t n)
{
    if (n > 0 && llm_counter_free(c) < n)
        return false;
    c->reserved += n;
    return true;
}

void llm_counter_settle(struct llm_counter *c, int64_t reserved, int64_t used)
{
    c->reserved -= reserved;
    c->used += used;
}
