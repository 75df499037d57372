/* src/api/api_common.c - what handlers share: lists, problems, the choice of a version, schemas. */
#include "api/api.h"

#include "net/static.h"
#include "store/store_workflow.h"

#include <stdlib.h>

Err api_page_of(struct req *req, struct api_page *ret_page)
{
    int64_t limit;
    Str cursor;
    struct api_page page = {.before = ID_NONE};

    TRY(req_query_int(req, S("limit"), 1, 200, 50, &limit));
    TRY(req_query(req, S("cursor"), &cursor));
    if (cursor.n && id_parse(cursor, &page.before) != OK)
        return err_detail(E_BAD_INPUT, "cursor is not one that a list has given.");
    page.limit = (int)limit;
    *ret_page = page;
    return OK;
}

Err api_time_of(const struct req *req, Str name, Usec otherwise, Usec *ret_time)
{
    Str text;

    TRY(req_query(req, name, &text));
    *ret_time = otherwise;
    if (text.n && (time_parse_rfc3339(text, ret_time) != OK || *ret_time < 0))
        return err_detail(E_BAD_INPUT, "%.*s must be a time such as 2027-01-31T00:00:00Z.",
                          P(name));
    return OK;
}

struct json *api_list(struct arena *a, struct json *items, size_t n, int limit, Id last)
{
    return json_obj(a, "items", items, "next_cursor",
                    n < (size_t)limit ? json_null(a) : json_id(a, last), NULL);
}

const struct json *api_definition(const struct req *req, const struct json *definition)
{
    return who_may(&req->who, "workflow.write") ? definition
                                                : wf_def_hide_secrets(req->a, definition);
}

Err api_problems(struct req *req, struct res *res, const WfProblems *problems)
{
    struct json *errors = wf_problems_json(req->a, problems);
    size_t n = 0;
    const char *first = NULL;

    vec_each(problems, p) {
        if (p->warning)
            continue;
        if (n++ == 0)
            first = str_dup_c(req->a, p->message);
    }
    Err e = n > 1 ? err_detail(E_INVALID, "The workflow has %zu errors; the first: %s", n, first)
                  : err_detail(E_INVALID, "%s", first ? first : "The workflow is not valid.");
    return res_problem(res, e, json_obj(req->a, "errors", errors, NULL));
}

struct json *api_schema_errors(struct arena *a, const JsonSchemaErrors *errors, Str prefix)
{
    struct json *list = json_arr(a);
    vec_each(errors, e)
        json_push(a, list,
                  json_obj(a, "path", json_str(a, str_fmt(a, "%.*s%.*s", P(prefix), P(e->path))),
                           "code", json_str(a, e->keyword), "message", json_str(a, e->message),
                           NULL));
    return list;
}

Err api_target_of(struct req *req, struct workflow_row *row, Str version, struct wf_def **ret_def,
                  int *ret_version)
{
    struct wf_engine *engine = api_of(req)->engine;
    struct version_row v = {0};
    int64_t number = 0;

    if (str_eq(version, S("draft")) || (!version.n && row->published_version == 0)) {
        *ret_version = 0;
        return wf_engine_def(engine, row->draft, ret_def);
    }
    if (!version.n || str_eq(version, S("published"))) {
        if (row->published_version == 0)
            return err_detail(E_NOT_FOUND, "The workflow has no published version yet.");
        *ret_version = row->published_version;
        return wf_engine_def(engine, row->published, ret_def);
    }
    if (str_to_i64(version, &number) != OK || number < 1 || number > INT32_MAX)
        return err_detail(E_BAD_INPUT, "version must be \"draft\", \"published\" or a number.");
    TRY(store_version_get(api_of(req)->db, req->a, row->id, (int)number, &v));
    TRY(wf_engine_def(engine, v.hash, ret_def));
    *ret_version = v.version;
    return OK;
}

/* ---- the server's hooks ---- */

Err api_authenticate(struct req *req)
{
    return auth_check(api_of(req)->auth, req);
}

const struct json_schema *api_schema_of(void *app, const char *name)
{
    const struct api *api = app;
    for (size_t i = 0; api_schemas[i].name; i++)
        if (strcmp(api_schemas[i].name, name) == 0)
            return api->schemas[i];
    return NULL;
}

Err api_console(struct req *req, struct res *res)
{
    if (str_starts(req->path, S("/api/")) || str_starts(req->path, S("/v1/")))
        return err_detail(E_NOT_FOUND,
                          "There is no %.*s here; /api/openapi.json lists what there is.",
                          P(req->path));
    return static_serve(console_files, "/index.html", req, res);
}

Err api_init(struct arena *a, struct api *api)
{
    size_t n = 0;
    while (api_schemas[n].name)
        n++;
    struct json_schema **schemas = arena_array(a, struct json_schema *, n + 1);
    struct json **docs = arena_array(a, struct json *, n + 1);

    for (size_t i = 0; i < n; i++) {
        Err e = json_parse(a, str_c(api_schemas[i].text), &docs[i]);
        if (e == OK)
            e = json_schema_compile(docs[i], NULL, 0, 0, &schemas[i]);
        if (e != OK)
            return err_add(e, "schema %s", api_schemas[i].name);
    }
    api->schemas = schemas;
    api->schema_docs = docs;
    return OK;
}

void api_done(struct api *api)
{
    for (size_t i = 0; api->schemas && api->schemas[i]; i++)
        json_schema_free(api->schemas[i]);
}
