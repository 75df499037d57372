/* src/api/api_prompts.c - prompts: messages with variables under a name, in versions. */
#include "api/api.h"

#include "base/json_diff.h"
#include "llm/prompt.h"

enum { DIFF_MAX = 1000 };

static Err find(const struct req *req, struct prompt_row *ret_row)
{
    Id id;

    TRY(req_id(req, "id", &id));
    return store_prompt_get(api_of(req)->db, req->a, req->who.tenant, id, S(""), ret_row);
}

static Err prompt_json(const struct req *req, const struct prompt_row *row, struct json **ret_json)
{
    struct arena *a = req->a;
    struct json *labels;

    TRY(json_parse(a, row->labels, &labels));
    *ret_json =
        json_obj(a, "id", json_id(a, row->id), "name", json_str(a, row->name), "description",
                 json_str(a, row->description), "labels", labels, "latest",
                 json_int(a, row->latest), "revision", json_int(a, row->revision), "created_at",
                 json_time(a, row->created_at), "updated_at", json_time(a, row->updated_at), NULL);
    return OK;
}

static Err answer(struct req *req, struct res *res, int status, Id id)
{
    struct prompt_row row;
    struct json *v;

    TRY(store_prompt_get(api_of(req)->db, req->a, req->who.tenant, id, S(""), &row));
    TRY(prompt_json(req, &row, &v));
    return res_json(res, status, v);
}

static Err list_prompts(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a), *v;
    int64_t limit;
    PromptRows rows;
    Str after;

    TRY(req_query_int(req, S("limit"), 1, 200, 50, &limit));
    TRY(req_query(req, S("cursor"), &after));
    TRY(store_prompt_list(api_of(req)->db, req->a, req->who.tenant, after, (int)limit, &rows));
    vec_each(&rows, r) {
        TRY(prompt_json(req, r, &v));
        json_push(req->a, items, v);
    }
    bool full = rows.n == (size_t)limit;
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor",
                             full ? json_str(req->a, rows.at[rows.n - 1].name) : json_null(req->a),
                             NULL));
}

static Err get_prompt(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    return answer(req, res, 200, id);
}

/* What a body says of a version. */
static struct prompt_version_row read_version(const struct req *req, const struct json *body)
{
    return (struct prompt_version_row){
        .body = json_text(req->a, json_at(body, "prompt")),
        .note = json_str_of(json_at(body, "note"), S("")),
        .created_by = req->who.actor_name,
    };
}

static Err post_prompt(struct req *req, struct res *res)
{
    struct json *body;

    TRY(req_json(req, &body));
    struct prompt_row row = {.tenant = req->who.tenant,
                             .name = json_str_of(json_at(body, "name"), S("")),
                             .description = json_str_of(json_at(body, "description"), S(""))};
    struct prompt_version_row version = read_version(req, body);
    TRY(llm_prompt_create(api_of(req)->llm, req->a, &row, &version));
    return answer(req, res, 201, row.id);
}

static Err delete_prompt(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_prompt_delete(api_of(req)->db, req->a, req->who.tenant, id));
    return res_empty(res, 204);
}

/* ---- versions ---- */

static Err version_json(const struct req *req, const struct prompt_version_row *v, bool whole,
                        struct json **ret_json)
{
    struct arena *a = req->a;
    struct json *names = json_arr(a), *needed = json_arr(a), *body;
    LlmNames all = {0}, without = {0};

    TRY(json_parse(a, v->body, &body));
    TRY(llm_prompt_variables(api_of(req)->llm, a, body, &all, &without));
    vec_each(&all, n)
        json_push(a, names, json_str(a, *n));
    vec_each(&without, n)
        json_push(a, needed, json_str(a, *n));
    *ret_json =
        json_obj(a, "version", json_int(a, v->number), "note", json_str(a, v->note), "created_by",
                 json_str(a, v->created_by), "created_at", json_time(a, v->created_at), "variables",
                 names, "required", needed, "prompt", whole ? body : NULL, NULL);
    return OK;
}

static Err list_versions(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a), *v;
    int64_t limit, before;
    struct prompt_row row;
    PromptVersionRows rows;

    TRY(req_query_int(req, S("limit"), 1, 200, 50, &limit));
    TRY(req_query_int(req, S("cursor"), 1, INT32_MAX, INT32_MAX, &before));
    TRY(find(req, &row));
    TRY(store_prompt_versions(api_of(req)->db, req->a, row.id, before, (int)limit, &rows));
    vec_each(&rows, r) {
        TRY(version_json(req, r, false, &v));
        json_push(req->a, items, v);
    }
    bool full = rows.n == (size_t)limit;
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor",
                             full ? json_str(req->a, str_fmt(req->a, "%lld",
                                                             (long long)rows.at[rows.n - 1].number))
                                  : json_null(req->a),
                             NULL));
}

static Err find_version(const struct req *req, const struct prompt_row *row, Str which,
                        struct prompt_version_row *ret_version)
{
    int64_t number;

    TRY(llm_prompt_number(req->a, row, which, &number));
    return store_prompt_version(api_of(req)->db, req->a, row->id, number, ret_version);
}

static Err get_version(struct req *req, struct res *res)
{
    struct prompt_version_row version;
    struct prompt_row row;
    struct json *v;

    TRY(find(req, &row));
    TRY(find_version(req, &row, req_param(req, "version"), &version));
    TRY(version_json(req, &version, true, &v));
    return res_json(res, 200, v);
}

static Err post_version(struct req *req, struct res *res)
{
    struct prompt_row row;
    struct json *body, *v;

    TRY(find(req, &row));
    TRY(req_json(req, &body));
    struct prompt_version_row version = read_version(req, body);
    row.revision = json_int_of(json_at(body, "revision"), row.revision);
    bool publish = json_bool_of(json_at(body, "publish"), false);
    TRY(llm_prompt_add(api_of(req)->llm, req->a, &row, &version, publish));
    TRY(version_json(req, &version, true, &v));
    return res_json(res, 201, v);
}

/* ---- labels ---- */

static Err put_label(struct req *req, struct res *res)
{
    struct prompt_row row;
    struct json *body;

    TRY(find(req, &row));
    TRY(req_json(req, &body));
    row.revision = json_int_of(json_at(body, "revision"), row.revision);
    TRY(llm_prompt_label(api_of(req)->llm, req->a, &row, req_param(req, "label"),
                         json_int_of(json_at(body, "version"), 0)));
    return answer(req, res, 200, row.id);
}

static Err delete_label(struct req *req, struct res *res)
{
    struct prompt_row row;

    TRY(find(req, &row));
    TRY(llm_prompt_label(api_of(req)->llm, req->a, &row, req_param(req, "label"), 0));
    return answer(req, res, 200, row.id);
}

/* ---- what is different ---- */

static struct json *changes_json(struct arena *a, const struct json *from, const struct json *to)
{
    struct json *changes = json_arr(a);
    JsonDifferences found = {0};

    (void)json_diff(a, from, to, DIFF_MAX, &found); /* the first so many */
    vec_each(&found, it)
        json_push(
            a, changes,
            json_obj(a, "path", json_str(a, it->path), "from", it->left, "to", it->right, NULL));
    return changes;
}

static Err get_diff(struct req *req, struct res *res)
{
    struct prompt_version_row from, to;
    struct json *a_body, *b_body;
    struct prompt_row row;
    Str a_which, b_which;

    TRY(find(req, &row));
    TRY(req_query(req, S("from"), &a_which));
    TRY(req_query(req, S("to"), &b_which));
    TRY(find_version(req, &row, a_which, &from));
    if (!b_which.n)
        b_which = str_fmt(req->a, "%lld", (long long)row.latest);
    TRY(find_version(req, &row, b_which, &to));
    TRY(json_parse(req->a, from.body, &a_body));
    TRY(json_parse(req->a, to.body, &b_body));
    return res_json(res, 200,
                    json_obj(req->a, "from", json_int(req->a, from.number), "to",
                             json_int(req->a, to.number), "changes",
                             changes_json(req->a, a_body, b_body), NULL));
}

/* ---- trying ---- */

static Err post_render(struct req *req, struct res *res)
{
    struct prompt_version_row version;
    struct json *body, *prompt, *messages;
    struct prompt_row row;

    TRY(find(req, &row));
    TRY(req_json(req, &body));
    TRY(find_version(req, &row, json_str_of(json_at(body, "version"), S("")), &version));
    TRY(json_parse(req->a, version.body, &prompt));
    TRY(llm_prompt_fill(api_of(req)->llm, req->a, row.name, prompt, json_at(body, "variables"),
                        &messages));
    return res_json(res, 200,
                    json_obj(req->a, "version", json_int(req->a, version.number), "model",
                             json_at(prompt, "model"), "messages", messages, "parameters",
                             json_at(prompt, "parameters"), NULL));
}

const struct route api_prompts_routes[] = {
    {HTTP_GET, "/api/prompts", list_prompts, "prompt.read", .out_schema = "PromptList",
     .summary = "List prompts by name", .query = "limit:integer cursor:string"},
    {HTTP_POST, "/api/prompts", post_prompt, "prompt.write", .in_schema = "NewPrompt",
     .out_schema = "Prompt", .summary = "Make a prompt; its first version is published"},
    {HTTP_GET, "/api/prompts/:id", get_prompt, "prompt.read", .out_schema = "Prompt",
     .summary = "Get a prompt"},
    {HTTP_DELETE, "/api/prompts/:id", delete_prompt, "prompt.write",
     .summary = "Delete a prompt and its versions"},
    {HTTP_GET, "/api/prompts/:id/versions", list_versions, "prompt.read",
     .out_schema = "PromptVersionList", .summary = "List the versions of a prompt, newest first",
     .query = "limit:integer cursor:integer"},
    {HTTP_POST, "/api/prompts/:id/versions", post_version, "prompt.write",
     .in_schema = "NewPromptVersion", .out_schema = "PromptVersion",
     .summary = "Add a version to a prompt"},
    {HTTP_GET, "/api/prompts/:id/versions/:version", get_version, "prompt.read",
     .out_schema = "PromptVersion", .summary = "Get a version, by its number or a label"},
    {HTTP_PUT, "/api/prompts/:id/labels/:label", put_label, "prompt.write",
     .in_schema = "PromptLabel", .out_schema = "Prompt",
     .summary = "Let a label stand for a version: publish it, or go back to it"},
    {HTTP_DELETE, "/api/prompts/:id/labels/:label", delete_label, "prompt.write",
     .out_schema = "Prompt", .summary = "Take a label away"},
    {HTTP_GET, "/api/prompts/:id/diff", get_diff, "prompt.read", .out_schema = "PromptDiff",
     .summary = "What is different between two versions", .query = "from:string to:string"},
    {HTTP_POST, "/api/prompts/:id/render", post_render, "prompt.read", .in_schema = "RenderPrompt",
     .out_schema = "RenderedPrompt", .summary = "See the messages that a prompt makes"},
    {0},
};
