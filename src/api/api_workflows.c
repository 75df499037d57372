/* src/api/api_workflows.c - workflows: drafts, versions, publishing, and what nodes there are. */
#include "api/api.h"
#include "base/crypto.h"
#include "store/store_workflow.h"
#include "wf/schedule_plan.h"

/* What is secret in it is stored sealed. */
static Err seal_definition(struct req *req, WfProblems *problems, struct wf_def **def)
{
    struct wf_def *plain = *def;
    Str sealed;

    *def = NULL;
    Err e = wf_trigger_seal(api_of(req)->engine, req->a, req->who.tenant, plain, &sealed);
    if (e != OK || !sealed.n) {
        if (e == OK)
            *def = wf_def_ref(plain);
    } else {
        *problems = (WfProblems){0};
        e = wf_def_parse_aside(req->a, sealed, problems, def);
    }
    wf_def_unref(plain);
    return e;
}

/* Parse the body as a definition; *ret_answered if it was refused with its problems. */
static Err read_definition(struct req *req, struct res *res, WfProblems *ret_problems,
                           struct wf_def **ret_def, bool *ret_answered)
{
    Str body;

    TRY(req_json_text(req, &body));
    if (str_find(body, S("\"" WF_HIDDEN "\"")) != SIZE_MAX)
        return err_detail(
            E_INVALID, "Where a secret was hidden from who read this definition it says " WF_HIDDEN
                       ": put the secret there, or {{ vars.NAME }}, before it is "
                       "written back.");
    Err e = wf_def_parse_aside(req->a, body, ret_problems, ret_def);
    if (e == OK)
        return seal_definition(req, ret_problems, ret_def);
    if (e != E_INVALID || ret_problems->n == 0)
        return e;
    *ret_answered = true;
    return api_problems(req, res, ret_problems);
}

static Str hash_of(struct arena *a, const struct wf_def *def)
{
    uint8_t hash[32];
    wf_def_content_hash(def, hash);
    return str_dup(a, str_from((char *)hash, sizeof hash));
}

static struct json *version_or_null(struct arena *a, int version)
{
    return version ? json_int(a, version) : json_null(a);
}

static struct json *workflow_json(struct req *req, const struct workflow_row *row)
{
    struct arena *a = req->a;
    char id[ID_TEXT_SIZE];
    Str base = api_of(req)->base_url, own = id_text(row->id, id);
    Str hook = str_fmt(a, "%.*s/hooks/%.*s", P(base), P(own));
    Str form = str_fmt(a, "%.*s/forms/%.*s", P(base), P(own));
    Str chat = str_fmt(a, "%.*s/chat/%.*s", P(base), P(own));

    return json_obj(a, "id", json_id(a, row->id), "name", json_str(a, row->name), "description",
                    json_str(a, row->description), "revision", json_int(a, row->revision),
                    "published_version", version_or_null(a, row->published_version),
                    "latest_version", version_or_null(a, row->latest_version), "webhook_url",
                    json_str(a, hook), "form_url", json_str(a, form), "chat_url", json_str(a, chat),
                    "created_at", json_time(a, row->created_at), "updated_at",
                    json_time(a, row->updated_at), NULL);
}

/* With the draft's definition and what is doubtful about it. */
static Err workflow_whole(struct req *req, const struct workflow_row *row, struct json **ret_json)
{
    struct json *definition, *doc = workflow_json(req, row);
    WfProblems problems = {0};
    AUTO(wf_def) *def = NULL;
    Str body;

    TRY(store_definition_get(api_of(req)->db, req->a, row->draft, &body));
    TRY(json_parse(req->a, body, &definition));
    Err e = wf_def_parse_aside(req->a, body, &problems, &def);
    if (e != OK && e != E_INVALID)
        return e;
    json_set(req->a, doc, S("definition"), api_definition(req, definition));
    json_set(req->a, doc, S("warnings"), wf_problems_json(req->a, &problems));
    *ret_json = doc;
    return OK;
}

static void set_etag(struct req *req, struct res *res, const struct workflow_row *row)
{
    res_header(res, S("ETag"), str_fmt(req->a, "\"%lld\"", (long long)row->revision));
}

static Err post_workflow(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    bool answered = false;
    struct json *doc;

    TRY(read_definition(req, res, &problems, &def, &answered));
    if (answered)
        return OK;
    Usec now = time_wall();
    struct workflow_row row = {.id = id_new(),
                               .tenant = req->who.tenant,
                               .name = def->name,
                               .description = def->description,
                               .draft = hash_of(req->a, def),
                               .revision = 1,
                               .created_at = now,
                               .updated_at = now};
    TRY(store_workflow_create(api_of(req)->db, req->a, &row, def->text));
    TRY(workflow_whole(req, &row, &doc));
    char id[ID_TEXT_SIZE];
    res_header(res, S("Location"), str_fmt(req->a, "/api/workflows/%.*s", P(id_text(row.id, id))));
    set_etag(req, res, &row);
    return res_json(res, 201, doc);
}

static Err load(struct req *req, struct workflow_row *ret_row)
{
    Id id;
    TRY(req_id(req, "id", &id));
    return store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, ret_row);
}

static Err list_workflows(struct req *req, struct res *res)
{
    struct api_page page;
    WorkflowRows rows;
    Str q;

    TRY(api_page_of(req, &page));
    TRY(req_query(req, S("q"), &q));
    if (q.n > 200)
        return err_detail(E_BAD_INPUT, "q may have 200 bytes at most.");
    TRY(store_workflow_list(api_of(req)->db, req->a, req->who.tenant, q, page.before, page.limit,
                            &rows));
    struct json *items = json_arr(req->a);
    vec_each(&rows, row)
        json_push(req->a, items, workflow_json(req, row));
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

static Err get_workflow(struct req *req, struct res *res)
{
    struct workflow_row row;
    struct json *doc;

    TRY(load(req, &row));
    TRY(workflow_whole(req, &row, &doc));
    set_etag(req, res, &row);
    return res_json(res, 200, doc);
}

/* If-Match: "12", or * for any. */
static Err check_if_match(struct req *req, const struct workflow_row *row)
{
    Str match = req_header(req, S("if-match"));
    if (!match.p || str_eq(match, S("*")))
        return OK;
    if (!str_eq(match, str_fmt(req->a, "\"%lld\"", (long long)row->revision)))
        return err_detail(
            E_PRECONDITION,
            "The workflow was changed meanwhile: it is at revision %lld. Load it again.",
            (long long)row->revision);
    return OK;
}

static Err put_workflow(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    bool answered = false;
    struct workflow_row row;
    struct json *doc;

    TRY(load(req, &row));
    TRY(check_if_match(req, &row));
    TRY(read_definition(req, res, &problems, &def, &answered));
    if (answered)
        return OK;
    Err e = store_workflow_update(api_of(req)->db, req->a, &row, def->name, def->description,
                                  hash_of(req->a, def), def->text);
    workflow_cache_forget(api_of(req)->workflows, row.id);
    if (e == E_CONFLICT)
        return err_detail(E_PRECONDITION, "The workflow was changed meanwhile. Load it again.");
    TRY(e);
    TRY(store_workflow_get(api_of(req)->db, req->a, req->who.tenant, row.id, &row));
    TRY(workflow_whole(req, &row, &doc));
    set_etag(req, res, &row);
    return res_json(res, 200, doc);
}

/* What is published of it is another thing now, or nothing. */
static void published(struct req *req, Id workflow)
{
    workflow_cache_forget(api_of(req)->workflows, workflow);
    wf_scheduler_changed(api_of(req)->scheduler, workflow);
    wf_event_starts_changed(api_of(req)->engine);
    wf_polls_changed(api_of(req)->engine);
    wf_mails_changed(api_of(req)->engine, workflow);
}

static Err delete_workflow(struct req *req, struct res *res)
{
    struct workflow_row row;
    RunRows open;
    enum { AT_ONCE = 500 };

    TRY(load(req, &row));
    TRY(check_if_match(req, &row));
    Err e = store_workflow_delete(api_of(req)->db, req->a, &row);
    published(req, row.id);
    if (e != OK)
        return e == E_CONFLICT ? err_detail(E_NOT_FOUND, "There is no such workflow.") : e;
    do {
        TRY(store_run_open_of(api_of(req)->db, req->a, row.id, AT_ONCE, &open));
        vec_each(&open, run) {
            e = wf_run_cancel(api_of(req)->engine, req->a, req->who.tenant, run->id);
            if (e != OK && e != E_CONFLICT)
                return e;
        }
    } while (open.n == AT_ONCE);
    return res_empty(res, 204);
}

/* How the definition @hash starts by itself when it is published as @version, and how long its runs
 * are kept. */
static Err triggers_of(struct req *req, const struct workflow_row *row, Str hash, int version,
                       struct workflow_triggers *ret_triggers)
{
    AUTO(wf_def) *def = NULL;
    struct schedule_row *schedule = arena_new_of(req->a, struct schedule_row);
    struct poll_row *poll = arena_new_of(req->a, struct poll_row);
    struct mailbox_row *mailbox = arena_new_of(req->a, struct mailbox_row);
    bool polls, mails;

    TRY(wf_engine_def(api_of(req)->engine, hash, &def));
    *ret_triggers = (struct workflow_triggers){.events = wf_trigger_events(req->a, def)};
    if (wf_retention_is_set(def->retention)) {
        struct retention *kept = arena_new_of(req->a, struct retention);
        *kept = *def->retention;
        ret_triggers->retention = kept;
    }
    TRY(wf_trigger_poll(api_of(req)->engine, req->a, def, poll, &polls));
    poll->tenant = row->tenant;
    poll->version = version;
    poll->hash = hash;
    ret_triggers->poll = polls ? poll : NULL;
    TRY(wf_trigger_mail(api_of(req)->engine, req->a, row->tenant, def, mailbox, &mails));
    mailbox->version = version;
    mailbox->hash = hash;
    ret_triggers->mailbox = mails ? mailbox : NULL;
    if (!wf_schedule_row(req->a, def, row->tenant, row->id, version, time_wall(), schedule))
        return OK;
    schedule->hash = hash;
    ret_triggers->schedule = schedule;
    return OK;
}

static Err set_published(struct req *req, const struct workflow_row *row,
                         const struct version_row *version)
{
    struct workflow_triggers triggers;

    TRY(triggers_of(req, row, version->hash, version->version, &triggers));
    Err e = store_workflow_set_published(api_of(req)->db, req->a, row, version, &triggers);
    published(req, row->id);
    return e;
}

static Err publish_draft(struct req *req, struct res *res)
{
    struct workflow_row row;
    struct version_row latest;
    struct workflow_triggers triggers;
    int version;

    TRY(load(req, &row));
    if (row.latest_version) {
        TRY(store_version_get(api_of(req)->db, req->a, row.id, row.latest_version, &latest));
        if (str_eq(latest.hash, row.draft)) {
            TRY(set_published(req, &row, &latest));
            return res_json(res, 200,
                            json_obj(req->a, "version", json_int(req->a, latest.version), NULL));
        }
    }
    TRY(triggers_of(req, &row, row.draft, row.latest_version + 1, &triggers));
    Err e = store_workflow_publish(api_of(req)->db, req->a, &row, req->who.actor_name, &triggers);
    published(req, row.id);
    if (e == E_CONFLICT)
        return err_detail(E_CONFLICT, "The workflow was changed meanwhile. Try again.");
    TRY(e);
    version = row.latest_version + 1;
    return res_json(res, 200, json_obj(req->a, "version", json_int(req->a, version), NULL));
}

static struct json *version_json(struct arena *a, const struct version_row *v, int published)
{
    return json_obj(a, "version", json_int(a, v->version), "published",
                    json_bool(a, v->version == published), "created_at",
                    json_time(a, v->created_at), "created_by", json_str(a, v->created_by), NULL);
}

static Err version_param(struct req *req, int *ret_version)
{
    int64_t n;
    if (str_to_i64(req_param(req, "version"), &n) != OK || n < 1 || n > INT32_MAX)
        return err_detail(E_NOT_FOUND, "There is no such version.");
    *ret_version = (int)n;
    return OK;
}

static Err list_versions(struct req *req, struct res *res)
{
    struct workflow_row row;
    VersionRows rows;
    int64_t limit, before;

    TRY(load(req, &row));
    TRY(req_query_int(req, S("limit"), 1, 200, 50, &limit));
    TRY(req_query_int(req, S("cursor"), 1, INT32_MAX, INT32_MAX, &before));
    TRY(store_version_list(api_of(req)->db, req->a, row.id, (int)before, (int)limit, &rows));
    struct json *items = json_arr(req->a);
    vec_each(&rows, v)
        json_push(req->a, items, version_json(req->a, v, row.published_version));
    struct json *next = rows.n < (size_t)limit
                            ? json_null(req->a)
                            : json_str(req->a, str_fmt(req->a, "%d", rows.at[rows.n - 1].version));
    return res_json(res, 200, json_obj(req->a, "items", items, "next_cursor", next, NULL));
}

static Err get_version(struct req *req, struct res *res)
{
    struct workflow_row row;
    struct version_row v;
    struct json *definition;
    Str body;
    int version;

    TRY(load(req, &row));
    TRY(version_param(req, &version));
    TRY(store_version_get(api_of(req)->db, req->a, row.id, version, &v));
    TRY(store_definition_get(api_of(req)->db, req->a, v.hash, &body));
    TRY(json_parse(req->a, body, &definition));
    struct json *doc = version_json(req->a, &v, row.published_version);
    json_set(req->a, doc, S("definition"), api_definition(req, definition));
    return res_json(res, 200, doc);
}

static Err publish_version(struct req *req, struct res *res)
{
    struct workflow_row row;
    struct version_row v;
    int version;

    TRY(load(req, &row));
    TRY(version_param(req, &version));
    TRY(store_version_get(api_of(req)->db, req->a, row.id, version, &v));
    TRY(set_published(req, &row, &v));
    return res_json(res, 200, json_obj(req->a, "version", json_int(req->a, version), NULL));
}

static Err validate(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    Str body;

    TRY(req_json_text(req, &body));
    Err e = wf_def_parse_aside(req->a, body, &problems, &def);
    if (e != OK && e != E_INVALID)
        return e;
    WfProblems errors = {0}, warnings = {0};
    vec_each(&problems, p) {
        if (p->warning)
            vec_push(req->a, &warnings, *p);
        else
            vec_push(req->a, &errors, *p);
    }
    return res_json(res, 200,
                    json_obj(req->a, "valid", json_bool(req->a, e == OK), "errors",
                             wf_problems_json(req->a, &errors), "warnings",
                             wf_problems_json(req->a, &warnings), NULL));
}

static Err get_node_types(struct req *req, struct res *res)
{
    return res_json(res, 200, wf_node_types_json(req->a));
}

const struct route api_workflows_routes[] = {
    {HTTP_POST, "/api/workflows", post_workflow, "workflow.write", .max_body = WF_TEXT_MAX,
     .in_schema = "Definition", .out_schema = "Workflow", .summary = "Create a workflow"},
    {HTTP_GET, "/api/workflows", list_workflows, "workflow.read", .out_schema = "WorkflowList",
     .summary = "List workflows", .query = "limit:integer cursor:string q:string"},
    {HTTP_POST, "/api/workflows/validate", validate, "workflow.read", .max_body = WF_TEXT_MAX,
     .in_schema = "Definition", .out_schema = "Validation", .summary = "Check a definition"},
    {HTTP_GET, "/api/workflows/:id", get_workflow, "workflow.read", .out_schema = "Workflow",
     .summary = "Get a workflow with its draft"},
    {HTTP_PUT, "/api/workflows/:id", put_workflow, "workflow.write", .max_body = WF_TEXT_MAX,
     .headers = "If-Match", .in_schema = "Definition", .out_schema = "Workflow",
     .summary = "Replace the draft"},
    {HTTP_DELETE, "/api/workflows/:id", delete_workflow, "workflow.write", .headers = "If-Match",
     .summary = "Delete a workflow"},
    {HTTP_POST, "/api/workflows/:id/publish", publish_draft, "workflow.write",
     .out_schema = "Published", .summary = "Publish the draft as a new version"},
    {HTTP_GET, "/api/workflows/:id/versions", list_versions, "workflow.read",
     .out_schema = "VersionList", .summary = "List versions",
     .query = "limit:integer cursor:string"},
    {HTTP_GET, "/api/workflows/:id/versions/:version", get_version, "workflow.read",
     .out_schema = "Version", .summary = "Get one version"},
    {HTTP_POST, "/api/workflows/:id/versions/:version/publish", publish_version, "workflow.write",
     .out_schema = "Published", .summary = "Publish an earlier version"},
    {HTTP_GET, "/api/node-types", get_node_types, "workflow.read", .out_schema = "NodeTypeList",
     .summary = "List node types with their settings"},
    {0},
};
