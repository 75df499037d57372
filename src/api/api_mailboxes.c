/* src/api/api_mailboxes.c - how a workflow that reads mails is doing, and whether it could. */
#include "api/api.h"
#include "store/store_workflow.h"

static struct json *time_or_null(struct arena *a, Usec at)
{
    return at ? json_time(a, at) : json_null(a);
}

static const char *state_of(const struct mailbox_row *row)
{
    return row->connected_at ? "connected" : row->tries ? "failing" : "connecting";
}

static Err get_mailbox(struct req *req, struct res *res)
{
    struct workflow_row workflow;
    struct mailbox_row row;
    struct arena *a = req->a;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(api_of(req)->db, a, req->who.tenant, id, &workflow));
    TRY(store_mailbox_get(api_of(req)->db, a, req->who.tenant, id, &row));
    bool waits = id_is_none(row.taken_by);
    return res_json(
        res, 200,
        json_obj(a, "state", json_str_c(a, state_of(&row)), "version", json_int(a, row.version),
                 "connected_at", time_or_null(a, row.connected_at), "looked_at",
                 time_or_null(a, row.looked_at), "mail_at", time_or_null(a, row.mail_at), "started",
                 json_int(a, row.started), "failures", json_int(a, row.tries), "next_at",
                 time_or_null(a, waits ? row.next_at : 0), "error",
                 row.error.n ? json_str(a, row.error) : json_null(a), NULL));
}

static Err test_mailbox(struct req *req, struct res *res)
{
    struct workflow_row workflow;
    AUTO(wf_def) *def = NULL;
    struct json *result;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, &workflow));
    TRY(wf_engine_def(api_of(req)->engine, workflow.draft, &def));
    TRY(wf_mail_test(api_of(req)->engine, req->a, req->who.tenant, def, &result));
    return res_json(res, 200, result);
}

const struct route api_mailboxes_routes[] = {
    {HTTP_GET, "/api/workflows/:id/mailbox", get_mailbox, "workflow.read", .out_schema = "Mailbox",
     .summary = "Show how a workflow that reads mails is doing"},
    {HTTP_POST, "/api/workflows/:id/mailbox/test", test_mailbox, "workflow.write",
     .out_schema = "MailboxTest",
     .summary = "Connect to the mail server that the draft names, and look at its folder"},
    {0},
};
