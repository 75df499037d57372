/* src/api/api_usage.c - what was used and what it cost: model calls by key, model, time and more.
 */
#include "api/api.h"

#include "store/store_model_call.h"

enum { GROUPS_MAX = 1000 };
static const Usec USUAL_SPAN = 30 * USEC_DAY;

static const Str group_names[USAGE_GROUPS] = {[USAGE_BY_END_USER] = S_INIT("end_user"),
                                              [USAGE_BY_TEAM] = S_INIT("team"),
                                              [USAGE_BY_AGENT] = S_INIT("agent"),
                                              [USAGE_BY_STEP] = S_INIT("step"),
                                              [USAGE_BY_USER] = S_INIT("user"),
                                              [USAGE_BY_WORKFLOW] = S_INIT("workflow"),
                                              [USAGE_BY_DAY] = S_INIT("day"),
                                              [USAGE_BY_HOUR] = S_INIT("hour"),
                                              [USAGE_BY_KEY] = S_INIT("key"),
                                              [USAGE_BY_MODEL] = S_INIT("model"),
                                              [USAGE_BY_OPERATION] = S_INIT("operation"),
                                              [USAGE_BY_OUTCOME] = S_INIT("outcome"),
                                              [USAGE_BY_PROVIDER] = S_INIT("provider"),
                                              [USAGE_BY_UPSTREAM_MODEL] = S_INIT("upstream_model")};
static const Str bucket_names[USAGE_BUCKETS] = {
    [USAGE_WHOLE] = S_INIT("none"), [USAGE_HOURLY] = S_INIT("hour"), [USAGE_DAILY] = S_INIT("day")};

/* The place of a word in @names; @otherwise if it is not given. */
static Err read_word(const struct req *req, Str param, const Str *names, int n, int otherwise,
                     int *ret_place)
{
    Str text;

    TRY(req_query(req, param, &text));
    *ret_place = otherwise;
    if (!text.n)
        return OK;
    for (int i = 0; i < n; i++) {
        if (!str_eq(text, names[i]))
            continue;
        *ret_place = i;
        return OK;
    }
    return err_detail(E_BAD_INPUT, "%.*s must be one of: %.*s.", P(param),
                      P(str_join(req->a, names, (size_t)n, S(", "))));
}

static Err read_usage(const struct req *req, struct usage_query *ret_query)
{
    struct usage_query q = {.tenant = req->who.tenant, .max = GROUPS_MAX};
    int group, bucket;

    TRY(read_word(req, S("group"), group_names, USAGE_GROUPS, USAGE_BY_MODEL, &group));
    TRY(read_word(req, S("bucket"), bucket_names, USAGE_BUCKETS, USAGE_WHOLE, &bucket));
    TRY(api_time_of(req, S("to"), time_wall() + USEC_S, &q.to));
    TRY(api_time_of(req, S("from"), usec_max(q.to - USUAL_SPAN, 0), &q.from));
    q.group = (enum usage_group)group;
    q.bucket = (enum usage_bucket)bucket;
    if (q.bucket != USAGE_WHOLE && (q.group == USAGE_BY_DAY || q.group == USAGE_BY_HOUR))
        return err_detail(E_BAD_INPUT, "bucket is for groups that are no times.");
    *ret_query = q;
    return OK;
}

static struct json *group_name(struct arena *a, enum usage_group group, const struct usage_row *r)
{
    char text[TIME_RFC3339_SIZE];

    switch (group) {
    case USAGE_BY_DAY:
        return json_str(a, str_dup(a, str_head(time_rfc3339(r->time, text), 10)));
    case USAGE_BY_HOUR:
        return json_time(a, r->time);
    case USAGE_BY_KEY:
    case USAGE_BY_USER:
    case USAGE_BY_TEAM:
        return id_is_none(r->id) ? json_str(a, S("")) : json_id(a, r->id);
    default:
        return json_str(a, r->name);
    }
}

/* Of answers that were made to their end, from the request to the last byte. */
static struct json *speed_json(struct arena *a, const struct usage_row *r)
{
    return r->made_us > 0 ? json_double(a, (double)r->made * (double)USEC_S / (double)r->made_us)
                          : json_null(a);
}

static struct json *row_json(struct arena *a, const struct usage_query *q,
                             const struct usage_row *r)
{
    return json_obj(
        a, "group", group_name(a, q->group, r), "time",
        q->bucket != USAGE_WHOLE ? json_time(a, r->time) : NULL, "calls", json_int(a, r->calls),
        "failed", json_int(a, r->failed), "prompt_tokens", json_int(a, r->prompt), "cached_tokens",
        json_int(a, r->cached), "completion_tokens", json_int(a, r->completion), "reasoning_tokens",
        json_int(a, r->reasoning), "cost_micros", json_int(a, r->cost), "unpriced_calls",
        json_int(a, r->unpriced), "estimated_calls", json_int(a, r->estimated), "from_cache",
        json_int(a, r->from_cache), "saved_micros", json_int(a, r->saved), "overhead_us",
        json_int(a, r->overhead_us), "first_byte_ms",
        json_double(a, (double)r->first_byte_us / 1000), "total_ms",
        json_double(a, (double)r->total_us / 1000), "tokens_per_second", speed_json(a, r), NULL);
}

static Err get_usage(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a);
    struct usage_query q;
    UsageRows rows;

    TRY(read_usage(req, &q));
    TRY(store_model_call_usage(api_of(req)->db, req->a, &q, &rows));
    vec_each(&rows, r)
        json_push(req->a, items, row_json(req->a, &q, r));
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor", json_null(req->a), NULL));
}

const struct route api_usage_routes[] = {
    {HTTP_GET, "/api/usage", get_usage, "usage.read", .out_schema = "UsageList",
     .summary =
         "What model calls used and cost, by key, user, team, model, provider, time and more",
     .query = "group:string bucket:string from:string to:string"},
    {0},
};
