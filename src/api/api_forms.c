/* src/api/api_forms.c - /forms/:id: the page of a form trigger, made of the inputs of its workflow.
 *
 * It needs no script. What is sent is checked by the schema of the trigger, and what is wrong is
 * said beside the field. The same answers of the same page start one run, however often they are
 * sent; nothing about the workflow is shown but what its author wrote for this page.
 */
#include "api/page.h"
#include "base/crypto.h"
#include "store/store_listen.h"
#include "store/store_workflow.h"
#include "wf/hook.h"
#include "wf/nodes/node_trigger.h"

static const Usec PATIENCE = 100 * USEC_S;
enum { KEY_MAX = 64, RESULT_SHOWN = PAGE_MAX - (16 << 10) }; /* bytes of HTML */

struct words {
    const char *send, *thanks, *arrived, *failed, *failed_lead, *working, *working_lead, *result,
        *not_found, *not_found_lead, *problem, *sign_in, *another, *longer;
};
static const struct words english = {
    .send = "Send",
    .thanks = "Thank you",
    .arrived = "Your answers have arrived.",
    .failed = "That did not work",
    .failed_lead = "Your answers have arrived, but working on them failed. Whoever runs this form "
                   "can find out why by this number: ",
    .working = "Still at work",
    .working_lead = "Your answers have arrived; working on them takes longer than this page waits.",
    .result = "Result",
    .not_found = "There is no form here",
    .not_found_lead = "The address may be wrong, or the form is closed.",
    .problem = "That did not work",
    .sign_in = "Please sign in",
    .another = "Fill in another one",
    .longer = "The result is longer than this page shows.",
};
static const struct words german = {
    .send = "Absenden",
    .thanks = "Vielen Dank",
    .arrived = "Ihre Angaben sind angekommen.",
    .failed = "Das hat nicht geklappt",
    .failed_lead =
        "Ihre Angaben sind angekommen, aber die Verarbeitung ist gescheitert. Wer dieses "
        "Formular betreibt, findet den Grund unter dieser Nummer: ",
    .working = "Noch in Arbeit",
    .working_lead = "Ihre Angaben sind angekommen; die Verarbeitung dauert länger, als diese Seite "
                    "wartet.",
    .result = "Ergebnis",
    .not_found = "Hier ist kein Formular",
    .not_found_lead = "Die Adresse stimmt nicht, oder das Formular ist geschlossen.",
    .problem = "Das hat nicht geklappt",
    .sign_in = "Bitte melden Sie sich an",
    .another = "Noch eines ausfüllen",
    .longer = "Das Ergebnis ist länger, als diese Seite zeigt.",
};

/* One request. */
struct visit {
    struct req *req;
    const struct words *w;
    struct workflow_row row;
    struct wf_def *def;
    int version;
    const struct wf_form_cfg *cfg;
    Str key; /* of the page that was filled in */
};

static const struct words *words_of(const struct req *req)
{
    return page_is_german(req) ? &german : &english;
}

static Err send_note(struct req *req, struct res *res, int status, const char *mark, Str title,
                     Str lead)
{
    struct page page = {.title = title, .lead = lead, .mark = mark};
    return page_send(req, res, status, &page);
}

/* Failures as a page. */
static Err fail(struct req *req, struct res *res, int status, Err e)
{
    const struct words *w = words_of(req);

    if (e == E_NOT_FOUND)
        return send_note(req, res, status, "bad", str_c(w->not_found), str_c(w->not_found_lead));
    if (e == E_UNAUTHORIZED)
        return send_note(req, res, status, "bad", str_c(w->sign_in), S(""));
    return send_note(req, res, status, "bad", str_c(w->problem),
                     str_dup(req->a, str_c(err_client_text(e))));
}

/* ---- which form, and who may see it ---- */

static Err find(struct visit *v, bool draft)
{
    struct api *api = api_of(v->req);
    Usec until = 0;
    Id id;

    TRY(req_id(v->req, "id", &id));
    if (draft)
        TRY(store_listen_until(api->db, v->req->a, id, &until));
    if (draft && until <= time_wall())
        return err_set(E_NOT_FOUND, "nobody listens to the draft of this form");
    TRY(draft ? store_workflow_get_any(api->db, v->req->a, id, &v->row)
              : workflow_cache_get(api->workflows, v->req->a, id, &v->row));
    TRY(api_target_of(v->req, &v->row, draft ? S("draft") : S("published"), &v->def, &v->version));
    if (!wf_form_is_set(v->def))
        return err_set(E_NOT_FOUND, "the workflow is not started by a form");
    v->cfg = &wf_trigger_cfg(v->def)->form;
    return OK;
}

/* Basic authentication is all that a page without a script and without an account can ask for. */
static Err admit(struct visit *v, struct res *res)
{
    bool tries = req_header(v->req, S("authorization")).n > 0;

    if (!str_eq(v->cfg->auth, S("basic")))
        return OK;
    if (tries) /* who has guessed too often learns nothing more */
        TRY(auth_rate_peek(v->req));
    if (wf_hook_basic_matches(v->req->a, &v->req->headers, v->cfg->user, v->cfg->secret))
        return OK;
    if (tries)
        TRY(auth_rate_take(v->req)); /* guesses are counted */
    res_header(res, S("WWW-Authenticate"), S("Basic realm=\"form\", charset=\"UTF-8\""));
    return E_UNAUTHORIZED;
}

static Err begin(struct visit *v, struct res *res, bool draft)
{
    v->w = words_of(v->req);
    TRY(find(v, draft));
    return admit(v, res);
}

/* ---- the form ---- */

static Str title_of(const struct visit *v)
{
    return v->cfg->title.n ? v->cfg->title : v->def->name;
}

static bool has_files(const FormFields *fields)
{
    vec_each(fields, f)
        if (f->kind == FORM_FILE || f->kind == FORM_FILES)
            return true;
    return false;
}

static Err send_form(struct visit *v, struct res *res, int status, const FormValues *values,
                     const FormErrors *errors)
{
    const struct page_words *w = page_words(v->req);
    const FormFields *fields = &v->cfg->fields;
    AUTO_BUF(b, PAGE_MAX);

    if (errors)
        page_errors(&b, w, v->req->a, fields, values, errors);
    buf_add_fmt(&b,
                "<form method=\"post\" enctype=\"%s\"><input type=\"hidden\" name=\"key\" "
                "value=\"",
                has_files(fields) ? "multipart/form-data" : "application/x-www-form-urlencoded");
    page_text(&b, v->key);
    buf_add_c(&b, "\">");
    page_fields(&b, w, v->req->a, fields, values, errors);
    buf_add_c(&b, "<div class=\"acts\"><button>");
    page_text(&b, v->cfg->button.n ? v->cfg->button : str_c(v->w->send));
    buf_add_c(&b, "</button></div></form>");
    TRY(buf_ok(&b));
    struct page page = {.title = title_of(v),
                        .lead = v->cfg->description,
                        .content = buf_str(&b),
                        .leads_to = v->cfg->redirect_origin};
    return page_send(v->req, res, status, &page);
}

/* What the address says for fields, else what stands there at first; NULL: the address says
 * nothing.
 */
static Err prefilled(struct visit *v, FormValues *values, bool *ret_any)
{
    struct arena *a = v->req->a;
    HttpHeaders pairs = {0};
    bool any = false;

    TRY(url_query_all(a, v->req->query, FORM_FIELDS_MAX * 10, &pairs));
    vec_each(&v->cfg->fields, f) {
        bool found = false;
        vec_each(&pairs, p) {
            if (!str_eq(p->name, f->name))
                continue;
            vec_push(a, values, ((struct form_value){.name = f->name, .value = p->value}));
            found = any = true;
        }
        if (!found && f->initial.n)
            vec_push(a, values, ((struct form_value){.name = f->name, .value = f->initial}));
    }
    *ret_any = any;
    return OK;
}

static Err show(struct visit *v, struct res *res)
{
    FormValues values = {0};
    char key[ID_TEXT_SIZE];
    bool any = false;

    TRY(prefilled(v, &values, &any));
    v->key = str_dup(v->req->a, id_text(id_new(), key));
    return send_form(v, res, 200, any ? &values : NULL, NULL);
}

/* ---- what is sent ---- */

/* As much of @s as the page has room for. */
static void add_shown(struct buf *b, Str s)
{
    page_text(b, page_text_head(s, b->n < RESULT_SHOWN ? RESULT_SHOWN - b->n : 0));
}

static Str shown_text(struct req *req, const struct json *v)
{
    return json_is(v, JSON_STR) ? json_str_of(v, S("")) : json_text(req->a, v);
}

static void add_result(struct visit *v, struct buf *b, const struct json *output)
{
    if (!json_is(output, JSON_OBJ) || json_len(output) == 0) {
        buf_add_c(b, json_is(output, JSON_STR) ? "<pre>" : "<pre class=\"code\">");
        add_shown(b, shown_text(v->req, output));
        buf_add_c(b, "</pre>");
    } else {
        buf_add_c(b, "<dl>");
        for (size_t i = 0; i < output->n && b->n < RESULT_SHOWN; i++) {
            buf_add_c(b, "<div><dt>");
            add_shown(b, str_from(output->obj[i].key.s, output->obj[i].key.n));
            buf_add_c(b, "</dt><dd>");
            add_shown(b, shown_text(v->req, &output->obj[i].val));
            buf_add_c(b, "</dd></div>");
        }
        buf_add_c(b, "</dl>");
    }
    if (b->n >= RESULT_SHOWN)
        buf_add_fmt(b, "<p class=\"note\">%s</p>", v->w->longer);
}

static Err send_thanks(struct visit *v, struct res *res)
{
    Str text = v->cfg->thanks;
    Str content = str_fmt(v->req->a, "<p class=\"acts\"><a href=\"?\">%s</a></p>", v->w->another);
    struct page page = {.title =
                            v->cfg->thanks_title.n ? v->cfg->thanks_title : str_c(v->w->thanks),
                        .lead = text.n ? text : str_c(v->w->arrived),
                        .content = content,
                        .mark = "ok"};
    return page_send(v->req, res, 200, &page);
}

static Err send_result(struct visit *v, struct res *res, Id run)
{
    struct wf_engine *engine = api_of(v->req)->engine;
    AUTO_BUF(b, PAGE_MAX);
    struct json *doc;
    char id[ID_TEXT_SIZE];

    Err e = api_await(v->req, v->row.tenant, run, usec_in(PATIENCE));
    if (e == E_TIMEOUT || e == E_SHUTDOWN)
        return send_note(v->req, res, 200, "ok", str_c(v->w->working), str_c(v->w->working_lead));
    TRY(e);
    TRY(wf_run_load(engine, v->req->a, v->row.tenant, run, &doc));
    if (!str_eq(json_str_of(json_at(doc, "state"), S("")), S("succeeded")))
        return send_note(v->req, res, 500, "bad", str_c(v->w->failed),
                         str_fmt(v->req->a, "%s%.*s", v->w->failed_lead, P(id_text(run, id))));
    add_result(v, &b, json_at(doc, "output"));
    TRY(buf_ok(&b));
    struct page page = {.title =
                            v->cfg->thanks_title.n ? v->cfg->thanks_title : str_c(v->w->result),
                        .lead = v->cfg->thanks,
                        .content = buf_str(&b),
                        .mark = "ok"};
    return page_send(v->req, res, 200, &page);
}

/* The same answers of the same page are one run. Other answers of it, of somebody who went back and
 * changed his mind, are another. */
static Str run_key(struct visit *v, const struct json *input)
{
    uint8_t hash[CRYPTO_HASH_SIZE];

    crypto_blake2b(json_text(v->req->a, input), hash);
    return str_fmt(v->req->a, "form:%.*s:%.*s", P(v->key), P(crypto_hex(v->req->a, hash, 16)));
}

static Err start(struct visit *v, const struct json *input, Id *ret_run)
{
    struct req *req = v->req;
    AUTO(wf_run) *run = NULL;
    struct wf_gathered gathered;
    struct wf_hook_request in = {
        .method = S("POST"), .headers = &req->headers, .query = req->query};
    struct wf_start s = {.tenant = v->row.tenant,
                         .workflow = v->row.id,
                         .version = v->version,
                         .def = v->def,
                         .origin = S("form"),
                         .input = input,
                         .request = wf_hook_request_json(req->a, v->def, &in),
                         .key = v->key.n ? run_key(v, input) : S(""),
                         .fingerprint = S("00000000000000000000000000000000")};
    bool gathers = wf_start_gathers(&s);
    Err e = gathers ? wf_run_gather(api_of(req)->engine, &s, &gathered)
                    : wf_run_start(api_of(req)->engine, &s, &run);

    if (e == E_EXISTS && s.key.n) {
        Str fingerprint;
        return store_run_by_key(api_of(req)->db, req->a, v->row.id, s.key, ret_run, &fingerprint);
    }
    TRY(e);
    *ret_run = gathers ? gathered.run : wf_run_id(run);
    return OK;
}

static Err read_others(struct visit *v, const HttpHeaders *others)
{
    vec_each(others, o) {
        if (!str_eq(o->name, S("key")))
            return err_detail(E_BAD_INPUT, "The form has no field \"%.*s\".",
                              P(str_head(o->name, 64)));
        v->key = o->value;
    }
    if (v->key.n > KEY_MAX)
        return err_detail(E_BAD_INPUT, "The key of a form has %d bytes at most.", KEY_MAX);
    return OK;
}

static Err take(struct visit *v, struct res *res)
{
    struct req *req = v->req;
    FormValues values = {0};
    HttpHeaders others = {0};
    FormErrors errors = {0};
    struct json *input;
    Id run;

    if (!page_comes_from_here(req))
        return err_detail(E_FORBIDDEN, "This form was sent by a page of another site.");
    TRY(page_read(req, &values, &others));
    TRY(read_others(v, &others));
    TRY(wf_form_read(req->a, &v->cfg->fields, wf_trigger_cfg(v->def)->input, &values, &input,
                     &errors));
    if (errors.n)
        return send_form(v, res, 422, &values, &errors);
    TRY(start(v, input, &run));
    if (str_eq(v->cfg->respond, S("redirect")))
        return res_redirect(res, 303, v->cfg->redirect);
    return str_eq(v->cfg->respond, S("result")) ? send_result(v, res, run) : send_thanks(v, res);
}

/* ---- the calls ---- */

static Err answer(struct req *req, struct res *res, bool draft)
{
    struct visit v = {.req = req};
    Err e = begin(&v, res, draft);

    if (e == OK)
        e = req->method == HTTP_POST ? take(&v, res) : show(&v, res);
    struct err_record why = *err_record();
    wf_def_unref(v.def);
    *err_record() = why;
    return e;
}

static Err form(struct req *req, struct res *res)
{
    return answer(req, res, false);
}

static Err form_of_draft(struct req *req, struct res *res)
{
    return answer(req, res, true);
}

const struct route api_forms_routes[] = {
    {HTTP_GET, "/forms/:id", form, NULL, .rate = RATE_API, .fail = fail,
     .summary = "The page of a form trigger", .out_type = "text/html"},
    {HTTP_POST, "/forms/:id", form, NULL, .kind = ROUTE_STREAM, .rate = RATE_RUN,
     .max_body = MIB(16), .fail = fail, .summary = "Start a workflow by its form",
     .out_type = "text/html"},
    {HTTP_GET, "/forms-test/:id", form_of_draft, NULL, .rate = RATE_API, .fail = fail,
     .summary = "The form of a draft while somebody listens", .out_type = "text/html"},
    {HTTP_POST, "/forms-test/:id", form_of_draft, NULL, .kind = ROUTE_STREAM, .rate = RATE_RUN,
     .max_body = MIB(16), .fail = fail, .summary = "Try the form of a draft",
     .out_type = "text/html"},
    {0},
};
