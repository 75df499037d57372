/* src/wf/nodes/node_api_call.c - the "api-call" node: one HTTP call as its settings say, the answer
 * as JSON.
 *
 * Only hosts that the egress rules allow are reached. The engine may run the step again after a
 * failure: the step's key travels as Idempotency-Key with calls that change something, so that the
 * far end can tell a repeat from a new call.
 */
#include "wf/headers.h"
#include "wf/nodes/call.h"
#include "wf/nodes/table.h"

#include "base/crypto.h"

enum { FORM_MAX = 8 << 20 }; /* bytes before encoding */

struct auth_cfg {
    Str type;
    struct wf_template *user, *password, *token, *value;
    Str header;
};

struct api_call_cfg {
    Str method, body_type, response;
    struct wf_template *url;
    struct wf_value *query, *headers, *body;
    struct auth_cfg auth;
    int64_t redirects;
    size_t max_response;
    bool fail_on_status;
};

static const struct field auth_fields[] = {
    {"type", F_ENUM, offsetof(struct auth_cfg, type), .dflt = "none",
     .one_of = "none basic bearer header", .title = "Kind"},
    {"user", F_TEMPLATE, offsetof(struct auth_cfg, user), .required = true, .when = "type=basic",
     .title = "User"},
    {"password", F_TEMPLATE, offsetof(struct auth_cfg, password), .dflt = "", .when = "type=basic",
     .secret = true, .title = "Password"},
    {"token", F_TEMPLATE, offsetof(struct auth_cfg, token), .required = true, .when = "type=bearer",
     .secret = true, .title = "Token"},
    {"header", F_STR, offsetof(struct auth_cfg, header), .required = true, .when = "type=header",
     .title = "Header"},
    {"value", F_TEMPLATE, offsetof(struct auth_cfg, value), .required = true, .when = "type=header",
     .secret = true, .title = "Value"},
    {0},
};

static const struct field fields[] = {
    {"method", F_ENUM, offsetof(struct api_call_cfg, method), .dflt = "GET",
     .one_of = "GET POST PUT PATCH DELETE HEAD", .title = "Method"},
    {"url", F_TEMPLATE, offsetof(struct api_call_cfg, url), .required = true, .title = "URL"},
    {"query", F_MAP, offsetof(struct api_call_cfg, query), .title = "Query",
     .help = "Parameters that are encoded and put behind the URL; null leaves one out."},
    {"headers", F_MAP, offsetof(struct api_call_cfg, headers), .title = "Headers"},
    {"body", F_VALUE, offsetof(struct api_call_cfg, body), .title = "Body", .lines = true,
     .help = "Any JSON with templates; a string is sent as it is."},
    {"body_type", F_ENUM, offsetof(struct api_call_cfg, body_type), .dflt = "json",
     .one_of = "json form text", .title = "Body type"},
    {"auth", F_OBJECT, offsetof(struct api_call_cfg, auth), .sub = auth_fields,
     .title = "Authentication"},
    {"redirects", F_INT, offsetof(struct api_call_cfg, redirects), .dflt = "5", .min = 0, .max = 10,
     .title = "Redirects", .help = "How many are followed."},
    {"response", F_ENUM, offsetof(struct api_call_cfg, response), .dflt = "auto",
     .one_of = "auto json text", .title = "Answer",
     .help = "What the body is read as; auto goes by its content type."},
    {"max_response", F_SIZE, offsetof(struct api_call_cfg, max_response), .dflt = "8MiB", .min = 1,
     .max = 64 << 20, .title = "Largest answer"},
    {"fail_on_status", F_BOOL, offsetof(struct api_call_cfg, fail_on_status), .dflt = "true",
     .title = "Fail on 4xx and 5xx",
     .help = "Off: the step succeeds whatever the status, which stands in its output."},
    {0},
};

static void check(struct wf_check *ck, void *settings)
{
    const struct api_call_cfg *cfg = settings;

    check_url(ck, S("url"), cfg->url);
    check_headers(ck, S("headers"));
    if (str_eq(cfg->auth.type, S("header")) &&
        (!http_is_token(cfg->auth.header) || http_header_is_own(cfg->auth.header)))
        wf_check_problem(ck, S("auth/header"), S("bad_name"),
                         "\"%.*s\" is no name for a header that can be set.",
                         P(str_head(cfg->auth.header, 60)));
    if (cfg->body && str_eq(cfg->method, S("HEAD")))
        wf_check_problem(ck, S("body"), S("not_used"), "A HEAD request has no body.");
}

static enum wf_effects effects_of(const void *settings)
{
    const struct api_call_cfg *cfg = settings;

    return str_eq(cfg->method, S("GET")) || str_eq(cfg->method, S("HEAD")) ? WF_IDEMPOTENT
                                                                           : WF_EXTERNAL;
}

static Err text_of(struct wf_step *step, const struct wf_template *t, Str *ret_text)
{
    return wf_template_text(step->a, t, step->scope, step->deadline, ret_text);
}

static Err add_auth(struct step_call *call, const struct auth_cfg *auth)
{
    struct wf_step *step = call->step;
    Str first, second;

    if (str_eq(auth->type, S("basic"))) {
        TRY(text_of(step, auth->user, &first));
        TRY(text_of(step, auth->password, &second));
        const Str pair[] = {first, second};
        Str encoded = crypto_base64(step->a, str_join(step->a, pair, 2, S(":")));
        step_call_header(call, S("Authorization"), str_fmt(step->a, "Basic %.*s", P(encoded)));
    } else if (str_eq(auth->type, S("bearer"))) {
        TRY(text_of(step, auth->token, &first));
        step_call_header(call, S("Authorization"), str_fmt(step->a, "Bearer %.*s", P(first)));
    } else if (str_eq(auth->type, S("header"))) {
        TRY(text_of(step, auth->value, &first));
        step_call_header(call, auth->header, first);
    }
    return OK;
}

/* An object as a form; an array gives its name once for each element. */
static Err form_body(struct wf_step *step, const struct json *v, Str *ret_body)
{
    HttpHeaders pairs = {0};
    size_t left = FORM_MAX;

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID,
                          "The body of node %.*s must be an object to be sent as a form.",
                          P(step->node->id));
    for (size_t i = 0; i < json_len(v); i++) {
        const struct json *field = &v->obj[i].val;
        Str name = json_str_of(&v->obj[i].key, S(""));
        size_t n = json_is(field, JSON_ARR) ? json_len(field) : 1;
        for (size_t k = 0; k < n; k++) {
            const struct json *one = json_is(field, JSON_ARR) ? &field->arr[k] : field;
            if (json_type(one) != JSON_NULL)
                TRY(step_pair(step, &pairs, name, one, &left));
        }
    }
    *ret_body = step_form(step->a, &pairs);
    return OK;
}

static Err add_body(struct step_call *call, const struct api_call_cfg *cfg)
{
    struct wf_step *step = call->step;
    struct json *v;

    if (!cfg->body)
        return OK;
    TRY(wf_value_eval(step->a, cfg->body, step->scope, step->deadline, &v));
    bool form = str_eq(cfg->body_type, S("form"));
    if (json_is(v, JSON_STR))
        call->http.body = json_str_of(v, S(""));
    else if (form)
        TRY(form_body(step, v, &call->http.body));
    else
        TRY(step_json(step, v, STEP_REQUEST_MAX, &call->http.body));
    step_call_header(call, S("Content-Type"),
                     form                                ? S("application/x-www-form-urlencoded")
                     : str_eq(cfg->body_type, S("text")) ? S("text/plain; charset=utf-8")
                                                         : S("application/json"));
    return OK;
}

static Err prepare(struct wf_step *step, const struct api_call_cfg *cfg, struct step_call *ret_call)
{
    Str url;

    TRY(text_of(step, cfg->url, &url));
    TRY(step_call_begin(step, url, cfg->query, ret_call));
    ret_call->http.engine = HTTP_CURL;
    ret_call->http.method = http_method_parse(cfg->method);
    ret_call->http.max_body = cfg->max_response;
    ret_call->http.max_redirects = (unsigned)cfg->redirects;
    TRY(step_call_headers(ret_call, cfg->headers));
    TRY(add_auth(ret_call, &cfg->auth));
    TRY(add_body(ret_call, cfg));
    step_call_header(ret_call, S("Accept"), S("application/json, text/*;q=0.9, */*;q=0.8"));
    if (effects_of(cfg) == WF_EXTERNAL)
        step_call_header(ret_call, S("Idempotency-Key"), step->key);
    return OK;
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct api_call_cfg *cfg = settings;
    enum reply_as as = str_eq(cfg->response, S("json"))   ? REPLY_JSON
                       : str_eq(cfg->response, S("text")) ? REPLY_TEXT
                                                          : REPLY_AUTO;
    struct step_call call;
    struct http_reply reply;
    struct json *body;

    TRY(prepare(step, cfg, &call));
    TRY(step_call_fetch(&call, &reply));
    if (cfg->fail_on_status && reply.status >= 400)
        return step_call_status(&call, reply.status, &reply.headers, NULL);
    if (call.http.method == HTTP_HEAD)
        body = json_null(step->a);
    else
        TRY(step_call_body(&call, &reply, as, &body));
    ret_outcome->output =
        json_obj(step->a, "status", json_int(step->a, reply.status), "headers",
                 wf_headers_json(step->a, &reply.headers, NULL, NULL), "body", body, NULL);
    return OK;
}

static struct json *sample(struct arena *a, const void *settings)
{
    const struct api_call_cfg *cfg = settings;
    bool head = str_eq(cfg->method, S("HEAD"));

    return json_obj(a, "status", json_int(a, 200), "headers", json_obj(a, NULL), "body",
                    head ? json_null(a) : json_str(a, S("placeholder")), NULL);
}

const struct wf_node_type wf_node_api_call = {
    .name = "api-call",
    .title = "API call",
    .help = "Calls an HTTP API and gives its answer.",
    .group = "integration",
    .fields = fields,
    .settings_size = sizeof(struct api_call_cfg),
    .effects = WF_EXTERNAL,
    .timeout = 30 * USEC_S,
    .effects_of = effects_of,
    .check = check,
    .run = run,
    .sample = sample,
    .keyed = true,
};
