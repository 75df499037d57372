/* src/api/api_system.c - health, readiness, metrics, and the API's own description. */
#include "api/api.h"
#include "rt/metric.h"

/* Alive: the loop answers. Nothing else is looked at, so that a slow database gets no server
 * killed. */
static Err healthz(struct req *req, struct res *res)
{
    return res_json(res, 200, json_obj(req->a, "status", json_str(req->a, S("ok")), NULL));
}

static Err readyz(struct req *req, struct res *res)
{
    struct api *api = api_of(req);
    Str reason = S("");

    if (http_server_draining(api->server))
        reason = S("draining");
    else if (!atomic_load(&api->ready))
        reason = S("starting");
    else if (!db_is_up(api->db) || db_ping(api->db, usec_in(2 * USEC_S)) != OK)
        reason = S("database");
    struct json *doc =
        json_obj(req->a, "status", json_str(req->a, reason.n ? S("not ready") : S("ready")),
                 "reason", reason.n ? json_str(req->a, reason) : NULL, "version",
                 json_str(req->a, S(HEDDLE_VERSION)), NULL);
    return res_json(res, reason.n ? 503 : 200, doc);
}

static Err metrics(struct req *req, struct res *res)
{
    (void)req;
    AUTO_BUF(text, MIB(16));
    metric_render(&text);
    TRY(buf_ok(&text));
    return res_send(res, 200, S("text/plain; version=0.0.4; charset=utf-8"), buf_str(&text));
}

static Err openapi(struct req *req, struct res *res)
{
    return res_json(res, 200, api_openapi(req->a, api_of(req)->router));
}

const struct route api_system_routes[] = {
    {HTTP_GET, "/healthz", healthz, NULL, .rate = RATE_NONE, .during_drain = true,
     .out_schema = "Health", .summary = "Whether the process lives"},
    {HTTP_GET, "/readyz", readyz, NULL, .rate = RATE_NONE, .during_drain = true,
     .out_schema = "Health", .summary = "Whether it can take work"},
    {HTTP_GET, "/metrics", metrics, "metrics.read", .rate = RATE_NONE, .during_drain = true,
     .out_type = "text/plain", .summary = "Metrics in the Prometheus text format"},
    {HTTP_GET, "/api/openapi.json", openapi, "", .summary = "This document"},
    {0},
};
