/* src/api/api_flow.c - the gates of flow control: who is under way, and how many wait. */
#include "api/api.h"
#include "store/store_flow.h"

static struct json *gate_json(struct arena *a, const struct flow_look *look)
{
    const struct flow_gate *g = &look->gate;

    return json_obj(a, "id", json_id(a, g->id), "name", json_str(a, g->name), "admitted",
                    json_int(a, look->admitted), "queued", json_int(a, look->queued), "concurrency",
                    g->concurrency ? json_int(a, g->concurrency) : json_null(a), NULL);
}

static Err list_gates(struct req *req, struct res *res)
{
    struct api_page page;
    FlowLooks looks;

    TRY(api_page_of(req, &page));
    /* Their ids are hashes: any order will do, so it is that of the ids. */
    TRY(store_flow_list(api_of(req)->db, req->a, req->who.tenant, page.before, page.limit, &looks));
    struct json *items = json_arr(req->a);
    vec_each(&looks, look)
        json_push(req->a, items, gate_json(req->a, look));
    Id last = looks.n ? looks.at[looks.n - 1].gate.id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, looks.n, page.limit, last));
}

const struct route api_flow_routes[] = {
    {HTTP_GET, "/api/flow", list_gates, "run.read", .out_schema = "GateList",
     .query = "limit:integer cursor:string", .summary = "List the gates of flow control with runs"},
    {0},
};
