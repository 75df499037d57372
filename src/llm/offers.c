/* src/llm/offers.c - model servers that run on this machine and that nobody has said to use yet.
 *
 * Looked for only when somebody asks, at the addresses of the setting models.offers; what is found
 * is shown and never called for an answer before a provider is made of it.
 */
#include "llm/offers.h"

#include "base/json.h"
#include "llm/llm_private.h"
#include "net/http_client.h"

static const Usec PATIENCE = 500 * USEC_MS;
enum { ANSWER_MAX = 1 << 20, ADDRESSES_MAX = 16 };

/* How a server of a kind shows that it is one: many things listen on port 8080. */
static const struct {
    const char *kind, *path;
    const char *member; /* of its answer */
} signs[] = {
    {"llamacpp", "/props", "default_generation_settings"},
    {"ollama", "/api/version", "version"},
};

static const char *sign_of(Str kind, const char **ret_member)
{
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (!str_eq(kind, str_c(signs[i].kind)))
            continue;
        *ret_member = signs[i].member;
        return signs[i].path;
    }
    return NULL;
}

static bool is_used(const struct llm_view *view, Id tenant, Str base_url)
{
    vec_each(&view->providers, p)
        if (id_eq(p->tenant, tenant) && str_eq_nocase(p->base_url, base_url))
            return true;
    return false;
}

/* Does a server of the kind answer there? */
static Err look(struct llm *llm, struct arena *a, Str kind, Str address, bool *ret_there)
{
    const char *member = NULL, *path = sign_of(kind, &member);
    struct http_reply reply;
    struct json *v;
    struct http_call call = {.method = HTTP_GET,
                             .url = str_fmt(a, "%.*s%s", P(address), path),
                             .egress = llm->egress_private,
                             .deadline = usec_in(PATIENCE),
                             .max_body = ANSWER_MAX};
    Err e = http_fetch(a, &call, &reply);

    *ret_there = e == OK && reply.status == 200 && json_parse(a, reply.body, &v) == OK &&
                 json_get(v, str_c(member));
    return e == E_CANCELLED ? e : OK; /* nothing there is an answer */
}

/* "ollama=http://127.0.0.1:11434" */
static Str address_of(Str text, Str *ret_kind)
{
    Str address = str_trim(str_cut(str_trim(text), '=', ret_kind));

    while (str_ends(address, S("/")))
        address.n--;
    return address;
}

Err llm_offers_check(Str list)
{
    struct url url;
    size_t n = 0;

    while (list.n) {
        AUTO(arena) *a = arena_new(KIB(64));
        const char *member;
        Str one, kind;
        list = str_cut(list, ',', &one);
        Str address = address_of(one, &kind);
        if (++n > ADDRESSES_MAX)
            return err_detail(E_INVALID, "models.offers has more than %d addresses.",
                              ADDRESSES_MAX);
        if (!sign_of(kind, &member) || url_parse(a, address, &url) != OK)
            return err_detail(E_INVALID,
                              "models.offers takes ollama=ADDRESS and llamacpp=ADDRESS; \"%.*s\" "
                              "is neither.",
                              P(str_head(one, 128)));
    }
    return OK;
}

Err llm_offers(struct llm *llm, struct arena *a, Id tenant, LlmOffers *ret_offers)
{
    AUTO(llm_view) *view = llm_view_take(llm);
    LlmOffers offers = {0};
    Str list = llm->offers;

    while (list.n) {
        Str one, kind;
        bool there;
        list = str_cut(list, ',', &one);
        Str address = address_of(one, &kind);
        Str base_url = str_fmt(a, "%.*s/v1", P(address));
        if (is_used(view, tenant, base_url))
            continue;
        TRY(look(llm, a, kind, address, &there));
        if (there)
            vec_push(a, &offers, ((struct llm_offer){kind, base_url}));
    }
    *ret_offers = offers;
    return OK;
}
