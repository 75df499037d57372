/* src/main/cmd_team.c - "heddle team|user add|list|delete" and "heddle key assign": whom keys
 * belong to, from the server's shell. */
#include "auth/principal.h"
#include "main/cmd_store.h"

/* Of which the verb is. */
static enum auth_kind kind_of(const struct cli *cli)
{
    return str_starts(str_c(cli->verb->name), S("team")) ? AUTH_TEAM : AUTH_USER;
}

/* The one that an option names; ID_NONE: it is not given. */
static Err named(struct store_call *call, enum auth_kind kind, Id *ret_id)
{
    struct cli *cli = call->cli;
    const char *option = auth_kind_name(kind);
    struct auth_principal p = {.id = ID_NONE};

    if (cli_has(cli, option)) {
        Err e = auth_principal_named(call->boot.db, cli->a, auth_home_tenant, kind,
                                     cli_get(cli, option), &p);
        if (e == E_NOT_FOUND)
            return err_detail(e, "There is no %s \"%.*s\".", option, P(cli_get(cli, option)));
        TRY(e);
    }
    *ret_id = p.id;
    return OK;
}

Err cmd_owners(struct store_call *call, Id *ret_user, Id *ret_team)
{
    TRY(named(call, AUTH_USER, ret_user));
    return named(call, AUTH_TEAM, ret_team);
}

static Err add(struct store_call *call)
{
    struct cli *cli = call->cli;
    Id team = ID_NONE, id;
    char text[ID_TEXT_SIZE];

    if (kind_of(cli) == AUTH_USER)
        TRY(named(call, AUTH_TEAM, &team));
    TRY(auth_principal_create(call->boot.db, cli->a, auth_home_tenant, kind_of(cli),
                              cli->args.at[0], team, &id));
    return cli_print(str_fmt(cli->a, "%.*s\n", P(id_text(id, text))));
}

static Err list(struct store_call *call)
{
    struct cli *cli = call->cli;
    struct auth_principal team;
    AuthPrincipals found;
    AUTO_BUF(out, MIB(16));

    TRY(auth_principal_page(call->boot.db, cli->a, auth_home_tenant, kind_of(cli), ID_NONE,
                            INT32_MAX, &found));
    vec_each(&found, p) {
        char id[ID_TEXT_SIZE];
        buf_add_fmt(&out, "%.*s  %.*s", P(id_text(p->id, id)), P(p->name));
        if (!id_is_none(p->team)) {
            TRY(auth_principal_get(call->boot.db, cli->a, auth_home_tenant, AUTH_TEAM, p->team,
                                   &team));
            buf_add_fmt(&out, "  of %.*s", P(team.name));
        }
        buf_add_char(&out, '\n');
    }
    TRY(buf_ok(&out));
    return cli_print(buf_str(&out));
}

static Err delete_one(struct store_call *call)
{
    struct cli *cli = call->cli;
    struct auth_principal p;

    TRY(auth_principal_named(call->boot.db, cli->a, auth_home_tenant, kind_of(cli), cli->args.at[0],
                             &p));
    return auth_principal_delete(NULL, call->boot.db, cli->a, auth_home_tenant, kind_of(cli), p.id);
}

static Err assign(struct store_call *call)
{
    struct cli *cli = call->cli;
    Id key, user, team;

    if (id_parse(cli->args.at[0], &key) != OK)
        return err_detail(E_BAD_INPUT,
                          "The argument must be the id that \"heddle key list\" shows.");
    TRY(cmd_owners(call, &user, &team));
    return auth_key_assign(NULL, call->boot.db, cli->a, auth_home_tenant, key, user, team);
}

static Err run_add(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, add);
}

static Err run_list(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, list);
}

static Err run_delete(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, delete_one);
}

static Err run_assign(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, assign);
}

static const struct cli_option user_options[] = {
    {"team", "NAME", "The team that the user is of"},
    {0},
};

static const struct cli_option owner_options[] = {
    {"user", "NAME", "The user that the key is of; none if not given"},
    {"team", "NAME", "The team that the key is of; that of its user if not given"},
    {0},
};

const struct cli_verb cmd_key_assign = {
    .name = "key assign",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .summary = "Say of which user and team a key is",
    .details = "What is not given is taken away. Their limits hold for the key's calls, and usage "
               "is summed up by them. A running server sees a change within ten seconds.",
    .options = owner_options,
    .settings = "data database.url",
    .run = run_assign,
};

const struct cli_verb cmd_team_add = {
    .name = "team add",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Make a team, which keys and users can be of",
    .settings = "data database.url",
    .run = run_add,
};

const struct cli_verb cmd_team_delete = {
    .name = "team delete",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Delete a team that no key and no user is of",
    .settings = "data database.url",
    .run = run_delete,
};

const struct cli_verb cmd_team_list = {
    .name = "team list",
    .summary = "List teams",
    .settings = "data database.url",
    .run = run_list,
};

const struct cli_verb cmd_user_add = {
    .name = "user add",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Make a user, whom keys can be of",
    .options = user_options,
    .settings = "data database.url",
    .run = run_add,
};

const struct cli_verb cmd_user_delete = {
    .name = "user delete",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Delete a user whom no key is of",
    .settings = "data database.url",
    .run = run_delete,
};

const struct cli_verb cmd_user_list = {
    .name = "user list",
    .summary = "List users",
    .settings = "data database.url",
    .run = run_list,
};
