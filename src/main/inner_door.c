/* src/main/inner_door.c - see inner_door.h. */
#include "main/inner_door.h"

#include "base/crypto.h"
#include "rt/log.h"

#include <stdlib.h>

struct inner_door {
    struct api api; /* that of the server, which has no key */
    struct arena *a;
    struct router *router;
    struct http_server *server;
    struct egress *egress; /* lets calls here alone */
    Str url, key;
};

static struct inner_door *door_of(struct req *req)
{
    return (struct inner_door *)((char *)api_of(req) - offsetof(struct inner_door, api));
}

/* For whom a step calls: "TENANT WORKFLOW". Who has the key says it, and is the engine. */
static Err authenticate(struct req *req)
{
    const struct inner_door *d = door_of(req);
    Str given = req_header(req, S("authorization")), rest, tenant;

    if (given.n != d->key.n || !crypto_same(given.p, d->key.p, d->key.n))
        return err_detail(E_UNAUTHORIZED, "This door is for workflows of the server itself.");
    rest = str_cut(req_header(req, S("x-heddle-caller")), ' ', &tenant);
    if (id_parse(tenant, &req->who.tenant) != OK || id_parse(rest, &req->who.actor) != OK)
        return err_detail(E_BAD_INPUT, "X-Heddle-Caller must name a tenant and a workflow.");
    req->who.actor_name = S("workflow");
    req->who.capabilities = S("model.call");
    return OK;
}

static Err open_door(struct inner_door *d)
{
    char secret[32];
    struct http_server_options options = {.host = S("127.0.0.1"),
                                          .router = d->router,
                                          .app = &d->api,
                                          .authenticate = authenticate,
                                          .schema = api_schema_of};

    crypto_random(secret, sizeof secret);
    Str token = crypto_base64url(d->a, str_from(secret, sizeof secret));
    log_scrub(token);
    d->key = str_fmt(d->a, "Bearer %.*s", P(token));
    TRY(http_server_new(&options, &d->server));
    unsigned port = http_server_port(d->server);
    d->url = str_fmt(d->a, "http://127.0.0.1:%u/v1", port);
    return egress_new(str_fmt(d->a, "127.0.0.1:%u", port), S(""), &d->egress);
}

Err inner_door_new(struct api *api, struct inner_door **ret_door)
{
    struct inner_door *d = calloc(1, sizeof *d);

    if (!d)
        DIE("out of memory");
    d->a = arena_new(KIB(64));
    d->router = router_new();
    router_add(d->router, api_gateway_routes);
    d->api.llm = api->llm;
    d->api.db = api->db;
    d->api.router = d->router;
    d->api.schemas = api->schemas;
    d->api.schema_docs = api->schema_docs;
    d->api.base_url = api->base_url;
    d->api.started = api->started;
    atomic_store(&d->api.ready, true);
    Err e = open_door(d);
    if (e != OK) {
        inner_door_free(d, 0);
        return e;
    }
    *ret_door = d;
    return OK;
}

struct wf_gateway inner_door_gateway(const struct inner_door *d)
{
    return (struct wf_gateway){.url = d->url, .authorization = d->key, .egress = d->egress};
}

void inner_door_free(struct inner_door *d, Usec grace)
{
    if (!d)
        return;
    if (d->server) {
        http_server_drain(d->server, grace);
        http_server_free(d->server);
    }
    egress_free(d->egress);
    router_free(d->router);
    arena_free(d->a);
    free(d);
}
