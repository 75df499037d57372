/* src/main/cmd_apply.c - "heddle apply FILE": providers, routes, prices, keys and limits as a file
 * says, from the server's shell.
 *
 * It opens the database beside a running server or without one; the server sees a change within
 * seconds. */
#include "main/apply.h"
#include "main/cmd_store.h"

enum { OUT_MAX = 16 << 20 };

static Err apply(struct store_call *call)
{
    AUTO(arena) *a = arena_new(APPLY_ARENA_MAX);
    AUTO_BUF(out, OUT_MAX);
    struct cli *cli = call->cli;
    struct apply *ap = arena_new_of(a, struct apply);

    *ap = (struct apply){.a = a,
                         .boot = &call->boot,
                         .tenant = auth_home_tenant,
                         .env = cli->env,
                         .dry = cli_has(cli, "dry-run"),
                         .make_keys = true,
                         .out = &out};
    Err e = apply_file(ap, cli->args.at[0]);
    struct err_record record = *err_record();
    Err printed = cli_print(buf_str(&out)); /* what was done before a failure, keys among it */
    *err_record() = record;
    TRY(e);
    TRY(printed);
    return cli_print(str_fmt(cli->a, "%u %smade, %u %schanged, %u as they are to be\n", ap->made,
                             ap->dry ? "would be " : "", ap->changed, ap->dry ? "would be " : "",
                             ap->same));
}

static Err run(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY, apply);
}

static const struct cli_option options[] = {
    {"dry-run", NULL, "Say what would be made and changed, and do nothing"},
    {0},
};

const struct cli_verb cmd_apply = {
    .name = "apply",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .summary = "Make providers, routes, prices, keys, guards and limits what a file says",
    .details =
        "The file is YAML or JSON, with the sections providers, routes, prices, keys, guards and "
        "limits; "
        "\"-\" reads it from standard input. What it names is made or changed, what it does not "
        "name stays, and to apply it again does nothing. Secrets stand in it as ${NAME}, of the "
        "environment, or as {file: PATH}. New keys are printed, this once. Works whether the "
        "server runs or not; the setting models.file has a server apply a file at its start.",
    .options = options,
    .settings = "data database.url egress.allow",
    .run = run,
};
