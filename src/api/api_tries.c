/* src/api/api_tries.c - running one node of a workflow alone. */
#include "api/api.h"
#include "store/store_workflow.h"

static Err try_node(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    struct workflow_row row;
    struct json *body, *doc;
    int version = 0;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(req_json(req, &body));
    TRY(store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, &row));
    TRY(api_target_of(req, &row, json_str_of(json_at(body, "version"), S("draft")), &def,
                      &version));
    int node = wf_def_node(def, req_param(req, "node"));
    if (node < 0)
        return err_detail(E_NOT_FOUND, "The workflow has no step \"%.*s\".",
                          P(str_head(req_param(req, "node"), 100)));
    struct wf_try t = {.tenant = req->who.tenant,
                       .workflow = row.id,
                       .version = version,
                       .def = def,
                       .node = node,
                       .input = json_at(body, "input"),
                       .vars = json_at(body, "vars"),
                       .outputs = json_at(body, "outputs")};
    TRY(wf_node_try(api_of(req)->engine, req->a, &t, &doc));
    return res_json(res, 200, doc);
}

const struct route api_tries_routes[] = {
    {HTTP_POST, "/api/workflows/:id/nodes/:node/test", try_node, "run.start", .rate = RATE_RUN,
     .max_body = MIB(16), .in_schema = "TryNode", .out_schema = "TriedNode",
     .summary = "Run one node alone, with values that are given"},
    {0},
};
