/* src/main/apply_principals.c - teams and users as a file says they are to be. */
#include "auth/principal.h"
#include "base/json.h"
#include "main/apply.h"

/* Where names of the file stand that may not be there yet. */
static bool is_named(const struct apply *ap, enum auth_kind kind, Str name)
{
    const ApplyNames *names = kind == AUTH_TEAM ? &ap->teams : &ap->users;
    bool found = false;

    vec_each(names, s)
        found = found || str_eq(*s, name);
    return found;
}

Err apply_owner(struct apply *ap, const struct json *v, int kind, Id *ret_id)
{
    Str name = str_trim(json_str_of(v, S("")));
    struct auth_principal p = {.id = ID_NONE};

    *ret_id = ID_NONE;
    if (!v || json_is(v, JSON_NULL))
        return OK;
    Err e = auth_principal_named(ap->boot->db, ap->a, ap->tenant, (enum auth_kind)kind, name, &p);
    if (e == E_NOT_FOUND && ap->dry && is_named(ap, (enum auth_kind)kind, name))
        return OK; /* it is made before */
    if (e == E_NOT_FOUND)
        return err_detail(e, "There is no %s \"%.*s\".", auth_kind_name((enum auth_kind)kind),
                          P(str_head(name, 128)));
    *ret_id = p.id;
    return e;
}

/* Made, or found with its team changed. *ret_id: ID_NONE if it is yet to be made. */
static Err put(struct apply *ap, enum auth_kind kind, Str name, Id team, bool move, bool *ret_new,
               Id *ret_id)
{
    struct auth_principal p = {.id = ID_NONE};
    const char *what = auth_kind_name(kind);
    Err e = auth_principal_named(ap->boot->db, ap->a, ap->tenant, kind, name, &p);

    *ret_new = e == E_NOT_FOUND;
    *ret_id = p.id;
    if (*ret_new) {
        apply_note(ap, what, name, NULL);
        return ap->dry ? OK
                       : auth_principal_create(ap->boot->db, ap->a, ap->tenant, kind, name, team,
                                               ret_id);
    }
    TRY(e);
    if (!move || id_eq(p.team, team))
        return OK;
    apply_note(ap, what, name, "team");
    return ap->dry ? OK
                   : auth_principal_change(NULL, ap->boot->db, ap->a, ap->tenant, kind, p.id, name,
                                           team);
}

static Err apply_one(struct apply *ap, const struct json *v, enum auth_kind kind)
{
    Str name = str_trim(json_str_of(json_get(v, S("name")), S("")));
    const struct json *of = kind == AUTH_USER ? json_get(v, S("team")) : NULL;
    struct json *policy = json_dup(ap->a, v);
    bool is_new;
    Id team, id;

    TRY(apply_owner(ap, of, AUTH_TEAM, &team));
    (void)json_remove(policy, S("name"));
    (void)json_remove(policy, S("team"));
    TRY(apply_policy_check(ap, policy));
    if (ap->dry && kind == AUTH_TEAM)
        vec_push(ap->a, &ap->teams, name);
    else if (ap->dry)
        vec_push(ap->a, &ap->users, name);
    TRY(put(ap, kind, name, team, of != NULL, &is_new, &id));
    if (is_new && ap->dry)
        return OK;
    return apply_policy(ap, is_new ? NULL : auth_kind_name(kind), name, id, policy);
}

Err apply_team(struct apply *ap, const struct json *v)
{
    TRY(apply_members(v, "name limits models endpoints cache log"));
    return apply_one(ap, v, AUTH_TEAM);
}

Err apply_user(struct apply *ap, const struct json *v)
{
    TRY(apply_members(v, "name team limits models endpoints cache log"));
    return apply_one(ap, v, AUTH_USER);
}
