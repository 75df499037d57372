/* src/api/api_limits.c - what a key or the tenant may use of models: limits, models, endpoints. */
#include "api/api.h"

#include "llm/limits.h"

static Err answer(struct req *req, struct res *res, Id subject)
{
    struct json *policy;

    TRY(llm_limits_show(llm_limits_of(api_of(req)->llm), req->a, req->who.tenant, subject,
                        &policy));
    return res_json(res, 200, policy);
}

static Err put(struct req *req, struct res *res, Id subject)
{
    struct json *body;

    TRY(req_json(req, &body));
    TRY(llm_limits_put(llm_limits_of(api_of(req)->llm), req->a, req->who.tenant, subject, body));
    return answer(req, res, subject);
}

static Err get_key_limits(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    return answer(req, res, id);
}

static Err put_key_limits(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    return put(req, res, id);
}

static Err get_limits(struct req *req, struct res *res)
{
    return answer(req, res, req->who.tenant);
}

static Err put_limits(struct req *req, struct res *res)
{
    return put(req, res, req->who.tenant);
}

const struct route api_limits_routes[] = {
    {HTTP_GET, "/api/limits", get_limits, "key.read", .out_schema = "ModelLimitsState",
     .summary = "Get what the tenant may use of models, and how much it did"},
    {HTTP_PUT, "/api/limits", put_limits, "key.write", .in_schema = "ModelLimits",
     .out_schema = "ModelLimitsState", .summary = "Set what the tenant may use of models"},
    {HTTP_GET, "/api/keys/:id/limits", get_key_limits, "key.read", .out_schema = "ModelLimitsState",
     .summary = "Get what a key may use of models, and how much it did"},
    {HTTP_PUT, "/api/keys/:id/limits", put_key_limits, "key.write", .in_schema = "ModelLimits",
     .out_schema = "ModelLimitsState", .summary = "Set what a key may use of models"},
    {0},
};
