/* src/llm/llm.c - the providers: from the store and the environment into views. */
#include "llm/cache_purge.h"
#include "llm/limits.h"
#include "llm/llm_private.h"
#include "llm/offers.h"
#include "llm/prices.h"
#include "llm/tokens/tokens.h"
#include "store/store_model_response.h"

#include "base/buf.h"
#include "base/crypto.h"
#include "net/http.h"
#include "rt/log.h"

#include <stdlib.h>

static const Usec WATCH_SPAN = 5 * USEC_S;
static const Usec SWEEP_SPAN = USEC_MIN;
enum { SWEEP_ROWS = 100, SWEEP_TIMES = 50 };
enum { KEY_SIZE = 16 + LLM_NAME_MAX, VIEW_MAX = 256 << 20, PROBE_TEXT_MAX = 4096 };

/* ---- views ---- */

static Str name_key(char out[KEY_SIZE], Id tenant, Str name)
{
    size_t n = name.n < LLM_NAME_MAX ? name.n : LLM_NAME_MAX;

    memcpy(out, tenant.b, 16);
    memcpy(out + 16, name.p, n);
    return str_from(out, 16 + n);
}

struct llm_view *llm_view_take(struct llm *llm)
{
    uv_mutex_lock(&llm->lock);
    struct llm_view *view = llm->view;
    atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    uv_mutex_unlock(&llm->lock);
    return view;
}

void llm_view_unref(struct llm_view *view)
{
    if (!view || atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) != 1)
        return;
    vec_each(&view->providers, p) {
        if (!p->auth.n)
            continue;
        log_unscrub(str_skip(p->auth, S("Bearer ").n));
        crypto_wipe((void *)(uintptr_t)p->auth.p, p->auth.n);
    }
    llm_guards_forget(view);
    map_free(view->by_name, NULL);
    map_free(view->routes_by_name, NULL);
    arena_free(view->a);
    free(view);
}

size_t llm_view_count(const struct llm_view *view)
{
    return view->providers.n;
}

const struct llm_provider *llm_view_at(const struct llm_view *view, size_t i)
{
    return &view->providers.at[i];
}

const struct llm_provider *llm_view_named(const struct llm_view *view, Id tenant, Str name)
{
    char key[KEY_SIZE];

    return name.n > LLM_NAME_MAX ? NULL : map_get(view->by_name, name_key(key, tenant, name));
}

const struct llm_provider *llm_view_get(const struct llm_view *view, Id tenant, Id id)
{
    vec_each(&view->providers, p)
        if (id_eq(p->id, id) && id_eq(p->tenant, tenant))
            return p;
    return NULL;
}

static struct llm_view *view_new(void)
{
    struct llm_view *view = calloc(1, sizeof *view);

    if (!view)
        DIE("out of memory");
    atomic_store(&view->refs, 1);
    view->a = arena_new(VIEW_MAX);
    view->by_name = map_new();
    view->routes_by_name = map_new();
    return view;
}

static void set_auth(struct llm_view *view, struct llm_provider *p, Str credential)
{
    p->has_credential = credential.n > 0;
    if (!credential.n)
        return;
    p->auth = str_fmt(view->a, "Bearer %.*s", P(credential));
    log_scrub(credential);
}

static Str use_of(struct arena *a, Id id)
{
    return str_fmt(a, "provider:%.*s", P(id_str(a, id)));
}

static void open_credential(const struct llm *llm, struct llm_view *view, struct llm_provider *p,
                            Str sealed)
{
    AUTO(arena) *a = arena_new(MIB(1));
    Str plain = S("");

    if (!sealed.n)
        return;
    p->has_credential = true;
    Err e = secrets_unseal(llm->secrets, a, use_of(a, p->id), sealed, &plain);
    if (e != OK) {
        p->sealed = true;
        LOG_ERROR("the credential of a provider does not open", L_STR("provider", p->name),
                  L_ERR(e));
        return;
    }
    set_auth(view, p, plain);
    crypto_wipe((void *)(uintptr_t)plain.p, plain.n);
}

/* What is stored was checked; should it not be readable all the same, nothing is probed. */
static void read_probe(struct llm_view *view, struct llm_provider *p, Str text)
{
    struct json *v = NULL;
    Err e = text.n ? json_parse(view->a, text, &v) : OK;

    if (e == OK)
        e = llm_probe_read(v, &p->probe);
    if (e != OK)
        LOG_ERROR("the probe of a provider cannot be read", L_STR("provider", p->name), L_ERR(e));
}

static void add_row(const struct llm *llm, struct llm_view *view, const struct provider_row *row)
{
    const struct llm_kind *kind = llm_kind_find(row->kind);
    struct llm_provider p = {.id = row->id,
                             .tenant = row->tenant,
                             .name = str_dup(view->a, row->name),
                             .base_url = str_dup(view->a, row->base_url),
                             .api_version = str_dup(view->a, row->api_version),
                             .kind = kind,
                             .egress =
                                 row->private_network ? llm->egress_private : llm->egress_public,
                             .timeout = row->timeout,
                             .revision = row->revision,
                             .created_at = row->created_at,
                             .updated_at = row->updated_at,
                             .private_network = row->private_network,
                             .enabled = row->enabled};
    if (!kind) {
        LOG_ERROR("a provider is of a kind this program does not know", L_STR("provider", p.name),
                  L_STR("kind", row->kind));
        return;
    }
    open_credential(llm, view, &p, row->credential);
    read_probe(view, &p, str_dup(view->a, row->probe));
    vec_push(view->a, &view->providers, p);
}

/* The id of what has no row: the same at every start. */
static Id seed_id(const struct llm_seed *seed)
{
    AUTO(arena) *a = arena_new(KIB(1));
    uint8_t hash[CRYPTO_HASH_SIZE];
    Id id;

    crypto_blake2b(str_fmt(a, "environment:%s", seed->kind), hash);
    memcpy(id.b, hash, sizeof id.b);
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x80); /* a UUID of version 8 */
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

/* An address that stands in the environment was written by whoever runs the server: it may be
 * private. */
static void add_seed(const struct llm *llm, struct llm_view *view, const struct llm_seed *seed)
{
    const struct llm_kind *kind = llm_kind_find(str_c(seed->kind));
    bool given = seed->base_url.n > 0;
    struct llm_provider p = {.id = seed_id(seed),
                             .tenant = llm->tenant,
                             .name = str_c(seed->kind),
                             .base_url = given ? seed->base_url : str_c(kind->base_url),
                             .api_version = seed->api_version,
                             .kind = kind,
                             .egress = given ? llm->egress_private : llm->egress_public,
                             .timeout = LLM_TIMEOUT_DEFAULT,
                             .private_network = given,
                             .enabled = true,
                             .from_environment = true};
    set_auth(view, &p, seed->credential);
    vec_push(view->a, &view->providers, p);
}

static bool has_row_named(const ProviderRows *rows, Id tenant, Str name)
{
    vec_each(rows, row)
        if (id_eq(row->tenant, tenant) && str_eq(row->name, name))
            return true;
    return false;
}

/* Numbers that change with every change to what a view is made of. */
static Err read_stamp(struct llm *llm, struct arena *a, struct store_stamp ret_stamp[LLM_STAMPS])
{
    TRY(store_provider_stamp(llm->db, a, ret_stamp));
    TRY(store_model_route_stamp(llm->db, a, ret_stamp + 1));
    return store_model_guard_stamp(llm->db, a, ret_stamp + 2);
}

static Err make_view(struct llm *llm, struct llm_view **ret_view,
                     struct store_stamp ret_stamp[LLM_STAMPS])
{
    AUTO(arena) *a = arena_new(VIEW_MAX);
    char key[KEY_SIZE];
    ProviderRows rows;

    TRY(read_stamp(llm, a, ret_stamp));
    TRY(store_provider_list(llm->db, a, &rows));
    AUTO(llm_view) *view = view_new();
    TRY(llm_routes_load(llm->db, view));
    view->hooked = llm->n_hooks > 0;
    TRY(llm_guards_load(llm, view));
    for (size_t i = 0; i < llm->n_seeds; i++)
        if (!has_row_named(&rows, llm->tenant, str_c(llm->seeds[i].kind)))
            add_seed(llm, view, &llm->seeds[i]);
    vec_each(&rows, row)
        add_row(llm, view, row);
    vec_each(&view->providers, p)
        map_put(view->by_name, name_key(key, p->tenant, p->name), p);
    *ret_view = view;
    view = NULL;
    return OK;
}

Err llm_reload(struct llm *llm)
{
    struct llm_view *view, *other;
    struct store_stamp stamp[LLM_STAMPS];

    uv_mutex_lock(&llm->lock);
    uint64_t turn = ++llm->reloads;
    uv_mutex_unlock(&llm->lock);
    TRY(make_view(llm, &view, stamp));
    uv_mutex_lock(&llm->lock);
    other = view;
    if (turn > llm->reloaded) { /* else one that began to read later has come before */
        other = llm->view;
        llm->view = view;
        llm->reloaded = turn;
        memcpy(llm->stamp, stamp, sizeof stamp);
    }
    uv_mutex_unlock(&llm->lock);
    llm_view_unref(other);
    return OK;
}

Err llm_written(struct llm *llm, Err e, const char *what, Str name)
{
    if (e == E_EXISTS)
        return err_detail(e, "There is a %s \"%.*s\" already.", what, P(name));
    if (e == E_CONFLICT)
        return err_detail(e, "The %s was changed meanwhile: read it again.", what);
    TRY(e);
    return llm_reload(llm);
}

/* ---- what others change ---- */

static Err look(struct llm *llm)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct store_stamp stamp[LLM_STAMPS];

    TRY(llm_prices_look(llm->prices));
    TRY(llm_cache_look(llm));
    TRY(read_stamp(llm, a, stamp));
    uv_mutex_lock(&llm->lock);
    bool same = memcmp(stamp, llm->stamp, sizeof stamp) == 0;
    uv_mutex_unlock(&llm->lock);
    return same ? OK : llm_reload(llm);
}

/* Forget conversations whose time is over, some at a time. */
static Err sweep_responses(struct llm *llm)
{
    Usec now = time_mono();
    int n = SWEEP_ROWS;

    if (llm->swept_at && now - llm->swept_at < SWEEP_SPAN)
        return OK;
    llm->swept_at = now;
    AUTO(arena) *own = arena_new(KIB(64));
    TRY(store_model_pin_expire(llm->db, own, time_wall()));
    for (int i = 0; i < SWEEP_TIMES && n == SWEEP_ROWS; i++) {
        AUTO(arena) *a = arena_new(MIB(64));
        TRY(store_model_response_expire(llm->db, a, time_wall(), SWEEP_ROWS, &n));
    }
    return OK;
}

static Err keep_responses(struct llm *llm)
{
    if (llm->responses_kept)
        TRY(llm_pins_flush(llm->pins, llm->db, llm->responses_kept));
    return sweep_responses(llm);
}

static Err watch(void *arg)
{
    struct llm *llm = arg;
    bool said = false;

    while (fiber_sleep(WATCH_SPAN) == OK) {
        Err e = look(llm);
        if (e == OK && llm->ledger) /* this process serves */
            e = keep_responses(llm);
        if (e != OK && e != E_CANCELLED && !said)
            LOG_WARN("the providers could not be read again; the last known ones stay", L_ERR(e));
        said = e != OK;
    }
    return OK;
}

/* ---- life ---- */

static Err open_doors(struct llm *llm, const struct llm_options *o)
{
    Str allow = str_fmt(llm->a, "%.*s,private", P(o->egress_allow.n ? o->egress_allow : S("*")));

    TRY(egress_new(o->egress_allow, o->egress_deny, &llm->egress_public));
    return egress_new(allow, o->egress_deny, &llm->egress_private);
}

static void copy_seeds(struct llm *llm, const struct llm_options *o)
{
    llm->seeds = arena_array(llm->a, struct llm_seed, o->n_seeds + 1);
    llm->n_seeds = o->n_seeds;
    for (size_t i = 0; i < o->n_seeds; i++) {
        Str url = o->seeds[i].base_url;
        while (str_ends(url, S("/")))
            url.n--;
        llm->seeds[i] = (struct llm_seed){.kind = o->seeds[i].kind,
                                          .base_url = str_dup(llm->a, url),
                                          .credential = str_dup(llm->a, o->seeds[i].credential),
                                          .api_version = str_dup(llm->a, o->seeds[i].api_version)};
    }
}

Err llm_new(const struct llm_options *options, struct llm **ret_llm)
{
    struct llm *llm = calloc(1, sizeof *llm);

    if (!llm || uv_mutex_init(&llm->lock))
        DIE("out of memory");
    llm->a = arena_new(MIB(1));
    llm->db = options->db;
    llm->secrets = options->secrets;
    llm->tenant = options->tenant;
    llm->pins = llm_pins_new();
    llm->lacks = llm_lacks_new();
    llm->responses_kept = options->responses_kept;
    llm->cache = llm_cache_new(options->cache);
    llm->purges = map_new();
    llm->models = map_new();
    llm->targets = map_new();
    llm->states = map_new();
    llm->prices = llm_prices_new(llm->db);
    llm->alerts = llm_alerts_new();
    llm->limits = llm_limits_new(llm->db, llm->alerts);
    llm->refuse_unpriced = options->refuse_unpriced;
    llm->heartbeat = options->heartbeat;
    llm->heartbeat_skip = str_dup(llm->a, options->heartbeat_skip);
    llm->templates = options->templates;
    llm->upload_max = options->upload_max ? options->upload_max : LLM_UPLOAD_MAX;
    llm->context = options->context;
    llm->offers = str_dup(llm->a, options->offers);
    copy_seeds(llm, options);
    Err e = llm_offers_check(llm->offers);
    if (e == OK && options->redis)
        e = llm_limits_use_redis(llm->limits, options->redis, llm->tenant);
    if (e == OK)
        e = llm_vocabularies_load(options->vocabularies, &llm->vocabularies);
    if (e == OK)
        e = open_doors(llm, options);
    if (e == OK)
        e = llm_reload(llm);
    if (e == OK)
        e = llm_prices_look(llm->prices);
    if (e == OK)
        e = llm_cache_look(llm);
    if (e != OK) {
        llm_free(llm);
        return e;
    }
    Usec bodies = options->bodies_kept ? options->bodies_kept : options->retention;
    if (options->retention)
        bodies = usec_min(bodies, options->retention);
    if (options->record)
        llm->ledger = llm_ledger_new(llm->db, options->retention, bodies);
    llm->watcher = fiber_start_ref("llm.watch", watch, llm);
    *ret_llm = llm;
    return OK;
}

struct llm_alerts *llm_alerts_of(struct llm *llm)
{
    return llm->alerts;
}

struct llm_limits *llm_limits_of(struct llm *llm)
{
    return llm->limits;
}

void llm_free(struct llm *llm)
{
    if (!llm)
        return;
    fiber_end(llm->prober);
    fiber_end(llm->watcher);
    if (llm->ledger && llm->responses_kept &&
        llm_pins_flush(llm->pins, llm->db, llm->responses_kept) != OK)
        LOG_WARN("who made the last responses was not written; their routes will ask for it");
    llm_ledger_free(llm->ledger);
    llm_limits_free(llm->limits);
    llm_alerts_free(llm->alerts);
    llm_view_unref(llm->view);
    llm_pins_free(llm->pins);
    llm_lacks_free(llm->lacks);
    llm_cache_free(llm->cache);
    map_free(llm->purges, NULL);
    map_free(llm->models, llm_model_list_free);
    map_free(llm->targets, free);
    map_free(llm->states, free);
    llm_prices_free(llm->prices);
    llm_vocabularies_free(llm->vocabularies);
    egress_free(llm->egress_public);
    egress_free(llm->egress_private);
    arena_free(llm->a);
    uv_mutex_destroy(&llm->lock);
    free(llm);
}

/* ---- changes ---- */

bool llm_is_name(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!word && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return s.n > 0 && s.n <= LLM_NAME_MAX;
}

static Str kind_names(struct arena *a)
{
    AUTO_BUF(b, KIB(4));

    for (const struct llm_kind *k = llm_kinds; k->name; k++)
        buf_add_fmt(&b, "%s%s", b.n ? ", " : "", k->name);
    return str_dup(a, buf_str(&b));
}

static Err check_url(const struct llm *llm, struct arena *a, const struct provider_row *row)
{
    struct url url;

    if (row->base_url.n > LLM_URL_MAX)
        return err_detail(E_INVALID, "base_url is longer than %d bytes.", LLM_URL_MAX);
    if (url_parse(a, row->base_url, &url) != OK)
        return err_detail(E_INVALID, "base_url must be an address such as https://host/v1.");
    if (url.userinfo.n || url.query.p || url.fragment.n)
        return err_detail(E_INVALID, "base_url must have no user, query or fragment.");
    Err e = egress_check_host(row->private_network ? llm->egress_private : llm->egress_public,
                              url.host, url.port);
    if (e == E_EGRESS && !row->private_network &&
        egress_check_host(llm->egress_private, url.host, url.port) == OK)
        return err_detail(E_EGRESS,
                          "base_url is in a private network: set private_network to allow that.");
    return e;
}

static Err check_api_version(const struct provider_row *row)
{
    const struct llm_kind *kind = llm_kind_find(row->kind);

    if (!row->api_version.n)
        return OK;
    if (!kind->deployments)
        return err_detail(E_INVALID, "A provider of the kind %s has no api_version.", kind->name);
    for (size_t i = 0; i < row->api_version.n; i++) {
        char c = row->api_version.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        if (!plain || row->api_version.n > LLM_API_VERSION_MAX)
            return err_detail(E_INVALID, "api_version must be one such as 2024-10-21.");
    }
    return OK;
}

static Err check_probe(struct arena *a, const struct provider_row *row)
{
    struct llm_probe probe;
    struct json *v = NULL;

    if (row->probe.n > PROBE_TEXT_MAX || (row->probe.n && json_parse(a, row->probe, &v) != OK))
        return err_detail(E_INVALID, "probe must be an object.");
    return llm_probe_read(v, &probe);
}

static Err check_demo(const struct provider_row *row, const struct llm_kind *kind)
{
    if (!str_eq(row->base_url, str_c(kind->base_url)) || row->credential.n || row->probe.n)
        return err_detail(E_INVALID,
                          "A provider of the kind %s is nowhere: it has no base_url, no credential "
                          "and no probe.",
                          kind->name);
    return OK;
}

Err llm_provider_check(const struct llm *llm, struct arena *a, const struct provider_row *row)
{
    if (!llm_is_name(row->name))
        return err_detail(E_INVALID,
                          "A provider's name is 1 to %d of a-z, 0-9, \"-\", \"_\" and \".\", and "
                          "begins with a letter or digit.",
                          LLM_NAME_MAX);
    if (str_eq(row->name, S("prompt")))
        return err_detail(E_INVALID, "Names that begin with \"prompt/\" are of prompts.");
    if (!llm_kind_find(row->kind))
        return err_detail(E_INVALID, "There is no kind \"%.*s\". There are: %.*s.",
                          P(str_head(row->kind, 64)), P(kind_names(a)));
    if (row->timeout < USEC_S || row->timeout > USEC_DAY)
        return err_detail(E_INVALID, "timeout must be from 1s to 1d.");
    TRY(check_api_version(row));
    TRY(check_probe(a, row));
    const struct llm_kind *kind = llm_kind_find(row->kind);
    if (kind->demo)
        return check_demo(row, kind);
    return check_url(llm, a, row);
}

Err llm_credential_check(Str credential)
{
    if (credential.n > LLM_CREDENTIAL_MAX)
        return err_detail(E_INVALID, "The credential is longer than %d bytes.", LLM_CREDENTIAL_MAX);
    if (!http_header_valid(S("authorization"), credential))
        return err_detail(E_INVALID, "The credential has characters that no header may have.");
    return OK;
}

static void trim_url(struct provider_row *row)
{
    while (str_ends(row->base_url, S("/")))
        row->base_url.n--;
}

Err llm_provider_create(struct llm *llm, struct arena *a, struct provider_row *row)
{
    const struct llm_kind *kind = llm_kind_find(row->kind);

    if (!row->base_url.n && kind && !kind->base_url)
        return err_detail(E_INVALID, "base_url is needed: kind %s has none of its own.",
                          kind->name);
    if (!row->base_url.n && kind)
        row->base_url = str_c(kind->base_url);
    trim_url(row);
    if (!row->timeout)
        row->timeout = LLM_TIMEOUT_DEFAULT;
    TRY(llm_provider_check(llm, a, row));
    TRY(llm_credential_check(row->credential));
    row->id = id_new();
    row->revision = 1;
    row->created_at = row->updated_at = time_wall();
    if (row->credential.n)
        row->credential = secrets_seal(llm->secrets, a, use_of(a, row->id), row->credential);
    return llm_written(llm, store_provider_create(llm->db, a, row), "provider", row->name);
}

/* "https://host:port" of a URL. */
static Str origin_of(Str url)
{
    size_t at = str_find(url, S("://"));
    if (at == SIZE_MAX)
        return url;
    size_t end = str_find_char(str_skip(url, at + 3), '/');
    return end == SIZE_MAX ? url : str_head(url, at + 3 + end);
}

bool llm_same_server(Str url, Str other)
{
    return str_eq_nocase(origin_of(url), origin_of(other));
}

/* The credential that is stored for @row; it does not go to another server than the one it was
 * given for. */
static Err sealed_of(struct llm *llm, struct arena *a, const struct provider_row *row,
                     Str *ret_sealed)
{
    ProviderRows rows;

    TRY(store_provider_list(llm->db, a, &rows));
    vec_each(&rows, r) {
        if (!id_eq(r->id, row->id) || !id_eq(r->tenant, row->tenant))
            continue;
        if (r->credential.n && !llm_same_server(r->base_url, row->base_url))
            return err_detail(E_INVALID,
                              "base_url names another server: give the credential for it as well, "
                              "or an empty one.");
        *ret_sealed = r->credential;
        return OK;
    }
    return err_set(E_NOT_FOUND, "no such provider");
}

Err llm_provider_update(struct llm *llm, struct arena *a, struct provider_row *row, Str credential)
{
    trim_url(row);
    TRY(llm_provider_check(llm, a, row));
    if (!credential.p)
        TRY(sealed_of(llm, a, row, &row->credential));
    else
        TRY(llm_credential_check(credential));
    if (credential.p)
        row->credential =
            credential.n ? secrets_seal(llm->secrets, a, use_of(a, row->id), credential) : S("");
    return llm_written(llm, store_provider_update(llm->db, a, row), "provider", row->name);
}

Err llm_provider_delete(struct llm *llm, struct arena *a, Id tenant, Id id)
{
    return llm_written(llm, store_provider_delete(llm->db, a, tenant, id), "provider", S(""));
}
