/* src/api/api_approvals.c - steps that wait for people: the list, and deciding. */
#include "api/api.h"

static Err find(struct req *req, struct approval_row *ret_row)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_approval_get(api_of(req)->db, req->a, id, ret_row));
    return id_eq(ret_row->tenant, req->who.tenant)
               ? OK
               : err_detail(E_NOT_FOUND, "There is no such approval.");
}

static Err list_approvals(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a);
    struct api_page page;
    ApprovalRows rows;

    TRY(api_page_of(req, &page));
    TRY(store_approvals_open(api_of(req)->db, req->a, req->who.tenant, page.before, page.limit,
                             &rows));
    vec_each(&rows, row) {
        Decisions decisions = {0};
        if (row->decisions)
            TRY(store_decisions(api_of(req)->db, req->a, row->id, &decisions));
        json_push(req->a, items, wf_approval_json(req->a, row, &decisions));
    }
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

static Err get_approval(struct req *req, struct res *res)
{
    struct approval_row row;
    Decisions decisions;

    TRY(find(req, &row));
    TRY(store_decisions(api_of(req)->db, req->a, row.id, &decisions));
    struct json *doc = wf_approval_json(req->a, &row, &decisions), *mails;
    TRY(wf_approval_mails_json(api_of(req)->engine, req->a, row.id, &mails));
    json_set(req->a, doc, S("mails"), mails);
    return res_json(res, 200, doc);
}

static Err decide(struct req *req, struct res *res)
{
    struct approval_row row;
    struct wf_decided decided;
    struct json *body;

    TRY(req_json(req, &body));
    TRY(find(req, &row));
    struct wf_decide d = {
        .row = &row,
        .by = auth_is_session(req) ? S("console") : req->who.actor_name,
        .approve = str_eq(json_str_of(json_at(body, "decision"), S("")), S("approve")),
        .data = json_at(body, "data"),
        .comment = json_str_of(json_at(body, "comment"), S("")),
    };
    Err e = wf_approval_decide(api_of(req)->engine, req->a, &d, &decided);
    if (e == E_INVALID && decided.errors.n)
        return res_problem(res, e,
                           json_obj(req->a, "errors",
                                    api_schema_errors(req->a, &decided.errors, S("/data")), NULL));
    TRY(e);
    return res_json(
        res, 200,
        json_obj(req->a, "recorded", json_bool(req->a, decided.recorded), "decision",
                 decided.decision.n ? json_str(req->a, decided.decision) : json_null(req->a),
                 "outcome",
                 decided.outcome.n ? json_str(req->a, decided.outcome) : json_null(req->a), NULL));
}

static Err list_links(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a);
    struct approval_row row;
    Decisions none = {0};

    TRY(find(req, &row));
    const struct json *approvers = json_at(wf_approval_json(req->a, &row, &none), "approvers");
    for (size_t i = 0; i < json_len(approvers); i++) {
        Str by = json_str_of(json_item(approvers, i), S(""));
        Str url = wf_approval_link(req->a, api_of(req)->base_url, &row, by);
        json_push(
            req->a, items,
            json_obj(req->a, "approver", json_str(req->a, by), "url", json_str(req->a, url), NULL));
    }
    return res_json(res, 200, json_obj(req->a, "items", items, NULL));
}

const struct route api_approvals_routes[] = {
    {HTTP_GET, "/api/approvals", list_approvals, "run.read", .out_schema = "ApprovalList",
     .summary = "List what waits for approval", .query = "limit:integer cursor:string"},
    {HTTP_GET, "/api/approvals/:id", get_approval, "run.read", .out_schema = "Approval",
     .summary = "Get an approval"},
    {HTTP_POST, "/api/approvals/:id", decide, "approval.decide", .in_schema = "Decide",
     .out_schema = "Decided", .summary = "Approve or reject"},
    {HTTP_GET, "/api/approvals/:id/links", list_links, "approval.decide",
     .out_schema = "ApprovalLinks", .summary = "Get the approvers' links"},
    {0},
};
