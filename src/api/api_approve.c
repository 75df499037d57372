/* src/api/api_approve.c - the page behind an approver's link: what is asked, a form, two buttons.
 *
 * It needs no sign-in and no script: the signature in the link is for this approval and this
 * approver alone. Looking changes nothing, so that programs that follow links in mail do no harm;
 * a second decision changes nothing either and says so.
 */
#include "api/api.h"
#include "base/crypto.h"

enum { PAGE_MAX = 512 << 10, FIELDS_MAX = 64 };

struct words {
    const char *lang, *approve, *reject, *comment, *data, *bad_link, *approved, *rejected, *already,
        *closed, *of_workflow, *yes, *bad_form;
};
static const struct words english = {
    "en",
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
    "Yes",
    "Please check what you have filled in.",
};
static const struct words german = {
    "de",
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
    "Ja",
    "Bitte prüfen Sie Ihre Angaben.",
};

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:3rem auto;padding:0 1rem;"
    "color:#1c1a17;background:#faf8f4}h1{font-size:1.4rem}pre{white-space:pre-wrap;font:inherit}"
    "label{display:block;margin:1rem 0}input:not([type=checkbox]),select,textarea{display:block;"
    "width:100%;box-sizing:border-box;font:inherit;padding:.4rem;border:1px solid #8a8378;"
    "border-radius:.3rem;background:#fff}button{font:inherit;padding:.5rem 1.2rem;margin:.5rem "
    ".5rem 0 0;border:1px solid #3a4a8c;border-radius:.3rem;background:#3a4a8c;color:#fff}"
    "button.no{background:#fff;color:#8c2f2f;border-color:#8c2f2f}.note{padding:.6rem "
    ".8rem;border:1px solid #8a8378;border-radius:.3rem}.muted{color:#6b655c}";

/* One request: who asks, about what, and what came in the form. */
struct visit {
    struct req *req;
    const struct words *w;
    struct approval_row row;
    const struct json *about;
    Str by;
    HttpHeaders form;
};

static void text(struct buf *b, Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '<':
            buf_add_c(b, "&lt;");
            break;
        case '>':
            buf_add_c(b, "&gt;");
            break;
        case '&':
            buf_add_c(b, "&amp;");
            break;
        case '"':
            buf_add_c(b, "&quot;");
            break;
        case '\'':
            buf_add_c(b, "&#39;");
            break;
        default:
            buf_add_char(b, s.p[i]);
        }
    }
}

static Err send_page(struct visit *v, struct res *res, int status, Str title, Str content)
{
    AUTO_BUF(b, PAGE_MAX);
    uint8_t hash[32];

    crypto_sha256(str_c(style), hash);
    Str sum = crypto_base64(v->req->a, str_from((char *)hash, sizeof hash));
    res_header(res, S("Content-Security-Policy"),
               str_fmt(v->req->a,
                       "default-src 'none'; style-src 'sha256-%.*s'; form-action 'self'; base-uri "
                       "'none'; frame-ancestors 'none'",
                       P(sum)));
    res_header(res, S("Referrer-Policy"), S("no-referrer"));
    buf_add_fmt(&b,
                "<!doctype html><html lang=\"%s\"><head><meta charset=\"utf-8\"><meta "
                "name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" "
                "content=\"noindex\"><title>",
                v->w->lang);
    text(&b, title);
    buf_add_fmt(&b, "</title><style>%s</style></head><body><h1>", style);
    text(&b, title);
    buf_add_c(&b, "</h1>");
    buf_add(&b, content);
    buf_add_c(&b, "</body></html>");
    TRY(buf_ok(&b));
    return res_send(res, status, S("text/html; charset=utf-8"), buf_str(&b));
}

static Str about_text(const struct visit *v, const char *name)
{
    return json_str_of(json_get(v->about, str_c(name)), S(""));
}

static Err send_note(struct visit *v, struct res *res, int status, const char *note)
{
    Str title = about_text(v, "subject");
    Str content = str_fmt(v->req->a, "<p class=\"note\" role=\"status\">%s</p>", note);
    return send_page(v, res, status, title.n ? title : S("Heddle"), content);
}

/* ---- the form ---- */

/* The properties of a form that is flat and simple enough for fields; NULL: it is asked as JSON. */
static const struct json *simple_fields(const struct json *form)
{
    const struct json *properties = json_at(form, "properties");
    size_t n = json_len(properties);

    if (!json_is(properties, JSON_OBJ) || n == 0 || n > FIELDS_MAX || json_at(form, "allOf") ||
        json_at(form, "anyOf") || json_at(form, "oneOf") || json_at(form, "$ref"))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const struct json *one = &properties->obj[i].val;
        Str type = json_str_of(json_at(one, "type"), S(""));
        if (!str_eq(type, S("string")) && !str_eq(type, S("number")) &&
            !str_eq(type, S("integer")) && !str_eq(type, S("boolean")))
            return NULL;
    }
    return properties;
}

static Str form_value(const struct visit *v, Str name)
{
    vec_each(&v->form, pair)
        if (str_eq(pair->name, name))
            return pair->value;
    return (Str){NULL, 0};
}

static void add_options(const struct visit *v, struct buf *b, const struct json *options, Str value)
{
    (void)v;
    buf_add_c(b, "<option></option>");
    for (size_t i = 0; i < json_len(options); i++) {
        Str one = json_str_of(json_item(options, i), S(""));
        buf_add_fmt(b, "<option%s>", str_eq(one, value) ? " selected" : "");
        text(b, one);
        buf_add_c(b, "</option>");
    }
}

static void add_field(const struct visit *v, struct buf *b, Str name, const struct json *one)
{
    Str type = json_str_of(json_at(one, "type"), S(""));
    Str key = str_fmt(v->req->a, "f.%.*s", P(name)), value = form_value(v, key);
    const struct json *options = json_at(one, "enum");

    buf_add_c(b, "<label>");
    text(b, json_str_of(json_at(one, "title"), name));
    if (str_eq(type, S("boolean"))) {
        buf_add_c(b, " <input type=\"checkbox\" value=\"true\" name=\"");
        text(b, key);
        buf_add_fmt(b, "\"%s> %s", value.n ? " checked" : "", v->w->yes);
    } else if (json_is(options, JSON_ARR)) {
        buf_add_c(b, "<select name=\"");
        text(b, key);
        buf_add_c(b, "\">");
        add_options(v, b, options, value);
        buf_add_c(b, "</select>");
    } else {
        buf_add_c(b, "<input name=\"");
        text(b, key);
        buf_add_fmt(b, "\"%s value=\"", str_eq(type, S("string")) ? "" : " inputmode=\"decimal\"");
        text(b, value);
        buf_add_c(b, "\">");
    }
    buf_add_c(b, "</label>");
}

static void add_data(const struct visit *v, struct buf *b)
{
    const struct json *form = json_at(v->about, "form"), *properties = simple_fields(form);

    if (json_type(form) == JSON_NULL)
        return;
    for (size_t i = 0; i < json_len(properties); i++)
        add_field(v, b, str_from(properties->obj[i].key.s, properties->obj[i].key.n),
                  &properties->obj[i].val);
    if (properties)
        return;
    buf_add_fmt(b, "<label>%s<textarea name=\"data\" rows=\"8\">", v->w->data);
    text(b, form_value(v, S("data")));
    buf_add_c(b, "</textarea></label>");
}

/* @problem: what was wrong with the last try; empty: nothing. */
static Err send_form(struct visit *v, struct res *res, int status, Str problem)
{
    AUTO_BUF(b, PAGE_MAX);

    buf_add_fmt(&b, "<p class=\"muted\">%s: ", v->w->of_workflow);
    text(&b, v->row.workflow_name);
    buf_add_c(&b, "</p>");
    if (about_text(v, "message").n) {
        buf_add_c(&b, "<pre>");
        text(&b, about_text(v, "message"));
        buf_add_c(&b, "</pre>");
    }
    if (problem.n) {
        buf_add_fmt(&b, "<p class=\"note\" role=\"alert\">%s ", v->w->bad_form);
        text(&b, problem);
        buf_add_c(&b, "</p>");
    }
    buf_add_c(&b, "<form method=\"post\">");
    add_data(v, &b);
    buf_add_fmt(&b, "<label>%s<textarea name=\"comment\" rows=\"3\" maxlength=\"2000\">",
                v->w->comment);
    text(&b, form_value(v, S("comment")));
    buf_add_fmt(&b,
                "</textarea></label><button name=\"decision\" value=\"approve\">%s</button><button "
                "class=\"no\" name=\"decision\" value=\"reject\">%s</button></form>",
                v->w->approve, v->w->reject);
    TRY(buf_ok(&b));
    return send_page(v, res, status, about_text(v, "subject"), buf_str(&b));
}

/* What was filled in as the JSON that the schema is about. A number that is none stays text, and
 * the schema says so. */
static Err read_data(struct visit *v, struct json **ret_data)
{
    struct arena *a = v->req->a;
    const struct json *form = json_at(v->about, "form"), *properties = simple_fields(form);
    struct json *data = json_obj(a, NULL), *number;

    if (json_type(form) == JSON_NULL) {
        *ret_data = NULL;
        return OK;
    }
    if (!properties)
        return json_parse(a, form_value(v, S("data")), ret_data);
    for (size_t i = 0; i < json_len(properties); i++) {
        Str name = str_from(properties->obj[i].key.s, properties->obj[i].key.n);
        Str type = json_str_of(json_at(&properties->obj[i].val, "type"), S(""));
        Str value = form_value(v, str_fmt(a, "f.%.*s", P(name)));
        if (str_eq(type, S("boolean")))
            json_set(a, data, name, json_bool(a, value.n != 0));
        else if (value.n == 0)
            continue;
        else if (!str_eq(type, S("string")) && json_parse(a, str_trim(value), &number) == OK)
            json_set(a, data, name, number);
        else
            json_set(a, data, name, json_str(a, value));
    }
    *ret_data = data;
    return OK;
}

/* ---- the two calls ---- */

/* E_NOT_FOUND for a link that is not ours. */
static Err begin(struct visit *v)
{
    struct req *req = v->req;
    Decisions none = {0};
    Str signature;
    Id id;

    v->w = str_starts_nocase(str_trim(req_header(req, S("accept-language"))), S("de")) ? &german
                                                                                       : &english;
    TRY(req_id(req, "id", &id));
    TRY(req_query(req, S("by"), &v->by));
    TRY(req_query(req, S("signature"), &signature));
    TRY(store_approval_get(api_of(req)->db, req->a, id, &v->row));
    if (!wf_approval_signed(req->a, &v->row, v->by, signature))
        return err_set(E_NOT_FOUND, "the signature of an approver's link is wrong");
    v->about = wf_approval_json(req->a, &v->row, &none);
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
    Str body;
    Err e = begin(&v);

    if (e == E_NOT_FOUND || e == E_BAD_INPUT)
        return send_note(&v, res, 404, v.w->bad_link);
    TRY(e);
    TRY(req_body(req, &body));
    TRY(url_query_all(req->a, body, FIELDS_MAX + 8, &v.form));
    Str decision = form_value(&v, S("decision"));
    struct wf_decide d = {.row = &v.row,
                          .by = v.by,
                          .approve = str_eq(decision, S("approve")),
                          .comment = form_value(&v, S("comment"))};
    if (!d.approve && !str_eq(decision, S("reject")))
        return send_form(&v, res, 400, S(""));
    if (d.approve && !v.row.closed_at && read_data(&v, &data) != OK)
        return send_form(&v, res, 422, S("JSON"));
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
