/* src/main/apply_keys.c - keys and limits as a file says they are to be. */
#include "base/json.h"
#include "llm/limits.h"
#include "main/apply.h"

/* What of a policy is said, without what was used. */
static Err normal(struct apply *ap, const struct json *v, struct json **ret_policy)
{
    struct llm_policy policy;

    TRY(llm_policy_read(ap->a, v, &policy));
    *ret_policy = llm_policy_json(ap->a, &policy);
    return OK;
}

static Err policy_of(struct apply *ap, Id subject, struct json **ret_policy)
{
    struct json *shown;

    TRY(llm_limits_show(llm_limits_of(ap->boot->llm), ap->a, ap->tenant, subject, &shown));
    (void)json_remove(shown, S("counters"));
    return normal(ap, shown, ret_policy);
}

static Err put_policy(struct apply *ap, Id subject, const struct json *policy)
{
    return ap->dry
               ? OK
               : llm_limits_put(llm_limits_of(ap->boot->llm), ap->a, ap->tenant, subject, policy);
}

Err apply_limits(struct apply *ap, const struct json *v)
{
    struct json *is, *to_be;

    TRY(normal(ap, v, &to_be));
    TRY(policy_of(ap, ap->tenant, &is));
    bool same = json_equal(is, to_be);
    apply_note(ap, "limits", S("of all"), same ? "" : "limits");
    return same ? OK : put_policy(ap, ap->tenant, v);
}

/* The one that works and has the name; *ret_key NULL: none. */
static Err find_key(struct apply *ap, Str name, const struct auth_key **ret_key)
{
    AuthKeys keys;

    *ret_key = NULL;
    TRY(auth_key_list(ap->boot->db, ap->a, ap->tenant, &keys));
    vec_each(&keys, k) {
        bool works = !k->revoked_at && (!k->expires_at || k->expires_at > time_wall());
        if (!works || !str_eq(k->name, name))
            continue;
        if (*ret_key)
            return err_detail(E_INVALID, "There are several keys of the name \"%.*s\".", P(name));
        *ret_key = k;
    }
    return OK;
}

static Err capabilities_of(struct apply *ap, const struct json *v, Str *ret_capabilities)
{
    VEC(Str) names = {0};

    for (size_t i = 0; json_is(v, JSON_ARR) && i < json_len(v); i++)
        vec_push(ap->a, &names, json_str_of(json_item(v, i), S("")));
    if (!names.n)
        return err_detail(E_INVALID, "A key needs \"capabilities\", a list such as [model.call].");
    *ret_capabilities = str_join(ap->a, names.at, names.n, S(","));
    return OK;
}

static Err make_key(struct apply *ap, Str name, Str capabilities, const struct json *policy)
{
    Str key;
    Id id;

    if (!ap->make_keys)
        return err_detail(E_NOT_FOUND,
                          "The key \"%.*s\" is not there: \"heddle apply FILE\" makes and shows "
                          "it.",
                          P(name));
    apply_note(ap, "key", name, NULL);
    if (ap->dry)
        return OK;
    TRY(auth_key_create(ap->boot->db, ap->a, ap->tenant, name, capabilities, 0, &key, &id));
    buf_add_fmt(ap->out, "  %.*s\n", P(key)); /* it is shown this once */
    return put_policy(ap, id, policy);
}

Err apply_key(struct apply *ap, const struct json *v)
{
    const struct auth_key *key;
    struct json *is, *to_be;
    Str name = json_str_of(json_get(v, S("name")), S("")), capabilities;
    struct json *policy = json_dup(ap->a, v);

    TRY(apply_members(v, "name capabilities limits models endpoints cache log"));
    if (!name.n)
        return err_detail(E_INVALID, "A key needs a \"name\".");
    TRY(capabilities_of(ap, json_get(v, S("capabilities")), &capabilities));
    (void)json_remove(policy, S("name"));
    (void)json_remove(policy, S("capabilities"));
    TRY(normal(ap, policy, &to_be));
    TRY(find_key(ap, name, &key));
    if (!key)
        return make_key(ap, name, capabilities, policy);
    if (!str_eq(key->capabilities, capabilities))
        return err_detail(E_INVALID,
                          "The key \"%.*s\" is there with the capabilities \"%.*s\", which cannot "
                          "be changed: revoke it, and another one is made.",
                          P(name), P(key->capabilities));
    TRY(policy_of(ap, key->id, &is));
    bool same = json_equal(is, to_be);
    apply_note(ap, "key", name, same ? "" : "limits");
    return same ? OK : put_policy(ap, key->id, policy);
}
