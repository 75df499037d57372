/* src/api/api_events.c - events from outside, for runs that wait for them and for triggers. */
#include "api/api.h"
#include "store/store_workflow.h"

static Err send_event(struct req *req, struct res *res)
{
    struct wf_send send = {.tenant = req->who.tenant};
    struct wf_sent sent;
    struct json *body;

    TRY(req_json(req, &body));
    send.name = json_str_of(json_at(body, "name"), S(""));
    send.key = json_str_of(json_at(body, "key"), S(""));
    send.data = json_at(body, "data");
    send.idempotency = json_str_of(json_at(body, "idempotency"), S(""));
    TRY(wf_event_send(api_of(req)->engine, req->a, &send, &sent));
    return res_json(res, sent.duplicate ? 200 : 202,
                    json_obj(req->a, "id", json_id(req->a, sent.id), "delivered",
                             json_int(req->a, sent.delivered), "duplicate",
                             json_bool(req->a, sent.duplicate), NULL));
}

static struct json *start_json(struct arena *a, const struct event_start_row *row)
{
    return json_obj(a, "event_id", json_id(a, row->id), "type", json_str(a, row->event), "state",
                    json_str_c(a, row->refused ? "refused" : "pending"), "error",
                    row->error.n ? json_str(a, row->error) : json_null(a), "attempts",
                    json_int(a, row->attempts), "next_at",
                    row->refused ? json_null(a) : json_time(a, row->next_at), "created_at",
                    json_time(a, row->created_at), NULL);
}

/* Events that have reached the trigger of a workflow and have not started it. */
static Err list_starts(struct req *req, struct res *res)
{
    struct workflow_row workflow;
    EventStartRows rows;
    struct api_page page;
    Id id;

    TRY(api_page_of(req, &page));
    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, &workflow));
    TRY(store_event_start_list(api_of(req)->db, req->a, req->who.tenant, id, page.before,
                               page.limit, &rows));
    struct json *items = json_arr(req->a);
    vec_each(&rows, row)
        json_push(req->a, items, start_json(req->a, row));
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

const struct route api_events_routes[] = {
    {HTTP_POST, "/api/events", send_event, "event.send", .rate = RATE_RUN, .in_schema = "SendEvent",
     .out_schema = "SentEvent", .summary = "Send an event to the runs that wait for it"},
    {HTTP_GET, "/api/workflows/:id/event-starts", list_starts, "workflow.read",
     .out_schema = "EventStartList", .query = "limit:integer cursor:string",
     .summary = "List events that have not started a workflow yet, or cannot"},
    {0},
};
