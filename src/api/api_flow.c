/* src/api/api_flow.c - the gates of flow control: who is under way, how many wait, and what is
 * gathered. */
#include "api/api.h"
#include "store/store_flow.h"
#include "store/store_gather.h"

static struct json *gate_json(struct arena *a, const struct flow_look *look)
{
    const struct flow_gate *g = &look->gate;

    return json_obj(a, "id", json_id(a, g->id), "name", json_str(a, g->name), "admitted",
                    json_int(a, look->admitted), "queued", json_int(a, look->queued), "concurrency",
                    g->concurrency ? json_int(a, g->concurrency) : json_null(a), "run_id",
                    json_null(a), "gathering", json_null(a), NULL);
}

/* One run that is being gathered, which nobody else is before. */
static struct json *gathering_json(struct arena *a, const struct gather_row *row)
{
    return json_obj(a, "id", json_id(a, row->gate), "name", json_str(a, row->name), "admitted",
                    json_int(a, 0), "queued", json_int(a, 1), "concurrency", json_null(a), "run_id",
                    json_id(a, row->run), "gathering", wf_gather_json(a, row), NULL);
}

/* Both lists by their ids, as one page. */
static struct json *merge(struct arena *a, const FlowLooks *looks, const GatherRows *rows,
                          size_t limit, Id *ret_last)
{
    struct json *items = json_arr(a);
    size_t l = 0, r = 0;

    while (l + r < limit && (l < looks->n || r < rows->n)) {
        if (r == rows->n || (l < looks->n && id_cmp(looks->at[l].gate.id, rows->at[r].gate) < 0)) {
            *ret_last = looks->at[l].gate.id;
            json_push(a, items, gate_json(a, &looks->at[l++]));
        } else {
            *ret_last = rows->at[r].gate;
            json_push(a, items, gathering_json(a, &rows->at[r++]));
        }
    }
    return items;
}

static Err list_gates(struct req *req, struct res *res)
{
    struct api_page page;
    FlowLooks looks;
    GatherRows rows;

    TRY(api_page_of(req, &page));
    /* Their ids are hashes: any order will do, so it is that of the ids. */
    TRY(store_flow_list(api_of(req)->db, req->a, req->who.tenant, page.before, page.limit, &looks));
    TRY(store_gather_list(api_of(req)->db, req->a, req->who.tenant, page.before, page.limit,
                          &rows));
    Id last = ID_NONE;
    struct json *items = merge(req->a, &looks, &rows, (size_t)page.limit, &last);
    return res_json(res, 200, api_list(req->a, items, json_len(items), page.limit, last));
}

const struct route api_flow_routes[] = {
    {HTTP_GET, "/api/flow", list_gates, "run.read", .out_schema = "GateList",
     .query = "limit:integer cursor:string", .summary = "List the gates of flow control with runs"},
    {0},
};
