/* src/main/cmd_key.c - "heddle key create|list|revoke" and "heddle signin": access from the
 * server's shell.
 *
 * They open the database beside a running server or without one. */
#include "base/utf8.h"
#include "main/cmd_store.h"

static Err create_key(struct store_call *call)
{
    struct cli *cli = call->cli;
    Str key, expires = cli_get(cli, "expires");
    Usec span = 0;
    Id id, user, team;

    if (expires.n && time_parse_span(expires, &span) != OK)
        return err_detail(E_BAD_INPUT, "--expires takes a span such as 90d.");
    Str capabilities = cli_has(cli, "capability") ? cli_get(cli, "capability") : S("*");
    TRY(cmd_owners(call, &user, &team));
    TRY(auth_key_create_of(call->boot.db, cli->a, auth_home_tenant, cli_get(cli, "name"),
                           capabilities, span ? time_wall() + span : 0, user, team, &key, &id));
    return cli_print(str_fmt(cli->a, "%.*s\n", P(key)));
}

static Err run_create(struct cli *cli)
{
    if (!cli_get(cli, "name").n)
        return err_detail(E_BAD_INPUT, "--name NAME is needed: what the key is for.");
    return cmd_with_store(cli, 0, create_key);
}

/* A name as the terminal may have it: older versions took control characters. */
static Str printable(struct arena *a, Str name)
{
    AUTO_BUF(out, KIB(4));

    for (size_t n; (n = utf8_control_free(name)) < name.n;) {
        size_t used;
        buf_add(&out, str_head(name, n));
        name = str_skip(name, n);
        buf_add_fmt(&out, "\\u%04x", utf8_decode(name, &used));
        name = str_skip(name, used);
    }
    buf_add(&out, name);
    return str_dup(a, buf_str(&out));
}

static Err list_keys(struct store_call *call)
{
    struct arena *a = call->cli->a;
    AuthKeys keys;
    AUTO_BUF(out, MIB(1));

    TRY(auth_key_list(call->boot.db, a, auth_home_tenant, &keys));
    vec_each(&keys, k) {
        char id[ID_TEXT_SIZE], made[TIME_RFC3339_SIZE];
        bool expired = k->expires_at && k->expires_at <= time_wall();
        buf_add_fmt(&out, "%.*s  %.*s...  %.10s  %-8s  %.*s  %.*s\n", P(id_text(k->id, id)),
                    P(k->prefix), time_rfc3339(k->created_at, made).p,
                    k->revoked_at ? "revoked"
                    : expired     ? "expired"
                                  : "active",
                    P(printable(a, k->name)), P(k->capabilities));
    }
    TRY(buf_ok(&out));
    return cli_print(buf_str(&out));
}

static Err run_list(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, list_keys);
}

static Err revoke_key(struct store_call *call)
{
    Id id;
    if (id_parse(call->cli->args.at[0], &id) != OK)
        return err_detail(E_BAD_INPUT,
                          "The argument must be the id that \"heddle key list\" shows.");
    return auth_key_revoke(NULL, call->boot.db, call->cli->a, auth_home_tenant, id);
}

static Err run_revoke(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, revoke_key);
}

static Err make_link(struct store_call *call)
{
    struct arena *a = call->cli->a;
    const struct config *c = &call->config;
    Str token, base = c->base_url.n ? c->base_url : str_fmt(a, "http://%.*s", P(c->listen));

    TRY(auth_link_create(call->boot.db, a, auth_home_tenant, 15 * USEC_MIN, &token));
    return cli_print(str_fmt(a, "%.*s/signin?token=%.*s\n", P(base), P(token)));
}

static Err run_signin(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, make_link);
}

static const struct cli_option create_options[] = {
    {"name", "NAME", "What the key is for"},
    {"capability", "LIST", "What it may do, separated by commas; all if not given"},
    {"expires", "SPAN", "When it stops to work, such as 90d; never if not given"},
    {"user", "NAME", "The user that it is of"},
    {"team", "NAME", "The team that it is of; that of its user if not given"},
    {0},
};

const struct cli_verb cmd_key_create = {
    .name = "key create",
    .summary = "Make an API key and print it",
    .details =
        "The key alone is printed; it is stored nowhere. Works whether the server runs or not. "
        "Capabilities: workflow.read, workflow.write, run.read, run.start, run.cancel, "
        "approval.decide, event.send, "
        "key.read, key.write, model.call, provider.read, provider.write, usage.read, prompt.read, "
        "prompt.write, call.read, "
        "metrics.read, "
        "* for all.",
    .options = create_options,
    .settings = "data database.url",
    .run = run_create,
};

const struct cli_verb cmd_key_list = {
    .name = "key list",
    .summary = "List API keys",
    .settings = "data database.url",
    .run = run_list,
};

const struct cli_verb cmd_key_revoke = {
    .name = "key revoke",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .summary = "Revoke an API key",
    .details = "A running server refuses it within ten seconds.",
    .settings = "data database.url",
    .run = run_revoke,
};

const struct cli_verb cmd_signin = {
    .name = "signin",
    .summary = "Print a one-time link that signs a browser in",
    .settings = "data database.url listen base_url",
    .run = run_signin,
};
