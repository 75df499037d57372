/* src/llm/hooks/guard.c - guards in the view, and their changes. */
#include "llm/hooks/guard.h"

#include "base/crypto.h"
#include "llm/llm_private.h"
#include "net/http.h"
#include "net/signature.h"
#include "rt/log.h"

enum {
    URL_MAX = 2048,
    SECRET_MIN = 16,
    SECRET_MAX = 200,
    TEXT_MAX = 64 * 1024,
    NAME_MAX_BYTES = 256
};

const Str llm_hook_events[LLM_HOOK_EVENTS] = {S_INIT("request"), S_INIT("chunk"),
                                              S_INIT("response"), S_INIT("moderation")};

/* ---- what a row says ---- */

static Err read_events(Str text, unsigned *ret_events)
{
    unsigned events = 0;
    Str word;

    while (text.n) {
        text = str_cut(text, ' ', &word);
        unsigned i = 0;
        while (i < LLM_HOOK_EVENTS && !str_eq(word, llm_hook_events[i]))
            i++;
        if (i == LLM_HOOK_EVENTS)
            return err_detail(E_INVALID,
                              "There is no event \"%.*s\"; there are request, chunk, "
                              "response and moderation.",
                              P(str_head(word, 64)));
        events |= 1u << i;
    }
    if (!events)
        return err_detail(E_INVALID, "A guard needs at least one of the events request, chunk, "
                                     "response and moderation.");
    *ret_events = events;
    return OK;
}

Str llm_guard_events_text(struct arena *a, const struct json *list)
{
    Str names[LLM_HOOK_EVENTS + 1];
    size_t n = 0;

    for (size_t i = 0; i < json_len(list) && n < ARRAY_LEN(names); i++)
        names[n++] = str_head(json_str_of(json_item(list, i), S("?")), 64);
    return str_join(a, names, n, S(" "));
}

static Err read_names(struct arena *a, Str text, const char *what, bool ids,
                      LlmGuardNames *ret_names)
{
    LlmGuardNames names = {0};
    struct json *v;
    Id id;

    if (text.n > TEXT_MAX || json_parse(a, text.n ? text : S("[]"), &v) != OK ||
        !json_is(v, JSON_ARR) || json_len(v) > LLM_GUARD_NAMES_MAX)
        return err_detail(E_INVALID, "%s must be a list of at most %d texts.", what,
                          LLM_GUARD_NAMES_MAX);
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(json_item(v, i), S(""));
        if (!name.n || name.n > NAME_MAX_BYTES)
            return err_detail(E_INVALID, "%s must be a list of texts of 1 to %d bytes.", what,
                              NAME_MAX_BYTES);
        if (ids && id_parse(name, &id) != OK)
            return err_detail(E_INVALID, "%s must be ids of keys.", what);
        vec_push(a, &names, name);
    }
    *ret_names = names;
    return OK;
}

static Err read_url(const struct llm *llm, struct arena *a, const struct model_guard_row *row)
{
    struct url url;

    if (row->url.n > URL_MAX || url_parse(a, row->url, &url) != OK)
        return err_detail(E_INVALID, "url must be an address such as https://host/path.");
    if (url.userinfo.n || url.fragment.n)
        return err_detail(E_INVALID, "url must have no user and no fragment.");
    Err e = egress_check_host(row->private_network ? llm->egress_private : llm->egress_public,
                              url.host, url.port);
    if (e == E_EGRESS && !row->private_network &&
        egress_check_host(llm->egress_private, url.host, url.port) == OK)
        return err_detail(E_EGRESS,
                          "url is in a private network: set private_network to allow that.");
    return e;
}

static bool is_name(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!word && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return s.n > 0 && s.n <= LLM_NAME_MAX;
}

Err llm_guard_read(const struct llm *llm, struct arena *a, const struct model_guard_row *row,
                   struct llm_guard *g)
{
    if (!is_name(row->name))
        return err_detail(E_INVALID,
                          "A guard's name is 1 to %d of a-z, 0-9, \"-\", \"_\" and \".\", and "
                          "begins with a letter or digit.",
                          LLM_NAME_MAX);
    if (row->timeout < 50 * USEC_MS || row->timeout > USEC_MIN)
        return err_detail(E_INVALID, "timeout must be from 50ms to 1m.");
    if (row->window < 1 || row->window > LLM_GUARD_WINDOW_MAX)
        return err_detail(E_INVALID, "window must be from 1 to %d.", LLM_GUARD_WINDOW_MAX);
    if (row->back < 0 || row->back > LLM_GUARD_BACK_MAX)
        return err_detail(E_INVALID, "hold_back must be from 0 to %d.", LLM_GUARD_BACK_MAX);
    if (!str_eq(row->on_error, S("refuse")) && !str_eq(row->on_error, S("allow")))
        return err_detail(E_INVALID, "on_error must be refuse or allow.");
    TRY(read_url(llm, a, row));
    g->id = row->id;
    g->tenant = row->tenant;
    g->name = row->name;
    g->url = row->url;
    g->timeout = row->timeout;
    g->window = (size_t)row->window;
    g->back = (size_t)row->back;
    g->allow_on_error = str_eq(row->on_error, S("allow"));
    g->private_network = row->private_network;
    g->enabled = row->enabled;
    g->revision = row->revision;
    g->created_at = row->created_at;
    g->updated_at = row->updated_at;
    g->egress = row->private_network ? llm->egress_private : llm->egress_public;
    TRY(read_events(row->events, &g->events));
    TRY(read_names(a, row->routes, "routes", false, &g->routes));
    TRY(read_names(a, row->keys, "keys", true, &g->keys));
    return read_names(a, row->except_keys, "except_keys", true, &g->except);
}

/* ---- the view ---- */

static Str use_of(struct arena *a, Id id)
{
    return str_fmt(a, "guard:%.*s", P(id_str(a, id)));
}

/* The signing key, in @a. */
static Err open_secret(const struct llm *llm, struct arena *a, const struct model_guard_row *row,
                       Str *ret_key)
{
    AUTO(arena) *own = arena_new(KIB(64));
    Str plain, key;

    TRY(secrets_unseal(llm->secrets, own, use_of(own, row->id), row->secret, &plain));
    Err e = signature_key(own, plain, &key);
    if (e == OK)
        *ret_key = str_dup(a, key);
    crypto_wipe((void *)(uintptr_t)plain.p, plain.n);
    return e;
}

static void add_row(const struct llm *llm, struct llm_view *view, const struct model_guard_row *row)
{
    struct llm_guard g = {0};
    Err e = llm_guard_read(llm, view->a, row, &g);

    /* One whose address is not allowed any more is asked in vain, and refuses. */
    if (e != OK && e != E_EGRESS) {
        LOG_ERROR("a stored guard cannot be read", L_STR("guard", row->name), L_ERR(e));
        g.sealed = true; /* nor asked: what it stands before is refused */
        g.events = (1u << LLM_HOOK_EVENTS) - 1;
    }
    if (e == E_EGRESS)
        g.events = g.events ? g.events : (1u << LLM_HOOK_EVENTS) - 1;
    g.id = row->id;
    g.tenant = row->tenant;
    g.name = row->name;
    g.url = row->url;
    g.enabled = row->enabled;
    if (!g.sealed && open_secret(llm, view->a, row, &g.secret) != OK) {
        LOG_ERROR("the secret of a guard does not open", L_STR("guard", row->name));
        g.sealed = true;
    }
    vec_push(view->a, &view->guards, g);
}

Err llm_guards_load(struct llm *llm, struct llm_view *view)
{
    ModelGuardRows rows;

    TRY(store_model_guard_list(llm->db, view->a, &rows));
    vec_each(&rows, row)
        add_row(llm, view, row);
    vec_each(&view->guards, g) {
        g->hook = (struct llm_hook){.name = g->name,
                                    .wants = llm_guard_wants,
                                    .look = llm_guard_look,
                                    .window = g->window,
                                    .back = g->back,
                                    .ctx = g};
        view->hooked |= g->enabled;
    }
    return OK;
}

void llm_guards_forget(struct llm_view *view)
{
    vec_each(&view->guards, g)
        if (g->secret.n)
            crypto_wipe((void *)(uintptr_t)g->secret.p, g->secret.n);
}

size_t llm_guard_count(const struct llm_view *view)
{
    return view->guards.n;
}

const struct llm_guard *llm_guard_at(const struct llm_view *view, size_t i)
{
    return &view->guards.at[i];
}

const struct llm_guard *llm_guard_get(const struct llm_view *view, Id tenant, Id id)
{
    vec_each(&view->guards, g)
        if (id_eq(g->id, id) && id_eq(g->tenant, tenant))
            return g;
    return NULL;
}

const struct llm_guard *llm_guard_named(const struct llm_view *view, Id tenant, Str name)
{
    vec_each(&view->guards, g)
        if (str_eq(g->name, name) && id_eq(g->tenant, tenant))
            return g;
    return NULL;
}

void llm_hook_add(struct llm *llm, const struct llm_hook *hook)
{
    if (llm->n_hooks == LLM_HOOKS_MAX)
        DIE("too many hooks");
    uv_mutex_lock(&llm->lock);
    llm->hooks[llm->n_hooks++] = hook;
    llm->view->hooked = true;
    uv_mutex_unlock(&llm->lock);
}

/* ---- changes ---- */

/* 32 bytes, as the specification recommends. */
static Str new_secret(struct arena *a)
{
    char bytes[32];

    crypto_random(bytes, sizeof bytes);
    return str_fmt(a, "whsec_%.*s", P(crypto_base64(a, str_from(bytes, sizeof bytes))));
}

Err llm_guard_secret_check(struct arena *a, Str secret)
{
    Str key;

    if (secret.n > SECRET_MAX || signature_key(a, secret, &key) != OK || key.n < SECRET_MIN)
        return err_detail(E_INVALID,
                          "secret must be \"whsec_\" and base64 of at least %d bytes, "
                          "or any text of %d to %d bytes.",
                          SECRET_MIN, SECRET_MIN, SECRET_MAX);
    return OK;
}

static Err seal(const struct llm *llm, struct arena *a, struct model_guard_row *row, Str secret,
                Str *ret_secret)
{
    if (!llm->secrets)
        return err_set(E_UNSUPPORTED, "this process has no master key");
    if (!secret.n)
        secret = new_secret(a);
    TRY(llm_guard_secret_check(a, secret));
    row->secret = secrets_seal(llm->secrets, a, use_of(a, row->id), secret);
    *ret_secret = secret;
    return OK;
}

static Err check(const struct llm *llm, struct arena *a, const struct model_guard_row *row)
{
    return llm_guard_read(llm, a, row, arena_new_of(a, struct llm_guard));
}

static Err check_room(struct llm *llm, Id tenant)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    size_t n = 0;

    vec_each(&view->guards, g)
        n += id_eq(g->tenant, tenant);
    if (n >= LLM_GUARDS_MAX)
        return err_detail(E_INVALID, "There are %d guards, which is all there can be.",
                          LLM_GUARDS_MAX);
    return OK;
}

Err llm_guard_create(struct llm *llm, struct arena *a, struct model_guard_row *row, Str *ret_secret)
{
    TRY(check(llm, a, row));
    TRY(check_room(llm, row->tenant));
    row->id = id_new();
    row->revision = 1;
    row->created_at = row->updated_at = time_wall();
    TRY(seal(llm, a, row, row->secret, ret_secret));
    return llm_written(llm, store_model_guard_create(llm->db, a, row), "guard", row->name);
}

/* What is stored of its secret. It is not for another server: who may set an address is not to get
 * calls signed for what stands there. */
static Err sealed_of(struct llm *llm, struct arena *a, struct model_guard_row *row)
{
    ModelGuardRows rows;

    TRY(store_model_guard_list(llm->db, a, &rows));
    vec_each(&rows, r) {
        if (!id_eq(r->id, row->id) || !id_eq(r->tenant, row->tenant))
            continue;
        row->secret = r->secret;
        return OK;
    }
    return err_set(E_NOT_FOUND, "no such guard");
}

Err llm_guard_update(struct llm *llm, struct arena *a, struct model_guard_row *row, Str secret,
                     Str *ret_secret)
{
    TRY(check(llm, a, row));
    *ret_secret = S("");
    if (secret.p)
        TRY(seal(llm, a, row, secret, ret_secret));
    else
        TRY(sealed_of(llm, a, row));
    return llm_written(llm, store_model_guard_update(llm->db, a, row), "guard", row->name);
}

Err llm_guard_delete(struct llm *llm, struct arena *a, Id tenant, Id id)
{
    return llm_written(llm, store_model_guard_delete(llm->db, a, tenant, id), "guard", S(""));
}
