/* src/api/api_events.c - events from outside, for runs that wait for them. */
#include "api/api.h"

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

const struct route api_events_routes[] = {
    {HTTP_POST, "/api/events", send_event, "event.send", .rate = RATE_RUN, .in_schema = "SendEvent",
     .out_schema = "SentEvent", .summary = "Send an event to the runs that wait for it"},
    {0},
};
