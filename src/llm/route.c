/* src/llm/route.c - routes in the view, their changes, and the health of their targets. */
#include "llm/route.h"

#include "base/json.h"
#include "llm/llm_private.h"
#include "net/http.h"
#include "rt/log.h"

enum { TARGETS_TEXT_MAX = 16 * 1024, STICKY_MAX = 64 };

/* ---- targets ---- */

static Err read_count(const struct json *v, Str name, int64_t min, int64_t max, int64_t otherwise,
                      unsigned *ret_n)
{
    const struct json *given = json_get(v, name);
    int64_t n = given ? json_int_of(given, -1) : otherwise;

    if (n < min || n > max)
        return err_detail(E_INVALID, "%.*s of a target must be from %lld to %lld.", P(name),
                          (long long)min, (long long)max);
    *ret_n = (unsigned)n;
    return OK;
}

static Err read_target(const struct json *v, struct llm_route_target *target)
{
    static const Str known[] = {S_INIT("provider"), S_INIT("model"), S_INIT("weight"),
                                S_INIT("max_concurrent")};

    for (size_t i = 0; json_is(v, JSON_OBJ) && i < json_len(v); i++) {
        Str key = json_str_of(&v->obj[i].key, S(""));
        bool is_known = false;
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            is_known = is_known || str_eq(key, known[k]);
        if (!is_known)
            return err_detail(E_INVALID, "A target has no \"%.*s\".", P(str_head(key, 64)));
    }
    target->provider = json_str_of(json_at(v, "provider"), S(""));
    target->model = json_str_of(json_at(v, "model"), S(""));
    if (!target->provider.n || target->provider.n > LLM_NAME_MAX)
        return err_detail(E_INVALID, "A target needs the name of a provider.");
    if (!target->model.n || target->model.n > LLM_MODEL_MAX)
        return err_detail(E_INVALID, "A target needs a model of 1 to %d bytes.", LLM_MODEL_MAX);
    TRY(read_count(v, S("weight"), 1, LLM_WEIGHT_MAX, 1, &target->weight));
    return read_count(v, S("max_concurrent"), 0, LLM_CONCURRENT_MAX, 0, &target->concurrent);
}

static Err read_targets(struct arena *a, Str text, struct llm_route *route)
{
    struct json *v;

    if (text.n > TARGETS_TEXT_MAX || json_parse(a, text, &v) != OK || !json_is(v, JSON_ARR))
        return err_detail(E_INVALID, "targets must be a list.");
    if (json_len(v) < 1 || json_len(v) > LLM_TARGETS_MAX)
        return err_detail(E_INVALID, "A route has 1 to %d targets.", LLM_TARGETS_MAX);
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_target(json_item(v, i), &route->targets[route->n_targets++]));
    return OK;
}

static Err read_balance(Str name, enum llm_balance *ret_balance)
{
    for (int i = 0; i < LLM_BALANCES; i++) {
        if (!str_eq(name, llm_balance_names[i]))
            continue;
        *ret_balance = (enum llm_balance)i;
        return OK;
    }
    return err_detail(E_INVALID, "balance must be order, weighted or fastest.");
}

static Err read_cache(struct arena *a, Str text, struct llm_cache_rule *ret_rule)
{
    struct json *v;

    if (json_parse(a, text.n ? text : S("null"), &v) != OK)
        return err_detail(E_INVALID, "cache must be an object.");
    return llm_cache_rule_read(v, ret_rule);
}

static Err read_hedge(struct arena *a, Str text, struct llm_hedge *ret_hedge)
{
    struct json *v;

    if (json_parse(a, text.n ? text : S("null"), &v) != OK)
        return err_detail(E_INVALID, "hedge must be an object.");
    return llm_hedge_read(v, ret_hedge);
}

const Str llm_context_names[LLM_CONTEXTS] = {S_INIT(""), S_INIT("none"), S_INIT("error"),
                                             S_INIT("trim")};

static Err read_context(Str name, enum llm_context *ret_context)
{
    for (int i = 0; i < LLM_CONTEXTS; i++) {
        if (!str_eq(name, llm_context_names[i]))
            continue;
        *ret_context = (enum llm_context)i;
        return OK;
    }
    return err_detail(E_INVALID, "context must be none, error or trim.");
}

/* ---- the view ---- */

static Str route_key(char out[16 + LLM_ROUTE_NAME_MAX], Id tenant, Str name)
{
    size_t n = name.n < LLM_ROUTE_NAME_MAX ? name.n : LLM_ROUTE_NAME_MAX;

    memcpy(out, tenant.b, 16);
    memcpy(out + 16, name.p, n);
    return str_from(out, 16 + n);
}

Err llm_routes_load(struct db *db, struct llm_view *view)
{
    char key[16 + LLM_ROUTE_NAME_MAX];
    ModelRouteRows rows;

    TRY(store_model_route_list(db, view->a, &rows));
    vec_each(&rows, row) {
        struct llm_route route = {.id = row->id,
                                  .tenant = row->tenant,
                                  .name = row->name,
                                  .attempts = (unsigned)row->attempts,
                                  .timeout = row->timeout,
                                  .sticky = row->sticky,
                                  .revision = row->revision,
                                  .created_at = row->created_at,
                                  .updated_at = row->updated_at};
        Err e = read_targets(view->a, row->targets, &route);
        if (e == OK)
            e = read_balance(row->balance, &route.balance);
        if (e == OK)
            e = read_cache(view->a, row->cache, &route.cache);
        if (e == OK)
            e = read_context(row->context, &route.context);
        if (e == OK)
            e = read_hedge(view->a, row->hedge, &route.hedge);
        if (e == OK)
            vec_push(view->a, &view->routes, route);
        else
            LOG_ERROR("a stored route cannot be read", L_STR("route", row->name), L_ERR(e));
    }
    vec_each(&view->routes, r)
        map_put(view->routes_by_name, route_key(key, r->tenant, r->name), r);
    return OK;
}

size_t llm_route_count(const struct llm_view *view)
{
    return view->routes.n;
}

const struct llm_route *llm_route_at(const struct llm_view *view, size_t i)
{
    return &view->routes.at[i];
}

const struct llm_route *llm_route_named(const struct llm_view *view, Id tenant, Str name)
{
    char key[16 + LLM_ROUTE_NAME_MAX];

    return name.n > LLM_ROUTE_NAME_MAX
               ? NULL
               : map_get(view->routes_by_name, route_key(key, tenant, name));
}

const struct llm_route *llm_route_get(const struct llm_view *view, Id tenant, Id id)
{
    vec_each(&view->routes, r)
        if (id_eq(r->id, id) && id_eq(r->tenant, tenant))
            return r;
    return NULL;
}

/* ---- changes ---- */

static bool is_route_name(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '"')
            return false;
    return s.n > 0 && s.n <= LLM_ROUTE_NAME_MAX;
}

Err llm_route_read(struct arena *a, const struct model_route_row *row, struct llm_route *ret_route)
{
    if (!is_route_name(row->name))
        return err_detail(E_INVALID, "A route's name is 1 to %d printable characters of ASCII.",
                          LLM_ROUTE_NAME_MAX);
    if (str_starts(row->name, S("prompt/")))
        return err_detail(E_INVALID, "Names that begin with \"prompt/\" are of prompts.");
    if (row->attempts < 1 || row->attempts > LLM_ATTEMPTS_MAX)
        return err_detail(E_INVALID, "attempts must be from 1 to %d.", LLM_ATTEMPTS_MAX);
    if (row->timeout && (row->timeout < 100 * USEC_MS || row->timeout > USEC_DAY))
        return err_detail(E_INVALID, "timeout must be from 100ms to 1d.");
    if (row->sticky.n && (row->sticky.n > STICKY_MAX || !http_header_valid(row->sticky, S(""))))
        return err_detail(E_INVALID, "sticky must be the name of a header.");
    ret_route->name = row->name;
    ret_route->attempts = (unsigned)row->attempts;
    ret_route->timeout = row->timeout;
    ret_route->sticky = row->sticky;
    TRY(read_balance(row->balance, &ret_route->balance));
    TRY(read_cache(a, row->cache, &ret_route->cache));
    TRY(read_context(row->context, &ret_route->context));
    TRY(read_hedge(a, row->hedge, &ret_route->hedge));
    return read_targets(a, row->targets, ret_route);
}

static Err check(struct llm *llm, struct arena *a, const struct model_route_row *row)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    struct llm_route *route = arena_new_of(a, struct llm_route);
    Str first;

    if (str_cut(row->name, '/', &first).n && llm_view_named(view, row->tenant, first))
        return err_detail(E_INVALID,
                          "\"%.*s\" is a provider: names that begin with it are its own models.",
                          P(first));
    TRY(llm_route_read(a, row, route));
    for (unsigned i = 0; i < route->n_targets; i++)
        if (!llm_view_named(view, row->tenant, route->targets[i].provider))
            return err_detail(E_INVALID, "There is no provider \"%.*s\".",
                              P(route->targets[i].provider));
    return OK;
}

Err llm_route_create(struct llm *llm, struct arena *a, struct model_route_row *row)
{
    if (!row->attempts)
        row->attempts = LLM_ATTEMPTS_USUAL;
    TRY(check(llm, a, row));
    row->id = id_new();
    row->revision = 1;
    row->created_at = row->updated_at = time_wall();
    return llm_written(llm, store_model_route_create(llm->db, a, row), "route", row->name);
}

Err llm_route_update(struct llm *llm, struct arena *a, const struct model_route_row *row)
{
    TRY(check(llm, a, row));
    return llm_written(llm, store_model_route_update(llm->db, a, row), "route", row->name);
}

Err llm_route_delete(struct llm *llm, struct arena *a, Id tenant, Id id)
{
    return llm_written(llm, store_model_route_delete(llm->db, a, tenant, id), "route", S(""));
}
