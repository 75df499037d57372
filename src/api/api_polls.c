/* src/api/api_polls.c - how a workflow that looks for something new is doing. */
#include "api/api.h"
#include "store/store_workflow.h"

static Err get_poll(struct req *req, struct res *res)
{
    struct workflow_row workflow;
    struct poll_row row;
    struct arena *a = req->a;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(api_of(req)->db, a, req->who.tenant, id, &workflow));
    TRY(store_poll_get(api_of(req)->db, a, req->who.tenant, id, &row));
    return res_json(res, 200,
                    json_obj(a, "kind", json_str(a, row.kind), "version", json_int(a, row.version),
                             "looked_at",
                             row.looked_at ? json_time(a, row.looked_at) : json_null(a), "next_at",
                             row.next_at ? json_time(a, row.next_at) : json_null(a), "failures",
                             json_int(a, row.failures), "error",
                             row.error.n ? json_str(a, row.error) : json_null(a), NULL));
}

const struct route api_polls_routes[] = {
    {HTTP_GET, "/api/workflows/:id/poll", get_poll, "workflow.read", .out_schema = "Poll",
     .summary = "Show when a workflow looks for something new, and how it went"},
    {0},
};
