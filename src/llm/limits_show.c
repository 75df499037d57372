/* src/llm/limits_show.c - limits for people: setting them, and what is used of them. */
#include "llm/door.h"
#include "llm/limits_private.h"

static Err check_endpoints(const struct json *list)
{
    for (size_t i = 0; i < json_len(list); i++) {
        Str name = json_str_of(json_item(list, i), S(""));
        bool known = false;
        for (int op = 0; op < LLM_OPS; op++)
            known = known || str_eq(name, llm_operation_name((enum llm_op)op));
        if (!known)
            return err_detail(E_INVALID, "There is no endpoint \"%.*s\".", P(str_head(name, 64)));
    }
    return OK;
}

/* @ret_text: as it is stored. */
static Err policy_text(struct arena *a, const struct json *v, Str *ret_text)
{
    struct llm_policy policy;

    TRY(llm_policy_read(a, v, &policy));
    TRY(check_endpoints(json_at(v, "endpoints")));
    Str text = json_text(a, llm_policy_json(a, &policy));
    if (text.n > LLM_POLICY_TEXT_MAX)
        return err_detail(E_INVALID, "Limits are at most %d bytes of JSON.", LLM_POLICY_TEXT_MAX);
    *ret_text = text;
    return OK;
}

Err llm_limits_check(struct arena *a, const struct json *v)
{
    Str text;

    return policy_text(a, v, &text);
}

Err llm_limits_put(struct llm_limits *l, struct arena *a, Id tenant, Id subject,
                   const struct json *v)
{
    Str text;

    TRY(policy_text(a, v, &text));
    if (json_at(v, "end_users") && !id_eq(subject, tenant))
        return err_detail(E_INVALID, "Only the limits of the tenant have \"end_users\".");
    TRY(store_model_limit_put(l->db, a, tenant, subject, text));
    uv_mutex_lock(&l->lock);
    struct llm_account *acc = map_get(l->accounts, llm_subject_key(&subject));
    if (acc)
        acc->read_at = 0;
    uv_mutex_unlock(&l->lock);
    return OK;
}

/* Of the window of @wall: what the store counts but this process has not spent. */
static void local_part(struct llm_limits *l, Id subject, int k, Usec from, int64_t *ret_free,
                       int64_t *ret_reserved)
{
    *ret_free = *ret_reserved = 0;
    uv_mutex_lock(&l->lock);
    const struct llm_account *acc = map_get(l->accounts, llm_subject_key(&subject));
    if (acc && acc->slots && acc->slots[k].c.from == from) {
        *ret_free = llm_counter_free(&acc->slots[k].c);
        *ret_reserved = acc->slots[k].c.reserved;
    }
    uv_mutex_unlock(&l->lock);
}

static struct json *counter_json(struct llm_limits *l, struct arena *a, Id subject, int k,
                                 int64_t max, int64_t pool, const ModelCounterRows *rows)
{
    int64_t taken = 0, spare, reserved;
    Usec from, to;

    llm_window((enum llm_per)(k % LLM_PERS), time_wall(), &from, &to);
    vec_each(rows, r)
        if (r->slot == k && r->from == from)
            taken = r->taken;
    local_part(l, subject, k, from, &spare, &reserved);
    int64_t used = taken - spare - reserved - pool;
    return json_obj(a, "what", json_str(a, llm_what_names[k / LLM_PERS]), "per",
                    json_str(a, llm_per_names[k % LLM_PERS]), "max", json_int(a, max), "used",
                    json_int(a, used > 0 ? used : 0), "reserved", json_int(a, reserved),
                    "resets_at", json_time(a, to), NULL);
}

Err llm_limits_show(struct llm_limits *l, struct arena *a, Id tenant, Id subject,
                    struct json **ret_policy)
{
    struct json *counters = json_arr(a), *v;
    struct llm_policy policy;
    ModelCounterRows rows;
    int64_t pools[LLM_SLOTS];
    Str text;

    TRY(store_model_limit_subject(l->db, a, tenant, subject));
    TRY(store_model_limit_get(l->db, a, subject, &text));
    TRY(json_parse(a, text.n ? text : S("{}"), &v));
    TRY(llm_policy_read(a, v, &policy));
    llm_redis_pools(l, subject, time_wall(), pools);
    TRY(store_model_counter_list(l->db, a, subject, time_wall(), &rows));
    for (int k = 0; k < LLM_SLOTS; k++)
        if (policy.max[k] >= 0)
            json_push(a, counters, counter_json(l, a, subject, k, policy.max[k], pools[k], &rows));
    v = llm_policy_json(a, &policy);
    json_set(a, v, S("counters"), counters);
    *ret_policy = v;
    return OK;
}
