/* src/api/api_polls.c - how workflows that look for something new are doing. */
#include "api/api.h"
#include "store/store_workflow.h"

static const char *state_of(const struct poll_row *row)
{
    if (row->error.n)
        return "trouble";
    return row->is_taken ? "looking" : "waiting";
}

static struct json *poll_json(struct arena *a, const struct poll_row *row, Str name)
{
    return json_obj(a, "workflow_id", json_id(a, row->workflow), "workflow_name", json_str(a, name),
                    "kind", json_str(a, row->kind), "version", json_int(a, row->version), "state",
                    json_str_c(a, state_of(row)), "first", json_bool(a, row->is_first), "position",
                    row->cursor.n ? json_str(a, row->cursor) : json_null(a), "looked_at",
                    json_time(a, row->looked_at), "next_at", json_time(a, row->next_at), "failures",
                    json_int(a, row->failures), "error",
                    row->error.n ? json_str(a, row->error) : json_null(a), NULL);
}

static Err find(struct req *req, struct workflow_row *ret_workflow, struct poll_row *ret_row)
{
    struct db *db = api_of(req)->db;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(db, req->a, req->who.tenant, id, ret_workflow));
    return store_poll_get(db, req->a, req->who.tenant, id, ret_row);
}

static Err get_poll(struct req *req, struct res *res)
{
    struct workflow_row workflow;
    struct poll_row row;

    TRY(find(req, &workflow, &row));
    return res_json(res, 200, poll_json(req->a, &row, workflow.name));
}

static Err look_now(struct req *req, struct res *res)
{
    struct workflow_row workflow;
    struct poll_row row;

    TRY(find(req, &workflow, &row));
    TRY(store_poll_hurry(api_of(req)->db, req->a, req->who.tenant, workflow.id));
    wf_polls_changed(api_of(req)->engine);
    return res_json(res, 202, poll_json(req->a, &row, workflow.name));
}

static Err list_polls(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a);
    struct api_page page;
    PollRows rows;
    Str state;

    TRY(api_page_of(req, &page));
    TRY(req_query(req, S("state"), &state));
    if (state.n && !str_eq(state, S("trouble")))
        return err_detail(E_BAD_INPUT, "state may be trouble, or left out.");
    TRY(store_poll_list(api_of(req)->db, req->a, req->who.tenant, state.n > 0, page.before,
                        page.limit, &rows));
    vec_each(&rows, row)
        json_push(req->a, items, poll_json(req->a, row, row->workflow_name));
    Id last = rows.n ? rows.at[rows.n - 1].workflow : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

const struct route api_polls_routes[] = {
    {HTTP_GET, "/api/polls", list_polls, "workflow.read", .out_schema = "PollList",
     .query = "limit:integer cursor:string state:string",
     .summary = "List the workflows that look for something new, or those in trouble"},
    {HTTP_GET, "/api/workflows/:id/poll", get_poll, "workflow.read", .out_schema = "Poll",
     .summary = "Show when a workflow looks for something new, and how it went"},
    {HTTP_POST, "/api/workflows/:id/poll", look_now, "run.start", .out_schema = "Poll",
     .summary = "Let a workflow look for something new at once"},
    {0},
};
