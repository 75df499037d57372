/* src/llm/models.c - which models providers have, and who answers for a name.
 *
 * A provider's list is asked for when it is needed and remembered. A name that no list has makes
 * lists be asked again, but not more often than once a minute: names come from clients.
 */
#include "base/guess.h"
#include "base/json.h"
#include "llm/llm_private.h"
#include "llm/upstream.h"
#include "net/http_client.h"

#include <stdlib.h>

static const Usec FRESH = 10 * USEC_MIN;
static const Usec RETRY_MISS = USEC_MIN;
static const Usec RETRY_FAILURE = 30 * USEC_S;
static const Usec FETCH_TIMEOUT = 15 * USEC_S;
enum {
    NAMES_MAX = 20000,
    NAMES_BYTES_MAX = 1 << 20,
    LIST_BODY_MAX = 8 << 20,
    LIST_ARENA_MAX = 64 << 20,
    LIST_PARSE_MAX = 512 << 20,
    REASON_MAX = 200
};

/* What a provider said last. */
struct llm_model_list {
    struct arena *a;
    LlmNames names; /* sorted */
    Usec asked_at;  /* monotonic */
    int64_t revision;
    Err error; /* of the last time; the names are those of the time before */
    Str why;
};

void llm_model_list_free(void *list)
{
    struct llm_model_list *l = list;

    if (!l)
        return;
    arena_free(l->a);
    free(l);
}

/* ---- asking ---- */

static int compare(const void *x, const void *y)
{
    return str_cmp(*(const Str *)x, *(const Str *)y);
}

static bool is_sane(Str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= 0x20 || name.p[i] == 0x7f)
            return false;
    return name.n > 0 && name.n <= LLM_MODEL_MAX;
}

/* The name of an entry; empty if it is none for chats or embeddings. Gemini has them in a folder,
 * and says what each can do. */
static Str name_in(const struct json *v)
{
    static const Str folder = S_INIT("models/");
    const struct json *methods = json_at(v, "supportedGenerationMethods");
    Str name = json_str_of(json_at(v, "name"), S(""));
    bool fits = !json_is(methods, JSON_ARR);

    for (size_t i = 0; i < json_len(methods); i++) {
        Str method = json_str_of(json_item(methods, i), S(""));
        fits |= str_eq(method, S("generateContent")) || str_eq(method, S("embedContent"));
    }
    if (str_starts(name, folder))
        return fits ? str_skip(name, folder.n) : S("");
    return json_str_of(json_at(v, "id"), S(""));
}

/* {"data":[{"id":...}]}, or the list alone, or {"models":[{"name":...}]}. The text is read in
 * memory of its own: what a provider sends must not fill the caller's. */
static Err read_names(struct arena *a, const struct llm_provider *p, Str body, LlmNames *ret_names)
{
    AUTO(arena) *own = arena_new(LIST_PARSE_MAX);
    struct json *v;
    LlmNames names = {0};
    size_t bytes = 0;

    if (json_parse(own, body, &v) != OK)
        return err_detail(E_UPSTREAM,
                          "The provider \"%.*s\" answered its list of models with what "
                          "is no JSON.",
                          P(p->name));
    struct json *list = json_is(v, JSON_ARR) ? v : json_at(v, "data");
    if (!list)
        list = json_at(v, "models");
    if (!json_is(list, JSON_ARR))
        return err_detail(E_UPSTREAM, "The provider \"%.*s\" answered no list of models.",
                          P(p->name));
    for (size_t i = 0; i < json_len(list) && names.n < NAMES_MAX; i++) {
        Str id = name_in(json_item(list, i));
        if (!is_sane(id) || bytes + id.n > NAMES_BYTES_MAX)
            continue;
        bytes += id.n;
        vec_push(a, &names, str_dup(a, id));
    }
    if (names.n)
        qsort(names.at, names.n, sizeof names.at[0], compare);
    *ret_names = names;
    return OK;
}

static Err check_status(const struct llm_provider *p, int status)
{
    if (status == 200)
        return OK;
    if (status == 401 || status == 403)
        return err_detail(E_UPSTREAM, "The provider \"%.*s\" refuses the credential (status %d).",
                          P(p->name), status);
    return err_detail(E_UPSTREAM,
                      "The provider \"%.*s\" answered its list of models with status %d.",
                      P(p->name), status);
}

Err llm_call_error(const struct llm_provider *p, Err e)
{
    switch (e) {
    case E_CONNECT:
        return err_detail(e, "The provider \"%.*s\" could not be reached.", P(p->name));
    case E_TIMEOUT:
        return err_detail(e, "The provider \"%.*s\" did not answer in time.", P(p->name));
    case E_UPSTREAM:
    case E_UPSTREAM_CUT:
        return err_detail(e, "The provider \"%.*s\" gave no usable answer.", P(p->name));
    case E_TOO_LARGE:
        return err_detail(E_UPSTREAM, "The provider \"%.*s\" answered more than is taken.",
                          P(p->name));
    default:
        return e;
    }
}

Err llm_usable(const struct llm_provider *p)
{
    if (!p->enabled)
        return err_detail(E_UNAVAILABLE, "The provider \"%.*s\" is switched off.", P(p->name));
    if (p->sealed)
        return err_detail(E_UNAVAILABLE,
                          "The credential of the provider \"%.*s\" does not open with this master "
                          "key; set it again.",
                          P(p->name));
    return OK;
}

/* Whatever name is called is answered; these are shown. */
static Err demo_names(struct arena *a, LlmNames *ret_names)
{
    LlmNames names = {0};

    vec_push(a, &names, S("demo"));
    vec_push(a, &names, S("demo-embedding"));
    *ret_names = names;
    return OK;
}

static Err fetch(struct arena *a, const struct llm_provider *p, LlmNames *ret_names)
{
    struct http_reply reply;
    struct http_call call = {.method = HTTP_GET,
                             .url = llm_upstream_models_url(a, p),
                             .egress = p->egress,
                             .deadline = usec_in(usec_min(FETCH_TIMEOUT, p->timeout)),
                             .max_body = LIST_BODY_MAX};

    TRY(llm_usable(p));
    if (p->kind->demo)
        return demo_names(a, ret_names);
    llm_upstream_headers(a, p, &call.headers);
    Err e = http_fetch(a, &call, &reply);
    if (e != OK)
        return llm_call_error(p, e);
    TRY(check_status(p, reply.status));
    if (p->kind->deployments) { /* the list has what may be deployed, not what is */
        *ret_names = (LlmNames){0};
        return OK;
    }
    return read_names(a, p, reply.body, ret_names);
}

/* Keep what was learned; a failure keeps the names that are known. */
static void remember(struct llm *llm, const struct llm_provider *p, const LlmNames *names, Err e)
{
    struct llm_model_list *l = calloc(1, sizeof *l);

    if (!l)
        DIE("out of memory");
    l->a = arena_new(LIST_ARENA_MAX);
    l->asked_at = time_mono();
    l->revision = p->revision;
    l->error = e;
    if (e != OK)
        l->why = str_dup(l->a, str_head(str_c(err_client_text(e)), REASON_MAX));
    uv_mutex_lock(&llm->lock);
    struct llm_model_list *old = map_get(llm->models, llm_id_key(&p->id));
    if (e != OK)
        names = old && old->revision == p->revision ? &old->names : NULL;
    for (size_t i = 0; names && i < names->n; i++)
        vec_push(l->a, &l->names, str_dup(l->a, names->at[i]));
    old = map_put(llm->models, llm_id_key(&p->id), l);
    uv_mutex_unlock(&llm->lock);
    llm_model_list_free(old);
}

Err llm_models_fetch(struct llm *llm, struct arena *a, const struct llm_provider *p,
                     LlmNames *ret_names)
{
    LlmNames names = {0};
    Err e = fetch(a, p, &names);

    if (e == E_CANCELLED)
        return e; /* says nothing about the provider */
    struct err_record record = *err_record();
    remember(llm, p, &names, e);
    *err_record() = record;
    if (e == OK)
        *ret_names = names;
    return e;
}

/* ---- remembering ---- */

struct memory {
    bool known; /* asked before, at this revision */
    Err error;
    Usec age;
};

/* What is remembered of @p; with @names, a copy of them. */
static struct memory recall(struct llm *llm, struct arena *a, const struct llm_provider *p,
                            LlmNames *names, Str *why)
{
    struct memory m = {0};

    uv_mutex_lock(&llm->lock);
    const struct llm_model_list *l = map_get(llm->models, llm_id_key(&p->id));
    if (l && l->revision == p->revision) {
        m = (struct memory){.known = true, .error = l->error, .age = time_mono() - l->asked_at};
        for (size_t i = 0; names && i < l->names.n; i++)
            vec_push(a, names, str_dup(a, l->names.at[i]));
        if (why)
            *why = str_dup(a, l->why);
    }
    uv_mutex_unlock(&llm->lock);
    return m;
}

Err llm_models(struct llm *llm, struct arena *a, const struct llm_provider *p, LlmNames *ret_names)
{
    LlmNames names = {0};
    Str why = S("");
    struct memory m = recall(llm, a, p, &names, &why);

    if (!m.known || m.age > (m.error == OK ? FRESH : RETRY_FAILURE))
        return llm_models_fetch(llm, a, p, ret_names);
    if (m.error != OK)
        return err_detail(m.error, "%.*s", P(why));
    *ret_names = names;
    return OK;
}

static bool lists(struct llm *llm, const struct llm_provider *p, Str name)
{
    uv_mutex_lock(&llm->lock);
    const struct llm_model_list *l = map_get(llm->models, llm_id_key(&p->id));
    bool found = l && l->revision == p->revision && l->names.n &&
                 bsearch(&name, l->names.at, l->names.n, sizeof name, compare) != NULL;
    uv_mutex_unlock(&llm->lock);
    return found;
}

/* ---- names ---- */

static bool find_listed(struct llm *llm, const struct llm_view *view, Id tenant, Str name,
                        struct llm_target *ret_target)
{
    vec_each(&view->providers, p) {
        if (!p->enabled || !id_eq(p->tenant, tenant) || !lists(llm, p, name))
            continue;
        *ret_target = (struct llm_target){p, name};
        return true;
    }
    return false;
}

/* Ask those whose list is missing or not fresh. Gives the first failure's text in *ret_why. */
static Err ask_again(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant,
                     Str *ret_why)
{
    vec_each(&view->providers, p) {
        LlmNames names;
        Str why = S("");
        if (!p->enabled || !id_eq(p->tenant, tenant))
            continue;
        struct memory m = recall(llm, a, p, NULL, &why);
        Err e = m.error;
        if (!m.known || m.age > (m.error == OK ? RETRY_MISS : RETRY_FAILURE)) {
            e = llm_models_fetch(llm, a, p, &names);
            if (e == E_CANCELLED)
                return e;
            if (e != OK)
                why = str_dup(a, str_c(err_client_text(e)));
        }
        if (e != OK && !ret_why->n)
            *ret_why = why;
    }
    return OK;
}

static Err unknown(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant,
                   Str name)
{
    struct guess g = guess_begin(name);

    vec_each(&view->routes, r)
        if (id_eq(r->tenant, tenant))
            guess_try(&g, r->name);
    vec_each(&view->providers, p) {
        LlmNames names = {0};
        if (!p->enabled || !id_eq(p->tenant, tenant))
            continue;
        (void)recall(llm, a, p, &names, NULL); /* no list has no near misses */
        vec_each(&names, n) {
            guess_try(&g, *n);
            guess_try(&g, str_fmt(a, "%.*s/%.*s", P(p->name), P(*n)));
        }
    }
    return err_detail(E_NOT_FOUND, "There is no model \"%.*s\".%.*s", P(str_head(name, 128)),
                      P(guess_text(a, &g)));
}

Err llm_resolve(struct llm *llm, struct arena *a, const struct llm_view *view, Id tenant, Str name,
                struct llm_target *ret_target)
{
    Str first, why = S("");
    Str rest = str_cut(name, '/', &first);
    const struct llm_provider *p = rest.n ? llm_view_named(view, tenant, first) : NULL;

    if (p) {
        *ret_target = (struct llm_target){p, rest};
        return OK;
    }
    if (find_listed(llm, view, tenant, name, ret_target))
        return OK;
    TRY(ask_again(llm, a, view, tenant, &why));
    if (find_listed(llm, view, tenant, name, ret_target))
        return OK;
    if (why.n)
        return err_detail(E_UNAVAILABLE,
                          "No known model is \"%.*s\", and a list of models could "
                          "not be read: %.*s",
                          P(str_head(name, 100)), P(str_head(why, REASON_MAX)));
    return unknown(llm, a, view, tenant, name);
}
