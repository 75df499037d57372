/* src/main/apply_guards.c - guards of model calls as a file says they are to be. */
#include "base/json.h"
#include "llm/hooks/guard.h"
#include "main/apply.h"
#include "net/signature.h"

enum { CHANGE_MAX = 1024 };

static void add_change(struct buf *change, bool differs, const char *name)
{
    if (differs)
        buf_add_fmt(change, "%s%s", change->n ? ", " : "", name);
}

/* The ids of the keys that @v names. One that the file makes has none before it is made. */
static Err ids_of(struct apply *ap, const struct json *v, const char *what, Str *ret_ids)
{
    struct json *ids = json_arr(ap->a);

    if (v && !json_is(v, JSON_NULL) && !json_is(v, JSON_ARR))
        return err_detail(E_INVALID, "\"%s\" must be a list of names of keys.", what);
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(json_item(v, i), S(""));
        const struct auth_key *key;
        bool named = false;
        TRY(apply_find_key(ap, name, &key));
        vec_each(&ap->keys, k)
            named = named || str_eq(*k, name);
        if (!key && !(ap->dry && named))
            return err_detail(E_INVALID, "There is no key \"%.*s\".", P(str_head(name, 128)));
        json_push(ap->a, ids, json_id(ap->a, key ? key->id : ID_NONE));
    }
    *ret_ids = json_text(ap->a, ids);
    return OK;
}

static Err text_of(const struct json *v, Str name, Str otherwise, Str *ret_text)
{
    const struct json *given = json_get(v, name);

    if (given && !json_is(given, JSON_STR))
        return err_detail(E_INVALID, "\"%.*s\" must be a text.", P(name));
    *ret_text = json_str_of(given, otherwise);
    return OK;
}

static Err int_of(const struct json *v, Str name, int64_t otherwise, int64_t *ret_n)
{
    const struct json *given = json_get(v, name);

    *ret_n = given ? json_int_of(given, -1) : otherwise;
    return *ret_n >= 0 ? OK : err_detail(E_INVALID, "\"%.*s\" must be a whole number.", P(name));
}

static Err bool_of(const struct json *v, Str name, bool otherwise, bool *ret_b)
{
    const struct json *given = json_get(v, name);

    if (given && !json_is_bool(given))
        return err_detail(E_INVALID, "\"%.*s\" must be true or false.", P(name));
    *ret_b = json_bool_of(given, otherwise);
    return OK;
}

static Err read_guard(struct apply *ap, const struct json *v, struct model_guard_row *row)
{
    const struct json *routes = json_get(v, S("routes"));
    Str timeout, url;

    TRY(apply_members(v,
                      "name url events routes keys except_keys timeout on_error window hold_back "
                      "private_network enabled secret"));
    TRY(text_of(v, S("name"), S(""), &row->name));
    TRY(text_of(v, S("url"), S(""), &url));
    TRY(text_of(v, S("timeout"), S(""), &timeout));
    TRY(apply_expand(ap->a, ap->env, str_trim(url), &row->url));
    row->events = llm_guard_events_text(ap->a, json_get(v, S("events")));
    row->routes = routes && !json_is(routes, JSON_NULL) ? json_text(ap->a, routes) : S("[]");
    TRY(ids_of(ap, json_get(v, S("keys")), "keys", &row->keys));
    TRY(ids_of(ap, json_get(v, S("except_keys")), "except_keys", &row->except_keys));
    TRY(text_of(v, S("on_error"), S("refuse"), &row->on_error));
    TRY(int_of(v, S("window"), LLM_GUARD_WINDOW_USUAL, &row->window));
    TRY(int_of(v, S("hold_back"), LLM_GUARD_BACK_USUAL, &row->back));
    TRY(bool_of(v, S("private_network"), false, &row->private_network));
    TRY(bool_of(v, S("enabled"), true, &row->enabled));
    row->timeout = LLM_GUARD_TIMEOUT_USUAL;
    if (timeout.n && time_parse_span(timeout, &row->timeout) != OK)
        return err_detail(E_INVALID, "\"timeout\" must be a span such as 2s.");
    TRY(apply_secret(ap, json_get(v, S("secret")), &row->secret));
    return row->secret.n ? llm_guard_secret_check(ap->a, row->secret) : OK;
}

static bool same_names(const LlmGuardNames *x, const LlmGuardNames *y)
{
    bool same = x->n == y->n;

    for (size_t i = 0; same && i < x->n; i++)
        same = str_eq(x->at[i], y->at[i]);
    return same;
}

/* What is not said of a secret leaves it as it is. */
static bool other_secret(struct apply *ap, const struct llm_guard *is, Str to_be)
{
    Str key;

    if (!to_be.n)
        return false;
    return is->sealed || signature_key(ap->a, to_be, &key) != OK || !str_eq(key, is->secret);
}

static const char *guard_change(struct apply *ap, const struct llm_guard *is,
                                const struct llm_guard *to_be, Str secret)
{
    AUTO_BUF(change, CHANGE_MAX);

    add_change(&change, !str_eq(is->url, to_be->url), "url");
    add_change(&change, is->events != to_be->events, "events");
    add_change(&change, !same_names(&is->routes, &to_be->routes), "routes");
    add_change(&change, !same_names(&is->keys, &to_be->keys), "keys");
    add_change(&change, !same_names(&is->except, &to_be->except), "except_keys");
    add_change(&change, is->timeout != to_be->timeout, "timeout");
    add_change(&change, is->allow_on_error != to_be->allow_on_error, "on_error");
    add_change(&change, is->window != to_be->window, "window");
    add_change(&change, is->back != to_be->back, "hold_back");
    add_change(&change, is->private_network != to_be->private_network, "private_network");
    add_change(&change, is->enabled != to_be->enabled, "enabled");
    add_change(&change, other_secret(ap, is, secret), "secret");
    return str_dup_c(ap->a, buf_str(&change));
}

Err apply_guard(struct apply *ap, const struct json *v)
{
    AUTO(llm_view) *view = llm_view_take(ap->boot->llm);
    struct model_guard_row row = {.tenant = ap->tenant};
    struct llm_guard *to_be = arena_new_of(ap->a, struct llm_guard);
    Str secret;

    TRY(read_guard(ap, v, &row));
    TRY(llm_guard_read(ap->boot->llm, ap->a, &row, to_be));
    const struct llm_guard *is = llm_guard_named(view, ap->tenant, row.name);
    if (!is && !row.secret.n)
        return err_detail(E_INVALID,
                          "A new guard needs a \"secret\", which signs what it is asked.");
    const char *change = is ? guard_change(ap, is, to_be, row.secret) : NULL;
    apply_note(ap, "guard", row.name, change);
    if (ap->dry || (change && !*change))
        return OK;
    if (!is)
        return llm_guard_create(ap->boot->llm, ap->a, &row, &secret);
    row.id = is->id;
    row.revision = is->revision;
    return llm_guard_update(ap->boot->llm, ap->a, &row, row.secret.n ? row.secret : (Str){0},
                            &secret);
}
