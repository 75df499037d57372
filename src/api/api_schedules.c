/* src/api/api_schedules.c - when workflows fire: the schedule of a published version, and what one
 * that is being written would do. */
#include "api/api.h"
#include "wf/schedule_plan.h"

enum { TIMES = 5 };

static struct json *time_or_null(struct arena *a, Usec at)
{
    return at && at != USEC_NEVER ? json_time(a, at) : json_null(a);
}

/* The settings as they stand in the definition, defaults filled in. */
static struct json *settings_json(struct arena *a, const struct wf_schedule_cfg *cfg)
{
    bool interval = str_eq(cfg->repeat, S("interval"));
    char every[TIME_RFC3339_SIZE], jitter[TIME_RFC3339_SIZE];
    struct json *o = json_obj(a, "repeat", json_str(a, cfg->repeat), NULL);

    if (interval)
        json_set(a, o, S("every"), json_str(a, str_dup(a, time_span(cfg->every, every))));
    else
        json_set(a, o, S("cron"), json_str(a, cfg->cron));
    json_set(a, o, S("timezone"), json_str(a, cfg->timezone));
    json_set(a, o, S("catch_up"), json_str(a, cfg->catch_up));
    json_set(a, o, S("overlap"), json_str(a, cfg->overlap));
    json_set(a, o, S("jitter"), json_str(a, str_dup(a, time_span(cfg->jitter, jitter))));
    return o;
}

static Err schedule_json(struct req *req, const struct schedule_row *row, struct json **ret_json)
{
    AUTO(wf_def) *def = NULL;
    struct arena *a = req->a;

    TRY(wf_engine_def(api_of(req)->engine, row->hash, &def));
    const struct wf_schedule_cfg *cfg = &wf_trigger_cfg(def)->schedule;
    struct json *run = id_is_none(row->last_run) ? json_null(a) : json_id(a, row->last_run);
    *ret_json =
        json_obj(a, "version", json_int(a, row->version), "settings", settings_json(a, cfg),
                 "next_at", time_or_null(a, row->next_at), "due_at", time_or_null(a, row->due_at),
                 "last_at", time_or_null(a, row->last_at), "last_run_id", run, "times",
                 wf_schedule_times(a, cfg, row->anchor, row->next_at - 1, TIMES), NULL);
    return OK;
}

static Err get_schedules(struct req *req, struct res *res)
{
    struct workflow_row workflow;
    struct schedule_row row;
    struct json *items = json_arr(req->a), *schedule;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, &workflow));
    Err e = store_schedule_get(api_of(req)->db, req->a, id, &row);
    if (e == OK) {
        TRY(schedule_json(req, &row, &schedule));
        json_push(req->a, items, schedule);
    } else if (e != E_NOT_FOUND) {
        return e;
    }
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor", json_null(req->a), NULL));
}

/* The smallest definition with that schedule: checked as every other. */
static Str definition_of(struct arena *a, const struct json *schedule)
{
    return str_fmt(a,
                   "{\"heddle\":1,\"name\":\"preview\",\"nodes\":[{\"id\":\"trigger\",\"type\":"
                   "\"trigger\",\"data\":{\"trigger\":\"schedule\",\"schedule\":%.*s}}],"
                   "\"edges\":[]}",
                   P(json_text(a, schedule)));
}

static Err preview(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    struct json *body;
    Usec now = time_wall();

    TRY(req_json(req, &body));
    Err e = wf_def_parse(req->a, definition_of(req->a, json_at(body, "schedule")), &problems, &def);
    if (e == E_INVALID && problems.n)
        return api_problems(req, res, &problems);
    TRY(e);
    const struct wf_schedule_cfg *cfg = &wf_trigger_cfg(def)->schedule;
    int n = (int)json_int_of(json_at(body, "count"), TIMES);
    return res_json(res, 200,
                    json_obj(req->a, "settings", settings_json(req->a, cfg), "times",
                             wf_schedule_times(req->a, cfg, now, now, n), NULL));
}

const struct route api_schedules_routes[] = {
    {HTTP_GET, "/api/workflows/:id/schedules", get_schedules, "workflow.read",
     .out_schema = "ScheduleList", .summary = "List when a workflow fires"},
    {HTTP_POST, "/api/schedules/preview", preview, "workflow.read", .max_body = KIB(16),
     .in_schema = "SchedulePreview", .out_schema = "SchedulePreviewed",
     .summary = "Show when a schedule would fire"},
    {0},
};
