/* src/main/apply_keys.c - keys and limits as a file says they are to be. */
#include "auth/principal.h"
#include "base/json.h"
#include "llm/limits.h"
#include "main/apply.h"
#include "rt/fiber.h"

enum { CHANGE_MAX = 1024 };

/* What of a policy is said, without what was used. */
static Err policy_of(struct apply *ap, Id subject, struct json **ret_policy)
{
    struct llm_policy policy;
    struct json *shown;

    TRY(llm_limits_show(llm_limits_of(ap->boot->llm), ap->a, ap->tenant, subject, &shown));
    (void)json_remove(shown, S("counters"));
    TRY(llm_policy_read(ap->a, shown, &policy));
    *ret_policy = llm_policy_json(ap->a, &policy);
    return OK;
}

/* @is with the members of @v in the place of its own: what @v leaves out stays, null takes away. */
static Err merge(struct apply *ap, const struct json *is, const struct json *v,
                 struct json **ret_policy)
{
    struct json *to_be = json_dup(ap->a, is);
    struct llm_policy policy;

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "It must be a mapping.");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        (void)json_remove(to_be, name);
        if (!json_is(&v->obj[i].val, JSON_NULL))
            json_set(ap->a, to_be, name, json_dup(ap->a, &v->obj[i].val));
    }
    TRY(llm_limits_check(ap->a, to_be));
    TRY(llm_policy_read(ap->a, to_be, &policy));
    *ret_policy = llm_policy_json(ap->a, &policy);
    return OK;
}

/* The names of the members that differ, with commas between them. */
static const char *policy_change(struct apply *ap, const struct json *is, const struct json *to_be)
{
    AUTO_BUF(change, CHANGE_MAX);

    for (size_t i = 0; i < json_len(to_be); i++) {
        Str name = json_str_of(&to_be->obj[i].key, S(""));
        if (!json_equal(json_get(is, name), &to_be->obj[i].val))
            buf_add_fmt(&change, "%s%.*s", change.n ? ", " : "", P(name));
    }
    return str_dup_c(ap->a, buf_str(&change));
}

static Err put_policy(struct apply *ap, Id subject, const struct json *policy)
{
    return llm_limits_put(llm_limits_of(ap->boot->llm), ap->a, ap->tenant, subject, policy);
}

Err apply_policy_check(struct apply *ap, const struct json *v)
{
    struct json *made;

    return merge(ap, json_obj(ap->a, NULL), v, &made);
}

Err apply_policy(struct apply *ap, const char *what, Str name, Id subject, const struct json *v)
{
    struct json *is, *to_be;

    TRY(policy_of(ap, subject, &is));
    TRY(merge(ap, is, v, &to_be));
    const char *change = policy_change(ap, is, to_be);
    if (what)
        apply_note(ap, what, name, change);
    return ap->dry || !*change ? OK : put_policy(ap, subject, to_be);
}

Err apply_limits(struct apply *ap, const struct json *v)
{
    TRY(apply_members(v, "limits models endpoints cache log end_users"));
    return apply_policy(ap, "limits", S("of all"), ap->tenant, v);
}

Err apply_find_key(struct apply *ap, Str name, const struct auth_key **ret_key)
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
    return auth_capabilities_parse(ap->a, str_join(ap->a, names.at, names.n, S(",")),
                                   ret_capabilities);
}

struct owners {
    Id user, team;
    bool user_given, team_given; /* what is not stays */
};

static Err owners_of(struct apply *ap, const struct json *v, struct owners *ret_of)
{
    const struct json *user = json_get(v, S("user")), *team = json_get(v, S("team"));

    *ret_of = (struct owners){.user_given = user != NULL, .team_given = team != NULL};
    TRY(apply_owner(ap, user, AUTH_USER, &ret_of->user));
    return apply_owner(ap, team, AUTH_TEAM, &ret_of->team);
}

static Err change_owners(struct apply *ap, const struct auth_key *key, const struct owners *of)
{
    Id user = of->user_given ? of->user : key->user, team = of->team_given ? of->team : key->team;

    if (id_eq(user, key->user) && id_eq(team, key->team))
        return OK;
    apply_note(ap, "key", key->name, "owner");
    return ap->dry ? OK
                   : auth_key_assign(NULL, ap->boot->db, ap->a, ap->tenant, key->id, user, team);
}

/* A key without its limits may do more than it should: it goes again, and was never shown. */
static Err take_back(struct apply *ap, Id key, Err why)
{
    struct err_record record = *err_record();

    fiber_shield(); /* also when it was a cancellation that kept its limits from being written */
    Err e = auth_key_revoke(NULL, ap->boot->db, ap->a, ap->tenant, key);
    fiber_unshield();
    *err_record() = record;
    return e == OK ? why : err_add(why, "a key without its limits was left; revoke it");
}

static Err make_key(struct apply *ap, Str name, Str capabilities, const struct owners *of,
                    const struct json *policy)
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
    TRY(auth_key_create_of(ap->boot->db, ap->a, ap->tenant, name, capabilities, 0, of->user,
                           of->team, &key, &id));
    Err e = put_policy(ap, id, policy);
    if (e != OK)
        return take_back(ap, id, e);
    buf_add_fmt(ap->out, "  %.*s\n", P(key)); /* it is shown this once */
    return OK;
}

Err apply_key(struct apply *ap, const struct json *v)
{
    const struct auth_key *key;
    struct json *made;
    Str name = str_trim(json_str_of(json_get(v, S("name")), S(""))), capabilities;
    struct json *policy = json_dup(ap->a, v);
    struct owners of;

    TRY(apply_members(v, "name capabilities user team limits models endpoints cache log"));
    TRY(auth_key_name_check(name));
    vec_push(ap->a, &ap->keys, name);
    TRY(capabilities_of(ap, json_get(v, S("capabilities")), &capabilities));
    (void)json_remove(policy, S("name"));
    (void)json_remove(policy, S("capabilities"));
    (void)json_remove(policy, S("user"));
    (void)json_remove(policy, S("team"));
    TRY(owners_of(ap, v, &of));
    TRY(merge(ap, json_obj(ap->a, NULL), policy, &made));
    TRY(apply_find_key(ap, name, &key));
    if (!key)
        return make_key(ap, name, capabilities, &of, made);
    if (!str_eq(key->capabilities, capabilities))
        return err_detail(E_INVALID,
                          "The key \"%.*s\" is there with the capabilities \"%.*s\", which cannot "
                          "be changed: revoke it, and another one is made.",
                          P(name), P(key->capabilities));
    TRY(change_owners(ap, key, &of));
    return apply_policy(ap, "key", name, key->id, policy);
}
