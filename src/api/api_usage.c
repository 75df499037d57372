/* src/api/api_usage.c - what was used: model calls by day, key, model or provider. */
#include "api/api.h"

#include "store/store_model_call.h"

enum { GROUPS_MAX = 1000 };
static const Usec USUAL_SPAN = 30 * USEC_DAY;

static Err read_time(const struct req *req, Str name, Usec otherwise, Usec *ret_time)
{
    Str text;

    TRY(req_query(req, name, &text));
    *ret_time = otherwise;
    if (text.n && (time_parse_rfc3339(text, ret_time) != OK || *ret_time < 0))
        return err_detail(E_BAD_INPUT, "%.*s must be a time such as 2027-01-31T00:00:00Z.",
                          P(name));
    return OK;
}

static Err read_group(const struct req *req, enum usage_group *ret_group)
{
    static const Str names[USAGE_GROUPS] = {[USAGE_BY_DAY] = S_INIT("day"),
                                            [USAGE_BY_KEY] = S_INIT("key"),
                                            [USAGE_BY_MODEL] = S_INIT("model"),
                                            [USAGE_BY_PROVIDER] = S_INIT("provider")};
    Str text;

    TRY(req_query(req, S("group"), &text));
    for (enum usage_group g = 0; g < USAGE_GROUPS; g++) {
        if (!str_eq(text.n ? text : S("model"), names[g]))
            continue;
        *ret_group = g;
        return OK;
    }
    return err_detail(E_BAD_INPUT, "group must be \"day\", \"key\", \"model\" or \"provider\".");
}

static struct json *group_name(struct arena *a, enum usage_group group, const struct usage_row *r)
{
    char text[TIME_RFC3339_SIZE];

    switch (group) {
    case USAGE_BY_DAY:
        return json_str(a, str_dup(a, str_head(time_rfc3339(r->day * USEC_DAY, text), 10)));
    case USAGE_BY_KEY:
        return json_id(a, r->key);
    default:
        return json_str(a, r->name);
    }
}

static struct json *row_json(struct arena *a, enum usage_group group, const struct usage_row *r)
{
    return json_obj(a, "group", group_name(a, group, r), "calls", json_int(a, r->calls), "failed",
                    json_int(a, r->failed), "prompt_tokens", json_int(a, r->prompt),
                    "cached_tokens", json_int(a, r->cached), "completion_tokens",
                    json_int(a, r->completion), "reasoning_tokens", json_int(a, r->reasoning),
                    "estimated_calls", json_int(a, r->estimated), "overhead_us",
                    json_int(a, r->overhead_us), "first_byte_ms",
                    json_double(a, (double)r->first_byte_us / 1000), "total_ms",
                    json_double(a, (double)r->total_us / 1000), NULL);
}

static Err get_usage(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a);
    enum usage_group group = USAGE_BY_MODEL;
    UsageRows rows;
    Usec from, to;

    TRY(read_group(req, &group));
    TRY(read_time(req, S("to"), time_wall() + USEC_S, &to));
    TRY(read_time(req, S("from"), usec_max(to - USUAL_SPAN, 0), &from));
    TRY(store_model_call_usage(api_of(req)->db, req->a, req->who.tenant, group, from, to,
                               GROUPS_MAX, &rows));
    vec_each(&rows, r)
        json_push(req->a, items, row_json(req->a, group, r));
    return res_json(res, 200,
                    json_obj(req->a, "items", items, "next_cursor", json_null(req->a), NULL));
}

const struct route api_usage_routes[] = {
    {HTTP_GET, "/api/usage", get_usage, "usage.read", .out_schema = "UsageList",
     .summary = "What model calls used, by day, key, model or provider",
     .query = "group:string from:string to:string"},
    {0},
};
