/* src/api/openapi.c - the OpenAPI 3.1 document, printed from the route tables and the schemas. */
#include "api/api.h"

#include "llm/door.h"

static struct json *ref(struct arena *a, const char *schema)
{
    return json_obj(a, "$ref", json_str(a, str_fmt(a, "#/components/schemas/%s", schema)), NULL);
}

static void add_content(struct arena *a, struct json *types, const char *type, struct json *schema)
{
    json_set(a, types, str_c(type), json_obj(a, "schema", schema, NULL));
}

static struct json *content(struct arena *a, const char *type, struct json *schema)
{
    struct json *o = json_obj(a, NULL);
    add_content(a, o, type, schema);
    return o;
}

static struct json *text_schema(struct arena *a)
{
    return json_obj(a, "type", json_str(a, S("string")), NULL);
}

/* "/api/runs/:id" as "/api/runs/{id}", and its parameters. */
static Str template_path(struct arena *a, const struct route *r, struct json *parameters)
{
    AUTO_BUF(b, KIB(4));
    Str rest = str_skip(str_c(r->path), 1), part;

    while (rest.p) {
        rest = str_cut(rest, '/', &part);
        buf_add_char(&b, '/');
        if (part.n && (part.p[0] == ':' || part.p[0] == '*')) {
            Str name = str_skip(part, 1);
            buf_add_fmt(&b, "{%.*s}", P(name));
            json_push(a, parameters,
                      json_obj(a, "name", json_str(a, name), "in", json_str(a, S("path")),
                               "required", json_bool(a, true), "schema",
                               json_obj(a, "type", json_str(a, S("string")), NULL), NULL));
        } else {
            buf_add(&b, part);
        }
    }
    return str_dup(a, buf_str(&b));
}

static void add_query(struct arena *a, const char *query, struct json *parameters)
{
    Str rest = str_c(query), word;

    while (query && rest.p) {
        Str name, type;
        rest = str_cut(rest, ' ', &word);
        type = str_cut(word, ':', &name);
        json_push(a, parameters,
                  json_obj(a, "name", json_str(a, name), "in", json_str(a, S("query")), "required",
                           json_bool(a, false), "schema",
                           json_obj(a, "type", json_str(a, type), NULL), NULL));
    }
}

static const struct {
    const char *name, *description;
} known_headers[] = {
    {"Idempotency-Key", "Of several requests with the same key only the first one starts a run; "
                        "the others get that run. 255 bytes at most."},
    {"If-Match", "The ETag of the draft this change was made to; 412 when it has changed since."},
    {"Last-Event-ID", "The id of the last event that was seen: the stream goes on behind it."},
};

static void add_header(struct arena *a, Str name, struct json *parameters)
{
    for (size_t i = 0; i < ARRAY_LEN(known_headers); i++) {
        if (!str_eq(name, str_c(known_headers[i].name)))
            continue;
        json_push(a, parameters,
                  json_obj(a, "name", json_str(a, name), "in", json_str(a, S("header")), "required",
                           json_bool(a, false), "description",
                           json_str_c(a, known_headers[i].description), "schema",
                           json_obj(a, "type", json_str(a, S("string")), NULL), NULL));
        return;
    }
    DIE("the header %.*s is not described", P(name));
}

static void add_headers(struct arena *a, const struct route *r, struct json *parameters)
{
    Str rest = str_c(r->headers), name;

    while (r->headers && rest.p) {
        rest = str_cut(rest, ' ', &name);
        add_header(a, name, parameters);
    }
    if (r->kind == ROUTE_SSE)
        add_header(a, S("Last-Event-ID"), parameters);
}

/* The first word of the path that says what it is about. */
static Str tag_of(const struct route *r)
{
    Str rest = str_c(r->path), part = S("");
    while (rest.p && (part.n == 0 || str_eq(part, S("api"))))
        rest = str_cut(rest, '/', &part);
    if (str_eq(part, S("workflows")) || str_eq(part, S("runs")) || str_eq(part, S("keys")) ||
        str_eq(part, S("hooks")))
        return part;
    if (str_eq(part, S("node-types")))
        return S("workflows");
    if (str_eq(part, S("providers")) || str_eq(part, S("provider-kinds")) ||
        str_eq(part, S("routes")) || str_eq(part, S("prices")) || str_eq(part, S("limits")) ||
        str_eq(part, S("cache")) || str_eq(part, S("calls")) || str_eq(part, S("prompts")) ||
        str_eq(part, S("usage")) || str_eq(part, S("v1")))
        return S("models");
    return S("system");
}

/* Routes that tell failures by themselves serve clients of OpenAI or Anthropic. */
static struct json *failure_content(struct arena *a, const struct route *r)
{
    if (!r->fail)
        return content(a, "application/problem+json", ref(a, "Problem"));
    return content(a, "application/json",
                   ref(a, r->fail == llm_door_fail_messages ? "MessagesError" : "ModelError"));
}

static struct json *responses(struct arena *a, const struct route *r)
{
    struct json *all = json_obj(a, NULL);
    struct json *ok = json_obj(a, "description", json_str(a, S("The answer.")), NULL);

    struct json *types = json_obj(a, NULL);

    if (r->out_schema)
        add_content(a, types, "application/json", ref(a, r->out_schema));
    if (r->kind == ROUTE_SSE || (r->kind == ROUTE_STREAM && r->out_schema))
        add_content(a, types, "text/event-stream", text_schema(a));
    if (r->out_type)
        add_content(a, types, r->out_type, text_schema(a));
    if (json_len(types))
        json_set(a, ok, S("content"), types);
    json_set(a, all, S("2XX"), ok);
    json_set(a, all, S("4XX"),
             json_obj(a, "description", json_str(a, S("What is wrong with the request.")),
                      "content", failure_content(a, r), NULL));
    json_set(a, all, S("5XX"),
             json_obj(a, "description",
                      json_str(a, S("The server cannot do it now: it stops, is overloaded, or has "
                                    "lost its database or disk. Retry-After says when to try "
                                    "again, where that is known.")),
                      "content", failure_content(a, r), NULL));
    return all;
}

/* "get_api_runs_id" */
static Str operation_id(struct arena *a, const struct route *r, Str method)
{
    AUTO_BUF(b, KIB(4));
    buf_add(&b, method);
    for (const char *p = r->path; *p; p++)
        if (*p != ':' && *p != '*')
            buf_add_char(&b, *p == '/' || *p == '-' || *p == '.' ? '_' : *p);
    return str_dup(a, buf_str(&b));
}

static struct json *operation(struct arena *a, const struct route *r, Str method,
                              struct json *parameters)
{
    struct json *tags = json_arr(a);
    json_push(a, tags, json_str(a, tag_of(r)));
    struct json *op =
        json_obj(a, "operationId", json_str(a, operation_id(a, r, method)), "summary",
                 json_str_c(a, r->summary), "description",
                 json_str(a, r->capability && r->capability[0]
                                 ? str_fmt(a, "Needs the capability `%s`.", r->capability)
                             : r->capability ? S("Needs a key or a session.")
                                             : S("Open to anyone.")),
                 "tags", tags, "responses", responses(a, r), NULL);
    if (json_len(parameters))
        json_set(a, op, S("parameters"), parameters);
    if (r->in_schema)
        json_set(
            a, op, S("requestBody"),
            json_obj(a, "required", json_bool(a, true), "content",
                     content(a, r->in_type ? r->in_type : "application/json", ref(a, r->in_schema)),
                     NULL));
    if (!r->capability)
        json_set(a, op, S("security"), json_arr(a));
    return op;
}

static void add_route(struct arena *a, const struct route *r, struct json *paths)
{
    for (unsigned bit = HTTP_GET; bit <= HTTP_DELETE; bit <<= 1) {
        if (!(r->method & bit) || !r->summary)
            continue;
        struct json *parameters = json_arr(a);
        Str path = template_path(a, r, parameters);
        Str method = str_lower(a, str_c(http_method_name((enum http_method)bit)));
        struct json *item = json_get(paths, path);
        add_query(a, r->query, parameters);
        add_headers(a, r, parameters);
        if (!item) {
            json_set(a, paths, path, json_obj(a, NULL));
            item = json_get(paths, path);
        }
        json_set(a, item, method, operation(a, r, method, parameters));
    }
}

static void add_schemas(struct arena *a, const struct api_schema *list, struct json *schemas)
{
    for (; list->name; list++) {
        struct json *schema;
        if (json_parse(a, str_c(list->text), &schema) != OK)
            DIE("schema %s is no JSON", list->name);
        json_set(a, schemas, str_c(list->name), schema);
    }
}

static struct json *tag_list(struct arena *a)
{
    static const char *const tags[][2] = {{"workflows", "Workflows, their drafts and versions."},
                                          {"runs", "Runs, their steps and events."},
                                          {"hooks", "Webhook triggers."},
                                          {"keys", "API keys."},
                                          {"models", "Models, and the providers behind them."},
                                          {"system", "The server itself."}};
    struct json *list = json_arr(a);
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        json_push(a, list,
                  json_obj(a, "name", json_str_c(a, tags[i][0]), "description",
                           json_str_c(a, tags[i][1]), NULL));
    return list;
}

struct json *api_openapi(struct arena *a, const struct router *router)
{
    struct json *paths = json_obj(a, NULL), *schemas = json_obj(a, NULL);
    struct json *security = json_arr(a), *servers = json_arr(a);
    const struct route *r;
    size_t at = 0;

    while (router_next(router, &at, &r))
        add_route(a, r, paths);
    add_schemas(a, api_schemas, schemas);
    add_schemas(a, api_shapes, schemas);
    json_push(a, security, json_obj(a, "key", json_arr(a), NULL));
    json_push(a, servers, json_obj(a, "url", json_str(a, S("/")), NULL));
    return json_obj(
        a, "openapi", json_str(a, S("3.1.0")), "info",
        json_obj(
            a, "title", json_str(a, S("Heddle")), "version", json_str(a, S(HEDDLE_VERSION)),
            "description",
            json_str(a, S("Workflows and their durable runs. Errors are problem+json, lists are "
                          "paged by cursor, every answer carries X-Request-Id.")),
            "license",
            json_obj(a, "name", json_str(a, S("Apache-2.0")), "identifier",
                     json_str(a, S("Apache-2.0")), NULL),
            "contact", json_obj(a, "name", json_str(a, S("Heddle")), NULL), NULL),
        "servers", servers, "security", security, "tags", tag_list(a), "paths", paths, "components",
        json_obj(a, "securitySchemes",
                 json_obj(a, "key",
                          json_obj(a, "type", json_str(a, S("http")), "scheme",
                                   json_str(a, S("bearer")), NULL),
                          NULL),
                 "schemas", schemas, NULL),
        NULL);
}
