/* src/api/api_subscriptions.c - who is told of what happens, and what became of it. */
#include "api/api.h"
#include "wf/notice.h"

static const char *const states[] = {"pending", "delivered", "dead"};

static struct json *events_json(struct arena *a, Str events)
{
    struct json *list = json_arr(a);
    Str rest = str_trim(events), name;

    while (rest.p) {
        rest = str_cut(rest, ' ', &name);
        if (name.n)
            json_push(a, list, json_str(a, name));
    }
    return list;
}

static struct json *id_or_null(struct arena *a, Id id)
{
    return id_is_none(id) ? json_null(a) : json_id(a, id);
}

static struct json *text_or_null(struct arena *a, Str text)
{
    return text.n ? json_str(a, text) : json_null(a);
}

static struct json *subscription_json(struct arena *a, const struct subscription_row *row)
{
    return json_obj(a, "id", json_id(a, row->id), "url", json_str(a, row->url), "events",
                    events_json(a, row->events), "workflow_id", id_or_null(a, row->workflow),
                    "description", json_str(a, row->description), "max_attempts",
                    json_int(a, row->max_attempts), "enabled", json_bool(a, row->enabled),
                    "disabled_why", text_or_null(a, row->disabled_why), "revision",
                    json_int(a, row->revision), "created_at", json_time(a, row->created_at),
                    "updated_at", json_time(a, row->updated_at), NULL);
}

static Err find(struct req *req, struct subscription_row *ret_row)
{
    Id id;

    TRY(req_id(req, "id", &id));
    return store_subscription_get(api_of(req)->db, req->a, req->who.tenant, id, ret_row);
}

/* The list as the store keeps it; wf_subscription_* looks closer. */
static Str read_events(struct arena *a, const struct json *list)
{
    Str *names = arena_array(a, Str, json_len(list));

    for (size_t i = 0; i < json_len(list); i++)
        names[i] = json_str_of(json_item(list, i), S(""));
    return str_join(a, names, json_len(list), S(" "));
}

/* The fields that @body has, into @row. */
static Err read_body(struct req *req, const struct json *body, struct subscription_row *row)
{
    const struct json *events = json_get(body, S("events"));
    const struct json *workflow = json_get(body, S("workflow_id"));
    struct workflow_row known;

    row->url = str_trim(json_str_of(json_at(body, "url"), row->url));
    row->description = json_str_of(json_at(body, "description"), row->description);
    row->max_attempts = (int)json_int_of(json_at(body, "max_attempts"), row->max_attempts);
    row->enabled = json_bool_of(json_at(body, "enabled"), row->enabled);
    if (events)
        row->events = read_events(req->a, events);
    if (!workflow)
        return OK;
    row->workflow = ID_NONE;
    if (!json_is(workflow, JSON_STR))
        return OK;
    if (id_parse(json_str_of(workflow, S("")), &row->workflow) != OK)
        return err_detail(E_BAD_INPUT, "workflow_id must be an id.");
    Err e = store_workflow_get(api_of(req)->db, req->a, req->who.tenant, row->workflow, &known);
    return e == E_NOT_FOUND ? err_detail(E_INVALID, "There is no such workflow.") : e;
}

static Err list_subscriptions(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a);
    struct api_page page;
    SubscriptionRows rows;

    TRY(api_page_of(req, &page));
    TRY(store_subscription_list(api_of(req)->db, req->a, req->who.tenant, page.before, page.limit,
                                &rows));
    vec_each(&rows, row)
        json_push(req->a, items, subscription_json(req->a, row));
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

static Err post_subscription(struct req *req, struct res *res)
{
    struct subscription_row row = {.tenant = req->who.tenant, .max_attempts = 12, .enabled = true};
    struct json *body, *doc;
    Str secret;

    TRY(req_json(req, &body));
    TRY(read_body(req, body, &row));
    row.secret = json_str_of(json_at(body, "secret"), S(""));
    TRY(wf_subscription_create(api_of(req)->engine, req->a, &row, &secret));
    doc = subscription_json(req->a, &row);
    json_set(req->a, doc, S("secret"), json_str(req->a, secret));
    return res_json(res, 201, doc);
}

static Err get_subscription(struct req *req, struct res *res)
{
    struct subscription_row row;

    TRY(find(req, &row));
    return res_json(res, 200, subscription_json(req->a, &row));
}

static Err patch_subscription(struct req *req, struct res *res)
{
    struct subscription_row row;
    struct json *body, *doc;
    Str secret;

    TRY(find(req, &row));
    TRY(req_json(req, &body));
    TRY(read_body(req, body, &row));
    row.revision = json_int_of(json_at(body, "revision"), row.revision);
    TRY(wf_subscription_update(api_of(req)->engine, req->a, &row,
                               json_bool_of(json_at(body, "rotate_secret"), false), &secret));
    TRY(find(req, &row));
    doc = subscription_json(req->a, &row);
    if (secret.n)
        json_set(req->a, doc, S("secret"), json_str(req->a, secret));
    return res_json(res, 200, doc);
}

static Err delete_subscription(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(wf_subscription_delete(api_of(req)->engine, req->a, req->who.tenant, id));
    return res_empty(res, 204);
}

static Err test_subscription(struct req *req, struct res *res)
{
    struct subscription_row row;
    Id id;

    TRY(find(req, &row));
    TRY(wf_subscription_test(api_of(req)->engine, req->a, &row, &id));
    return res_json(res, 202, json_obj(req->a, "delivery_id", json_id(req->a, id), NULL));
}

/* ---- deliveries ---- */

static struct json *delivery_json(struct arena *a, const struct delivery_row *row)
{
    return json_obj(
        a, "id", json_id(a, row->id), "event", json_str(a, row->event), "run_id",
        id_or_null(a, row->run), "state", json_str_c(a, states[row->state]), "attempts",
        json_int(a, row->attempts), "status", row->status ? json_int(a, row->status) : json_null(a),
        "error", text_or_null(a, row->error), "next_at",
        json_time(a, row->state == DELIVERY_PENDING ? row->next_at : 0), "created_at",
        json_time(a, row->created_at), "finished_at", json_time(a, row->finished_at), NULL);
}

static Err list_deliveries(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a);
    struct subscription_row row;
    struct api_page page;
    DeliveryRows rows;
    Str state;
    int which = -1;

    TRY(find(req, &row));
    TRY(api_page_of(req, &page));
    TRY(req_query(req, S("state"), &state));
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (str_eq(state, str_c(states[i])))
            which = (int)i;
    if (state.n && which < 0)
        return err_detail(E_BAD_INPUT, "state must be one of pending, delivered, dead.");
    TRY(store_delivery_list(api_of(req)->db, req->a, row.id, which, page.before, page.limit,
                            &rows));
    vec_each(&rows, delivery)
        json_push(req->a, items, delivery_json(req->a, delivery));
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

static Err get_delivery(struct req *req, struct res *res)
{
    struct subscription_row row;
    struct delivery_row delivery;
    struct json *doc, *body;
    Id id;

    TRY(find(req, &row));
    TRY(req_id(req, "delivery", &id));
    TRY(store_delivery_get(api_of(req)->db, req->a, row.id, id, &delivery));
    TRY(json_parse(req->a, delivery.body, &body));
    doc = delivery_json(req->a, &delivery);
    json_set(req->a, doc, S("body"), body);
    return res_json(res, 200, doc);
}

static Err again(struct req *req, struct res *res)
{
    struct subscription_row row;
    struct delivery_row delivery;
    Id id;

    TRY(find(req, &row));
    TRY(req_id(req, "delivery", &id));
    if (!row.enabled)
        return err_detail(E_CONFLICT, "The subscription is disabled: enable it first.");
    TRY(wf_delivery_again(api_of(req)->engine, req->a, row.id, id));
    TRY(store_delivery_get(api_of(req)->db, req->a, row.id, id, &delivery));
    return res_json(res, 202, delivery_json(req->a, &delivery));
}

const struct route api_subscriptions_routes[] = {
    {HTTP_GET, "/api/subscriptions", list_subscriptions, "subscription.read",
     .out_schema = "SubscriptionList", .query = "limit:integer cursor:string",
     .summary = "List who is told of what"},
    {HTTP_POST, "/api/subscriptions", post_subscription, "subscription.write", .max_body = KIB(16),
     .in_schema = "NewSubscription", .out_schema = "Subscription",
     .summary = "Have another system told"},
    {HTTP_GET, "/api/subscriptions/:id", get_subscription, "subscription.read",
     .out_schema = "Subscription", .summary = "Get a subscription"},
    {HTTP_PATCH, "/api/subscriptions/:id", patch_subscription, "subscription.write",
     .max_body = KIB(16), .in_schema = "SubscriptionChange", .out_schema = "Subscription",
     .summary = "Change a subscription"},
    {HTTP_DELETE, "/api/subscriptions/:id", delete_subscription, "subscription.write",
     .summary = "Delete a subscription and its deliveries"},
    {HTTP_POST, "/api/subscriptions/:id/test", test_subscription, "subscription.write",
     .summary = "Send a test delivery"},
    {HTTP_GET, "/api/subscriptions/:id/deliveries", list_deliveries, "subscription.read",
     .out_schema = "DeliveryList", .query = "limit:integer cursor:string state:string",
     .summary = "List deliveries"},
    {HTTP_GET, "/api/subscriptions/:id/deliveries/:delivery", get_delivery, "subscription.read",
     .out_schema = "Delivery", .summary = "Get a delivery with its body"},
    {HTTP_POST, "/api/subscriptions/:id/deliveries/:delivery/again", again, "subscription.write",
     .out_schema = "Delivery", .summary = "Send a delivery again"},
    {0},
};
