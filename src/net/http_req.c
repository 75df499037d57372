/* src/net/http_req.c - what a handler reads of its request: fields, parameters, the body. */
#include "base/utf8.h"
#include "net/http_private.h"

enum { SCHEMA_ERRORS = 20 };

Str req_header(const struct req *req, Str name)
{
    return http_header_get(&req->headers, name);
}

Str req_param(const struct req *req, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(req->params) && req->param_names[i]; i++)
        if (strcmp(req->param_names[i], name) == 0)
            return req->params[i];
    DIE("route %s has no parameter %s", req->route->path, name);
}

Err req_id(const struct req *req, const char *name, Id *ret_id)
{
    Str text = req_param(req, name);
    if (id_parse(text, ret_id) != OK)
        return err_set(E_NOT_FOUND, "%s is no id", name);
    return OK;
}

Err req_query(const struct req *req, Str name, Str *ret_value)
{
    Str value = {0};
    Err e = url_query_get(req->a, req->query, name, &value);

    if (e == E_NOT_FOUND) {
        *ret_value = (Str){0};
        return OK;
    }
    if (e != OK || !utf8_valid(value))
        return err_detail(E_BAD_INPUT, "The query parameter \"%.*s\" is badly encoded.", P(name));
    *ret_value = value;
    return OK;
}

Err req_query_int(const struct req *req, Str name, int64_t min, int64_t max, int64_t otherwise,
                  int64_t *ret_value)
{
    Str text;
    int64_t v;

    TRY(req_query(req, name, &text));
    if (!text.p) {
        *ret_value = otherwise;
        return OK;
    }
    if (str_to_i64(text, &v) != OK || v < min || v > max)
        return err_detail(E_BAD_INPUT,
                          "The query parameter \"%.*s\" must be a number from %lld to %lld.",
                          P(name), (long long)min, (long long)max);
    *ret_value = v;
    return OK;
}

Str req_cookie(const struct req *req, Str name)
{
    vec_each(&req->headers, h) {
        Str rest = h->value, pair, key;
        if (h->name.n != 6 || !str_eq_nocase(h->name, S("cookie")))
            continue;
        while (rest.p) {
            rest = str_cut(rest, ';', &pair);
            Str value = str_cut(str_trim(pair), '=', &key);
            if (!value.p || !str_eq(key, name))
                continue;
            if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
                value = str_from(value.p + 1, value.n - 2);
            return value;
        }
    }
    return (Str){0};
}

/* ---- the body ---- */

/* Ask a client that waits for it to send the body. */
static Err ask_for_body(struct exch *x)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t b = {.base = (char *)(uintptr_t)line, .len = sizeof line - 1};

    if (!x->expect)
        return OK;
    x->expect = false;
    if (x->received || x->body_done)
        return OK;
    return http_conn_write(x->conn, &b, 1);
}

static Err body_error(const struct exch *x)
{
    switch (x->body_error) {
    case E_TOO_LARGE:
        return err_detail(E_TOO_LARGE, "The body may have %zu bytes here.", x->max_body);
    case E_TIMEOUT:
        return err_detail(E_TIMEOUT, "The body did not come in time.");
    case E_OVERLOADED:
        return err_detail(E_OVERLOADED, "The server has too many large bodies in hand; try again "
                                        "later.");
    case E_BAD_INPUT:
        return err_detail(E_BAD_INPUT, "%s", http1_why(&x->conn->parser));
    default:
        return err_set(x->body_error, "the client left before its body was complete");
    }
}

/* Wait until something came, at least. */
static Err wait_body(struct exch *x)
{
    struct wait w;

    wait_init(&w);
    x->body_wait = &w;
    Err e = wait_for(&w, USEC_NEVER);
    x->body_wait = NULL;
    return e;
}

Err req_body_limit(struct req *req, size_t max)
{
    struct exch *x = exch_of(req);

    if (max < x->max_body)
        x->max_body = max;
    bool late = x->content_length > 0 && (uint64_t)x->content_length > x->max_body;
    if (late || x->received > x->max_body)
        return err_detail(E_TOO_LARGE, "The body may have %zu bytes here.", x->max_body);
    return OK;
}

Err req_body(struct req *req, Str *ret_body)
{
    struct exch *x = exch_of(req);

    if (x->mode == BODY_STREAM)
        return err_set(E_INTERNAL, "req_body() after req_body_read()");
    x->mode = BODY_WHOLE;
    TRY(ask_for_body(x));
    http_conn_update_reading(x->conn);
    while (!x->body_done && x->body_error == OK)
        TRY(wait_body(x));
    if (x->body_error != OK)
        return body_error(x);
    *ret_body = x->in.n ? buf_str(&x->in) : S("");
    return OK;
}

Err req_body_read(struct req *req, Str *ret_piece)
{
    struct exch *x = exch_of(req);

    if (x->mode == BODY_WHOLE)
        return err_set(E_INTERNAL, "req_body_read() after req_body()");
    x->mode = BODY_STREAM;
    TRY(ask_for_body(x));
    http_conn_update_reading(x->conn);
    while (x->in.n == 0 && !x->body_done && x->body_error == OK)
        TRY(wait_body(x));
    if (x->body_error != OK)
        return body_error(x);
    if (x->in.n == 0)
        return E_EOF;
    struct buf piece = x->in;
    x->in = x->out;
    x->in.max = piece.max;
    buf_reset(&x->in);
    x->out = piece;
    http_conn_update_reading(x->conn);
    *ret_piece = buf_str(&x->out);
    return OK;
}

/* ---- JSON ---- */

static bool is_json_type(Str value)
{
    Str type;
    (void)str_cut(value, ';', &type);
    type = str_trim(type);
    return str_eq_nocase(type, S("application/json")) ||
           (type.n > 5 && str_eq_nocase(str_skip(type, type.n - 5), S("+json")));
}

/* The located errors of a body, for the problem's "errors" member. */
static Err invalid_body(struct exch *x, const JsonSchemaErrors *errors)
{
    struct arena *a = x->req.a;
    struct json *list = json_arr(a);

    vec_each(errors, e) {
        json_push(a, list,
                  json_obj(a, "path", json_str(a, e->path), "code", json_str(a, e->keyword),
                           "message", json_str(a, e->message), NULL));
    }
    x->errors = list;
    if (errors->n == 0)
        return err_set(E_INVALID, "a body that does not fit its schema");
    const struct json_schema_error *first = &errors->at[0];
    return err_detail(E_INVALID, "%.*s: %.*s", P(first->path.n ? first->path : S("the body")),
                      P(first->message));
}

static Err check_schema(struct exch *x, const struct json *value)
{
    const struct http_server_options *o = &x->conn->shard->server->o;
    const char *name = x->req.route ? x->req.route->in_schema : NULL;
    JsonSchemaErrors errors = {0};

    if (!name || !o->schema)
        return OK;
    const struct json_schema *schema = o->schema(x->req.app, name);
    if (!schema)
        return err_set(E_INTERNAL, "there is no schema %s", name);
    Err e = json_schema_validate(schema, x->req.a, value, SCHEMA_ERRORS, &errors);
    return e == E_INVALID ? invalid_body(x, &errors) : e;
}

Err req_json_text(struct req *req, Str *ret_text)
{
    Str type = req_header(req, S("content-type")), text;

    if (exch_of(req)->content_length != 0 && type.p && !is_json_type(type))
        return err_detail(E_MEDIA_TYPE, "The body must be JSON, of type application/json.");
    TRY(req_body(req, &text));
    if (text.n && !type.p)
        return err_detail(E_MEDIA_TYPE, "The body has no content type; send application/json.");
    *ret_text = text;
    return OK;
}

Err req_json(struct req *req, struct json **ret_value)
{
    struct json *value;
    Str text;

    TRY(req_json_text(req, &text));
    if (text.n)
        TRY(json_parse(req->a, text, &value));
    else
        value = json_obj(req->a, NULL);
    TRY(check_schema(exch_of(req), value));
    *ret_value = value;
    return OK;
}
