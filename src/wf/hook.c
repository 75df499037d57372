/* src/wf/hook.c - who may call a webhook, and what its run gets. Pure: no I/O, no clock of its own.
 *
 * Every secret is compared in a time that does not depend on where it differs, and a caller is
 * never told which part of its credentials was wrong.
 */
#include "wf/hook.h"

#include "base/crypto.h"
#include "base/utf8.h"
#include "net/multipart.h"
#include "net/signature.h"
#include "wf/form.h"
#include "wf/headers.h"
#include "wf/nodes/node_trigger.h"

enum {
    FIELDS_MAX = 10000, /* of a form or a query */
    PARTS_MAX = 1000,   /* of a multipart body */
    FILES_MAX = 100,    /* among them */
    DEPTH_MAX = 100,    /* of a JSON body: outputs made of it nest deeper, and 200 is the end */
};

bool wf_hook_is_set(const struct wf_def *def)
{
    return str_eq(wf_trigger_cfg(def)->trigger, S("webhook"));
}

enum wf_hook_answer wf_hook_answer(const struct wf_def *def)
{
    Str respond = wf_trigger_cfg(def)->webhook.respond;

    if (str_eq(respond, S("result")))
        return WF_HOOK_RESULT;
    if (str_eq(respond, S("node")))
        return WF_HOOK_NODE;
    return str_eq(respond, S("stream")) ? WF_HOOK_STREAM : WF_HOOK_AT_ONCE;
}

bool wf_hook_streams(const struct wf_def *def, int node)
{
    const struct json *only = wf_trigger_cfg(def)->webhook.stream_nodes;

    if (node < 0 || !def->nodes[node].type->speaks)
        return false;
    for (size_t i = 0; i < json_len(only); i++)
        if (str_eq(json_str_of(json_item(only, i), S("")), def->nodes[node].id))
            return true;
    return !only;
}

/* ---- who ---- */

/* What stands behind @scheme in the Authorization header; empty if it is another one. */
static Str authorization(const HttpHeaders *headers, Str scheme)
{
    Str value = http_header_get(headers, S("authorization"));

    if (!str_starts_nocase(value, scheme) || value.n <= scheme.n || value.p[scheme.n] != ' ')
        return S("");
    return str_trim(str_skip(value, scheme.n));
}

bool wf_hook_basic_matches(struct arena *a, const HttpHeaders *headers, Str user, Str secret)
{
    Str given, wanted = str_fmt(a, "%.*s:%.*s", P(user), P(secret));

    return crypto_unbase64(a, authorization(headers, S("Basic")), &given) == OK &&
           str_eq_secret(given, wanted);
}

bool wf_hook_bearer_matches(const HttpHeaders *headers, Str secret)
{
    return str_eq_secret(authorization(headers, S("Bearer")), secret);
}

/* "sha256=<hex>" over the body, as GitHub sends it; Gitea and others leave the prefix out. */
static bool body_hmac_matches(struct arena *a, const struct wf_webhook_cfg *cfg, Str given,
                              Str body)
{
    uint8_t mac[32];
    Str bytes;

    if (str_starts(given, S("sha256=")))
        given = str_skip(given, 7);
    crypto_hmac_sha256(cfg->secret, body, mac);
    return crypto_unhex(a, given, &bytes) == OK &&
           str_eq_secret(bytes, (Str){(const char *)mac, sizeof mac});
}

/* Where a delivery's id stands: "svix-timestamp" goes with "svix-id". */
static Str id_header(struct arena *a, Str timestamp_header)
{
    if (!str_ends(str_lower(a, timestamp_header), S("-timestamp")))
        return S("webhook-id");
    return str_fmt(a, "%.*s-id", P(str_head(timestamp_header, timestamp_header.n - 10)));
}

/* What can be said before the body is there: whether it is signed at all, and for now. */
static bool may_be_signed(struct arena *a, const struct wf_webhook_cfg *cfg,
                          const struct wf_hook_request *in)
{
    int64_t seconds;

    if (str_is_empty(http_header_get(in->headers, cfg->signature_header)))
        return false;
    if (str_is_empty(cfg->timestamp_header))
        return true;
    if (str_is_empty(http_header_get(in->headers, id_header(a, cfg->timestamp_header))) ||
        str_to_i64(http_header_get(in->headers, cfg->timestamp_header), &seconds) != OK)
        return false;
    Usec at = seconds < 0 || seconds > INT64_MAX / USEC_S ? 0 : seconds * USEC_S;
    Usec apart = at > in->now ? at - in->now : in->now - at;
    return apart <= cfg->tolerance;
}

static bool hmac_matches(struct arena *a, const struct wf_webhook_cfg *cfg,
                         const struct wf_hook_request *in)
{
    Str given = http_header_get(in->headers, cfg->signature_header), key;

    if (!may_be_signed(a, cfg, in))
        return false;
    if (str_is_empty(cfg->timestamp_header))
        return body_hmac_matches(a, cfg, given, in->body);
    Str timestamp = http_header_get(in->headers, cfg->timestamp_header);
    Str id = http_header_get(in->headers, id_header(a, cfg->timestamp_header));
    return signature_key(a, cfg->secret, &key) == OK &&
           signature_matches(a, key, id, timestamp, in->body, given);
}

static bool may_call(struct arena *a, const struct wf_webhook_cfg *cfg,
                     const struct wf_hook_request *in)
{
    if (str_eq(cfg->auth, S("none")))
        return true;
    if (str_eq(cfg->auth, S("header")))
        return str_eq_secret(http_header_get(in->headers, cfg->header), cfg->secret);
    if (str_eq(cfg->auth, S("bearer")))
        return wf_hook_bearer_matches(in->headers, cfg->secret);
    if (str_eq(cfg->auth, S("basic")))
        return wf_hook_basic_matches(a, in->headers, cfg->user, cfg->secret);
    return hmac_matches(a, cfg, in);
}

Str wf_hook_delivery(struct arena *a, const struct wf_def *def, const HttpHeaders *headers)
{
    const struct wf_webhook_cfg *cfg = &wf_trigger_cfg(def)->webhook;
    Str id;

    /* An id that is not signed could be another one each time that a delivery is replayed. */
    if (str_eq(cfg->auth, S("hmac")) && cfg->timestamp_header.n)
        return http_header_get(headers, id_header(a, cfg->timestamp_header));
    id = http_header_get(headers, S("webhook-id"));
    return id.p ? id : http_header_get(headers, S("idempotency-key"));
}

/* ---- what ---- */

/* A name that comes again gives an array. */
static void add_pair(struct arena *a, struct json *obj, Str name, struct json *value)
{
    struct json *there = json_get(obj, name);

    if (!there) {
        json_set(a, obj, name, value);
        return;
    }
    if (!json_is(there, JSON_ARR)) {
        struct json *first = json_arr(a);
        json_push(a, first, there);
        *there = *first;
    }
    json_push(a, there, value);
}

static Err form_json(struct arena *a, Str text, const char *what, struct json **ret_json)
{
    HttpHeaders pairs = {0};
    Err e = url_query_all(a, text, FIELDS_MAX, &pairs);

    if (e == E_TOO_LARGE)
        return err_detail(e, "The %s may have %d fields.", what, FIELDS_MAX);
    if (e != OK)
        return err_detail(
            e,
            "The %s is not encoded as it must be: a %% is followed by two hex digits, "
            "and what they stand for is UTF-8.",
            what);
    *ret_json = json_obj(a, NULL);
    vec_each(&pairs, pair)
        add_pair(a, *ret_json, pair->name, json_str(a, pair->value));
    return OK;
}

/* Fields as a form has them; a file as a page of a form gives it (form.h). What stands in memory
 * goes by the body's length, which the route bounds. */
static Err multipart_json(struct arena *a, Str type, Str body, struct json **ret_json)
{
    struct json *obj = json_obj(a, NULL);
    MultipartParts parts;
    Str boundary;
    int files = 0;

    TRY(multipart_boundary(a, type, &boundary));
    TRY(multipart_parse(a, body, boundary, PARTS_MAX, &parts));
    vec_each(&parts, p) {
        struct form_value v = {p->name, p->data, p->file, p->file_name, p->media_type};
        if (p->file && !p->file_name.n && !p->data.n)
            continue; /* a browser says so that none was chosen */
        if (p->file && ++files > FILES_MAX)
            return err_detail(E_TOO_LARGE, "The body may have %d files.", FILES_MAX);
        if (!p->file && !utf8_valid(p->data))
            return err_detail(
                E_BAD_INPUT, "The field \"%.*s\" is not UTF-8: what is not text is sent as a file.",
                P(str_head(p->name, 64)));
        add_pair(a, obj, p->name, p->file ? wf_form_file(a, &v) : json_str(a, p->data));
    }
    *ret_json = obj;
    return OK;
}

/* The charset parameter of a media type; "utf-8" if there is none. */
static Str charset_of(Str type)
{
    Str rest = type, part;

    while (rest.p) {
        rest = str_cut(rest, ';', &part);
        part = str_trim(part);
        if (!str_starts_nocase(part, S("charset=")))
            continue;
        part = str_skip(part, 8);
        if (part.n >= 2 && part.p[0] == '"')
            part = (Str){part.p + 1, part.n - 2};
        return part;
    }
    return S("utf-8");
}

static Err text_json(struct arena *a, Str body, struct json **ret_json)
{
    if (!utf8_valid(body))
        return err_detail(E_BAD_INPUT, "The body is not UTF-8.");
    *ret_json = json_str(a, body);
    return OK;
}

static Err json_body(struct arena *a, Str body, struct json **ret_json)
{
    const struct json_limits limits = {.depth = DEPTH_MAX};

    return json_parse_limits(a, body, &limits, ret_json);
}

static Err parse_body(struct arena *a, Str type, Str body, struct json **ret_json)
{
    Str bare = type, charset = charset_of(type);

    (void)str_cut(type, ';', &bare); /* parameters have been read */
    bare = str_lower(a, str_trim(bare));
    if (str_is_empty(bare))
        return json_body(a, body, ret_json) == OK ? OK : text_json(a, body, ret_json);
    if (!str_eq_nocase(charset, S("utf-8")) && !str_eq_nocase(charset, S("utf8")) &&
        !str_eq_nocase(charset, S("us-ascii")))
        return err_detail(E_MEDIA_TYPE, "The body must be UTF-8.");
    if (str_eq(bare, S("application/json")) || str_ends(bare, S("+json")) ||
        str_eq(bare, S("text/json")))
        return json_body(a, body, ret_json);
    if (str_eq(bare, S("application/x-www-form-urlencoded")))
        return form_json(a, body, "form", ret_json);
    if (str_starts(bare, S("text/")) || str_eq(bare, S("application/xml")) ||
        str_ends(bare, S("+xml")))
        return text_json(a, body, ret_json);
    if (str_starts(bare, S("multipart/")))
        return multipart_json(a, type, body, ret_json);
    return err_detail(E_MEDIA_TYPE,
                      "This content type is not taken here: send application/json, "
                      "application/x-www-form-urlencoded, multipart/form-data or text/plain.");
}

/* ---- what templates see of the request ---- */

static bool is_credential(const void *settings, Str name)
{
    const struct wf_webhook_cfg *cfg = settings;
    static const Str parts[] = {S_INIT("authorization"), S_INIT("cookie"),   S_INIT("token"),
                                S_INIT("secret"),        S_INIT("password"), S_INIT("signature"),
                                S_INIT("api-key"),       S_INIT("apikey"),   S_INIT("api_key"),
                                S_INIT("credential"),    S_INIT("auth-key")};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_find(name, parts[i]) != SIZE_MAX)
            return true;
    return str_eq_nocase(name, cfg->header) || str_eq_nocase(name, cfg->signature_header);
}

static struct json *request_json(struct arena *a, const struct wf_webhook_cfg *cfg,
                                 const struct wf_hook_request *in, struct json *query)
{
    return json_obj(a, "method", json_str(a, in->method), "headers",
                    wf_headers_json(a, in->headers, is_credential, cfg), "query", query, NULL);
}

static Err admit(const struct wf_webhook_cfg *cfg, const struct wf_hook_request *in, bool may)
{
    if (!str_eq(cfg->method, S("ANY")) && !str_eq(cfg->method, in->method))
        return err_detail(E_METHOD, "This webhook is called by %.*s.", P(cfg->method));
    if (!may)
        return err_detail(E_UNAUTHORIZED,
                          "This webhook is not called like that: its credentials or its signature "
                          "(%.*s) are missing, wrong or too old.",
                          P(cfg->auth));
    return OK;
}

Err wf_hook_admit_head(struct arena *a, const struct wf_def *def, const struct wf_hook_request *in)
{
    const struct wf_webhook_cfg *cfg = &wf_trigger_cfg(def)->webhook;
    bool may = str_eq(cfg->auth, S("hmac")) ? may_be_signed(a, cfg, in) : may_call(a, cfg, in);
    return admit(cfg, in, may);
}

Err wf_hook_read(struct arena *a, const struct wf_def *def, const struct wf_hook_request *in,
                 struct json **ret_input, struct json **ret_request)
{
    const struct wf_webhook_cfg *cfg = &wf_trigger_cfg(def)->webhook;
    struct json *input, *query;

    TRY(admit(cfg, in, may_call(a, cfg, in)));
    TRY(form_json(a, in->query, "query", &query));
    if (in->body.n)
        TRY(parse_body(a, http_header_get(in->headers, S("content-type")), in->body, &input));
    else
        input = query;
    *ret_input = input;
    *ret_request = request_json(a, cfg, in, query);
    return OK;
}

struct json *wf_hook_request_json(struct arena *a, const struct wf_def *def,
                                  const struct wf_hook_request *in)
{
    struct json *query;

    if (form_json(a, in->query, "query", &query) != OK)
        query = json_null(a);
    return request_json(a, &wf_trigger_cfg(def)->webhook, in, query);
}
