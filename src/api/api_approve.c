/* src/api/api_approve.c - the page behind an approver's link: what is asked, a form, two buttons.
 *
 * It needs no sign-in and no script: the signature in the link is for this approval and this
 * approver alone. Looking changes nothing, so that programs that follow links in mail do no harm;
 * a second decision changes nothing either and says so.
 */
#include "api/page.h"

struct words {
    const char *approve, *reject, *comment, *data, *bad_link, *approved, *rejected, *already,
        *closed, *of_workflow, *bad_form;
};
static const struct words english = {
    "Approve",
    "Reject",
    "Comment",
    "Answer, as JSON",
    "This link is not valid.",
    "Thank you: approved.",
    "Thank you: rejected.",
    "You have decided already; that counts.",
    "This is decided already; your answer is not needed any more.",
    "Workflow",
    "Please check what you have filled in.",
};
static const struct words german = {
    "Zustimmen",
    "Ablehnen",
    "Kommentar",
    "Antwort als JSON",
    "Dieser Link ist nicht gültig.",
    "Danke: Sie haben zugestimmt.",
    "Danke: Sie haben abgelehnt.",
    "Sie haben schon entschieden; das gilt.",
    "Das ist schon entschieden; Ihre Antwort wird nicht mehr gebraucht.",
    "Workflow",
    "Bitte prüfen Sie Ihre Angaben.",
};

/* One request: who asks, about what, and what came in the form. */
struct visit {
    struct req *req;
    const struct words *w;
    struct approval_row row;
    const struct json *about;
    Str by;
    FormFields fields;  /* of its form, if that is simple enough; else it is asked as JSON */
    FormValues values;  /* what came in them, */
    HttpHeaders others; /* and besides */
    FormErrors errors;
};

static Str about_text(const struct visit *v, const char *name)
{
    return json_str_of(json_get(v->about, str_c(name)), S(""));
}

static Err send_note(struct visit *v, struct res *res, int status, const char *note)
{
    Str title = about_text(v, "subject");
    struct page page = {.title = title.n ? title : S("Heddle"),
                        .content = str_fmt(v->req->a, "<p class=\"note%s\" role=\"status\">%s</p>",
                                           status == 200 ? "" : " bad", note)};
    return page_send(v->req, res, status, &page);
}

/* ---- the form ---- */

static Str form_value(const struct visit *v, Str name)
{
    Str value = http_header_get(&v->others, name);
    return value.p ? value : S("");
}

static void add_data(const struct visit *v, struct buf *b)
{
    if (v->fields.n) {
        page_fields(b, page_words(v->req), v->req->a, &v->fields,
                    v->req->method == HTTP_POST ? &v->values : NULL, &v->errors);
    } else if (json_type(json_at(v->about, "form")) != JSON_NULL) {
        buf_add_fmt(b,
                    "<div class=\"field\"><label for=\"data\">%s</label><textarea id=\"data\" "
                    "name=\"data\" rows=\"8\">\n",
                    v->w->data);
        page_text(b, form_value(v, S("data")));
        buf_add_c(b, "</textarea></div>");
    }
}

static void add_buttons(const struct visit *v, struct buf *b)
{
    buf_add_fmt(b,
                "<div class=\"field\"><label for=\"comment\">%s <span "
                "class=\"opt\">(%s)</span></label><textarea id=\"comment\" name=\"comment\" "
                "rows=\"3\" maxlength=\"2000\">\n",
                v->w->comment, page_words(v->req)->optional);
    page_text(b, form_value(v, S("comment")));
    /* Who rejects need not fill in what is asked of those who approve. */
    buf_add_fmt(b,
                "</textarea></div><div class=\"acts\"><button name=\"decision\" "
                "value=\"approve\">%s</button><button class=\"no\" name=\"decision\" "
                "value=\"reject\" formnovalidate>%s</button></div></form>",
                v->w->approve, v->w->reject);
}

/* @problem: what was wrong with the last try; empty: nothing, or it stands beside the fields. */
static Err send_form(struct visit *v, struct res *res, int status, Str problem)
{
    AUTO_BUF(b, PAGE_MAX);

    if (about_text(v, "message").n) {
        buf_add_c(&b, "<pre>");
        page_text(&b, about_text(v, "message"));
        buf_add_c(&b, "</pre>");
    }
    if (problem.n) {
        buf_add_fmt(&b, "<p class=\"note bad\" role=\"alert\">%s ", v->w->bad_form);
        page_text(&b, problem);
        buf_add_c(&b, "</p>");
    }
    page_errors(&b, page_words(v->req), v->req->a, &v->fields, &v->values, &v->errors);
    buf_add_c(&b, "<form method=\"post\">");
    add_data(v, &b);
    add_buttons(v, &b);
    TRY(buf_ok(&b));
    struct page page = {
        .title = about_text(v, "subject"),
        .lead = str_fmt(v->req->a, "%s: %.*s", v->w->of_workflow, P(v->row.workflow_name)),
        .content = buf_str(&b)};
    return page_send(v->req, res, status, &page);
}

/* What was filled in as the JSON that the schema is about. */
static Err read_data(struct visit *v, struct json **ret_data)
{
    *ret_data = NULL;
    if (v->fields.n)
        return wf_form_read(v->req->a, &v->fields, NULL, &v->values, ret_data, &v->errors);
    if (json_type(json_at(v->about, "form")) == JSON_NULL)
        return OK;
    return json_parse(v->req->a, form_value(v, S("data")), ret_data);
}

/* Files are not taken here: an answer is small, and kept with the approval. */
static void find_fields(struct visit *v)
{
    const struct json *form = json_at(v->about, "form");

    if (json_type(form) == JSON_NULL || wf_form_fields(v->req->a, form, &v->fields) != OK) {
        v->fields = (FormFields){0};
        return;
    }
    vec_each(&v->fields, f)
        if (f->kind == FORM_FILE || f->kind == FORM_FILES) {
            v->fields = (FormFields){0};
            return;
        }
}

/* ---- the two calls ---- */

/* E_NOT_FOUND for a link that is not ours. */
static Err begin(struct visit *v)
{
    struct req *req = v->req;
    Decisions none = {0};
    Str signature;
    Id id;

    v->w = page_is_german(req) ? &german : &english;
    TRY(req_id(req, "id", &id));
    TRY(req_query(req, S("by"), &v->by));
    TRY(req_query(req, S("signature"), &signature));
    TRY(store_approval_get(api_of(req)->db, req->a, id, &v->row));
    if (!wf_approval_signed(req->a, &v->row, v->by, signature))
        return err_set(E_NOT_FOUND, "the signature of an approver's link is wrong");
    v->about = wf_approval_json(req->a, &v->row, &none);
    find_fields(v);
    return OK;
}

static Err show(struct req *req, struct res *res)
{
    struct visit v = {.req = req};
    Err e = begin(&v);

    if (e == E_NOT_FOUND || e == E_BAD_INPUT)
        return send_note(&v, res, 404, v.w ? v.w->bad_link : english.bad_link);
    TRY(e);
    return v.row.closed_at ? send_note(&v, res, 200, v.w->closed) : send_form(&v, res, 200, S(""));
}

static Err decide(struct req *req, struct res *res)
{
    struct visit v = {.req = req};
    struct wf_decided decided;
    struct json *data = NULL;
    Err e = begin(&v);

    if (e == E_NOT_FOUND || e == E_BAD_INPUT)
        return send_note(&v, res, 404, v.w->bad_link);
    TRY(e);
    TRY(page_read(req, &v.values, &v.others));
    Str decision = form_value(&v, S("decision"));
    struct wf_decide d = {.row = &v.row,
                          .by = v.by,
                          .approve = str_eq(decision, S("approve")),
                          .comment = form_value(&v, S("comment"))};
    if (!d.approve && !str_eq(decision, S("reject")))
        return send_form(&v, res, 400, S(""));
    if (d.approve && !v.row.closed_at && read_data(&v, &data) != OK)
        return send_form(&v, res, 422, S("JSON"));
    if (v.errors.n)
        return send_form(&v, res, 422, S(""));
    d.data = data;
    e = wf_approval_decide(api_of(req)->engine, req->a, &d, &decided);
    if (e == E_INVALID)
        return send_form(&v, res, 422, str_c(err_client_text(e)));
    TRY(e);
    if (!decided.recorded)
        return send_note(&v, res, 200, decided.decision.n ? v.w->already : v.w->closed);
    return send_note(&v, res, 200, d.approve ? v.w->approved : v.w->rejected);
}

const struct route api_approve_routes[] = {
    {HTTP_GET, "/approve/:id", show, NULL, .rate = RATE_AUTH},
    {HTTP_POST, "/approve/:id", decide, NULL, .rate = RATE_AUTH, .max_body = KIB(256)},
    {0},
};
