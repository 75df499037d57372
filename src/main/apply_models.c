/* src/main/apply_models.c - providers, routes and prices as a file says they are to be. */
#include "base/json.h"
#include "llm/prices.h"
#include "llm/route.h"
#include "main/apply.h"

enum { CHANGE_MAX = 1024 };

/* The names of what is changed, with commas between them. */
static void add_change(struct buf *change, bool differs, const char *name)
{
    if (differs)
        buf_add_fmt(change, "%s%s", change->n ? ", " : "", name);
}

static const char *change_text(struct apply *ap, const struct buf *change)
{
    return str_dup_c(ap->a, buf_str(change));
}

static Err text_of(const struct json *v, Str name, Str otherwise, Str *ret_text)
{
    const struct json *given = json_get(v, name);

    if (given && !json_is(given, JSON_STR))
        return err_detail(E_INVALID, "\"%.*s\" must be a text.", P(name));
    *ret_text = json_str_of(given, otherwise);
    return OK;
}

static Err bool_of(const struct json *v, Str name, bool otherwise, bool *ret_b)
{
    const struct json *given = json_get(v, name);

    if (given && !json_is_bool(given))
        return err_detail(E_INVALID, "\"%.*s\" must be true or false.", P(name));
    *ret_b = json_bool_of(given, otherwise);
    return OK;
}

static Err span_of(const struct json *v, Str name, Usec *ret_span)
{
    Str text;

    TRY(text_of(v, name, S(""), &text));
    if (text.n && (time_parse_span(text, ret_span) != OK || !*ret_span))
        return err_detail(E_INVALID, "\"%.*s\" must be a span such as 20s.", P(name));
    return OK;
}

/* ---- providers ---- */

static Err read_provider(struct apply *ap, const struct json *v, struct provider_row *row)
{
    TRY(apply_members(v, "name kind base_url credential api_version private_network enabled "
                         "timeout probe"));
    TRY(text_of(v, S("kind"), S(""), &row->kind));
    const struct llm_kind *kind = llm_kind_find(row->kind);
    if (!kind)
        return err_detail(E_INVALID, "There is no kind \"%.*s\".", P(str_head(row->kind, 64)));
    TRY(text_of(v, S("name"), row->kind, &row->name));
    TRY(text_of(v, S("base_url"), str_c(kind->base_url ? kind->base_url : ""), &row->base_url));
    TRY(apply_expand(ap->a, ap->env, row->base_url, &row->base_url));
    while (str_ends(row->base_url, S("/")))
        row->base_url.n--;
    TRY(text_of(v, S("api_version"), S(""), &row->api_version));
    TRY(bool_of(v, S("private_network"), kind->private_network, &row->private_network));
    TRY(bool_of(v, S("enabled"), true, &row->enabled));
    row->probe = json_get(v, S("probe")) && !json_is(json_get(v, S("probe")), JSON_NULL)
                     ? json_text(ap->a, json_get(v, S("probe")))
                     : S("");
    row->timeout = LLM_TIMEOUT_DEFAULT;
    TRY(span_of(v, S("timeout"), &row->timeout));
    TRY(apply_secret(ap, json_get(v, S("credential")), &row->credential));
    if (json_is(json_get(v, S("credential")), JSON_NULL)) /* not left out: it is to have none */
        row->credential = S("");
    TRY(llm_credential_check(row->credential));
    if (!row->base_url.n)
        return err_detail(E_INVALID, "\"base_url\" is needed: kind %s has none of its own.",
                          kind->name);
    return llm_provider_check(ap->boot->llm, ap->a, row);
}

static Str credential_of(const struct llm_provider *p)
{
    return str_starts(p->auth, S("Bearer ")) ? str_skip(p->auth, S("Bearer ").n) : p->auth;
}

/* What is not said of a credential leaves it as it is. */
static void add_credential(struct buf *change, const struct llm_provider *p, Str to_be)
{
    bool gone = to_be.p && !to_be.n && p->has_credential;
    bool other = to_be.p && to_be.n && (p->sealed || !str_eq(credential_of(p), to_be));

    add_change(change, gone || other, gone ? "credential (taken away)" : "credential");
}

static Err same_probe(struct apply *ap, const struct llm_probe *is, Str text, bool *ret_same)
{
    struct llm_probe to_be = {0};
    struct json *v = NULL;

    if (text.n)
        TRY(json_parse(ap->a, text, &v));
    TRY(llm_probe_read(v, &to_be));
    const struct json *x = llm_probe_json(ap->a, is), *y = llm_probe_json(ap->a, &to_be);
    *ret_same = x && y ? json_equal(x, y) : x == y;
    return OK;
}

static Err change_provider(struct apply *ap, const struct llm_provider *p, struct provider_row *row)
{
    AUTO_BUF(change, CHANGE_MAX);
    bool same = true;

    if (!str_eq(str_c(p->kind->name), row->kind))
        return err_detail(E_INVALID,
                          "The provider \"%.*s\" is there and of the kind %s: delete it, if it is "
                          "to be another.",
                          P(p->name), p->kind->name);
    add_change(&change, !str_eq(p->base_url, row->base_url), "base_url");
    add_change(&change, !str_eq(p->api_version, row->api_version), "api_version");
    add_change(&change, p->private_network != row->private_network, "private_network");
    add_change(&change, p->enabled != row->enabled, "enabled");
    add_change(&change, p->timeout != row->timeout, "timeout");
    TRY(same_probe(ap, &p->probe, row->probe, &same));
    add_change(&change, !same, "probe");
    add_credential(&change, p, row->credential);
    if (!row->credential.p && p->has_credential && !llm_same_server(p->base_url, row->base_url))
        return err_detail(E_INVALID,
                          "\"base_url\" names another server: give the credential for it "
                          "as well, or null.");
    apply_note(ap, "provider", row->name, change_text(ap, &change));
    if (!change.n || ap->dry)
        return OK;
    row->id = p->id;
    row->revision = p->revision;
    return llm_provider_update(ap->boot->llm, ap->a, row, row->credential);
}

Err apply_provider(struct apply *ap, const struct json *v)
{
    AUTO(llm_view) *view = llm_view_take(ap->boot->llm);
    struct provider_row row = {.tenant = ap->tenant};

    TRY(read_provider(ap, v, &row));
    vec_push(ap->a, &ap->providers, row.name);
    const struct llm_provider *p = llm_view_named(view, ap->tenant, row.name);
    if (p && !p->from_environment)
        return change_provider(ap, p, &row);
    apply_note(ap, "provider", row.name, NULL);
    return ap->dry ? OK : llm_provider_create(ap->boot->llm, ap->a, &row);
}

/* ---- routes ---- */

static Err read_route(const struct apply *ap, const struct json *v, struct model_route_row *row)
{
    const struct json *cache = json_get(v, S("cache")), *hedge = json_get(v, S("hedge"));

    TRY(apply_members(v, "name targets balance sticky attempts timeout context cache hedge"));
    TRY(text_of(v, S("name"), S(""), &row->name));
    row->targets = json_text(ap->a, json_get(v, S("targets")));
    TRY(text_of(v, S("balance"), llm_balance_names[LLM_ORDER], &row->balance));
    TRY(text_of(v, S("sticky"), S(""), &row->sticky));
    TRY(text_of(v, S("context"), S(""), &row->context));
    row->attempts = (int)json_int_of(json_get(v, S("attempts")), LLM_ATTEMPTS_USUAL);
    row->cache = cache && !json_is(cache, JSON_NULL) ? json_text(ap->a, cache) : S("");
    row->hedge = hedge && !json_is(hedge, JSON_NULL) ? json_text(ap->a, hedge) : S("");
    return span_of(v, S("timeout"), &row->timeout);
}

static bool is_named(const struct apply *ap, const struct llm_view *view, Str provider)
{
    vec_each(&ap->providers, name)
        if (str_eq(*name, provider))
            return true;
    return llm_view_named(view, ap->tenant, provider) != NULL;
}

static struct json *target_json(struct arena *a, const struct llm_route_target *t)
{
    return json_obj(a, "provider", json_str(a, t->provider), "model", json_str(a, t->model),
                    "weight", json_int(a, t->weight), "max_concurrent", json_int(a, t->concurrent),
                    NULL);
}

static bool same_targets(struct apply *ap, const struct llm_route *x, const struct llm_route *y)
{
    bool same = x->n_targets == y->n_targets;

    for (unsigned i = 0; same && i < x->n_targets; i++)
        same = json_equal(target_json(ap->a, &x->targets[i]), target_json(ap->a, &y->targets[i]));
    return same;
}

static bool same_cache(struct apply *ap, const struct llm_route *x, const struct llm_route *y)
{
    return x->cache.given == y->cache.given &&
           (!x->cache.given || json_equal(llm_cache_rule_json(ap->a, &x->cache),
                                          llm_cache_rule_json(ap->a, &y->cache)));
}

static bool same_hedge(const struct llm_hedge *x, const struct llm_hedge *y)
{
    return x->usual == y->usual && x->after == y->after && x->max == y->max;
}

static const char *route_change(struct apply *ap, const struct llm_route *is,
                                const struct llm_route *to_be)
{
    AUTO_BUF(change, CHANGE_MAX);

    add_change(&change, !same_targets(ap, is, to_be), "targets");
    add_change(&change, is->balance != to_be->balance, "balance");
    add_change(&change, !str_eq(is->sticky, to_be->sticky), "sticky");
    add_change(&change, is->attempts != to_be->attempts, "attempts");
    add_change(&change, is->timeout != to_be->timeout, "timeout");
    add_change(&change, is->context != to_be->context, "context");
    add_change(&change, !same_cache(ap, is, to_be), "cache");
    add_change(&change, !same_hedge(&is->hedge, &to_be->hedge), "hedge");
    return change_text(ap, &change);
}

Err apply_route(struct apply *ap, const struct json *v)
{
    AUTO(llm_view) *view = llm_view_take(ap->boot->llm);
    struct model_route_row row = {.tenant = ap->tenant};
    struct llm_route *to_be = arena_new_of(ap->a, struct llm_route);

    TRY(read_route(ap, v, &row));
    TRY(llm_route_read(ap->a, &row, to_be));
    for (unsigned i = 0; i < to_be->n_targets; i++)
        if (!is_named(ap, view, to_be->targets[i].provider))
            return err_detail(E_INVALID, "There is no provider \"%.*s\".",
                              P(to_be->targets[i].provider));
    const struct llm_route *is = llm_route_named(view, ap->tenant, row.name);
    const char *change = is ? route_change(ap, is, to_be) : NULL;
    apply_note(ap, "route", row.name, change);
    if (ap->dry || (change && !*change))
        return OK;
    if (!is)
        return llm_route_create(ap->boot->llm, ap->a, &row);
    row.id = is->id;
    row.revision = is->revision;
    return llm_route_update(ap->boot->llm, ap->a, &row);
}

/* ---- prices ---- */

/* That which was set by hand; NULL: there is none. */
static Err find_price(struct apply *ap, Str provider, Str model, struct json **ret_price)
{
    ModelPriceRows rows;
    struct llm_price p;
    struct json *v;

    *ret_price = NULL;
    TRY(store_model_price_page(ap->boot->db, ap->a, ap->tenant, provider, model, ID_NONE, 2,
                               &rows));
    vec_each(&rows, row) {
        if (row->imported)
            continue;
        TRY(json_parse(ap->a, row->prices, &v));
        TRY(llm_price_read(v, &p));
        *ret_price = llm_price_json(ap->a, &p);
    }
    return OK;
}

Err apply_price(struct apply *ap, const struct json *v)
{
    Str provider, model;
    struct llm_price p;
    struct json *is;

    TRY(apply_members(v, "provider model price"));
    TRY(text_of(v, S("provider"), S(""), &provider));
    TRY(text_of(v, S("model"), S(""), &model));
    if (!provider.n || provider.n > LLM_NAME_MAX || !model.n || model.n > LLM_MODEL_MAX)
        return err_detail(E_INVALID, "A price needs \"provider\" and \"model\".");
    TRY(llm_price_read(json_get(v, S("price")), &p));
    TRY(find_price(ap, provider, model, &is));
    bool same = is && json_equal(is, llm_price_json(ap->a, &p));
    apply_note(ap, "price", str_fmt(ap->a, "%.*s/%.*s", P(provider), P(model)),
               !is    ? NULL
               : same ? ""
                      : "price");
    return ap->dry || same ? OK
                           : llm_prices_put(ap->boot->llm, ap->a, ap->tenant, provider, model,
                                            json_get(v, S("price")));
}
