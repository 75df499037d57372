/* src/main/cmd_config.c - "heddle config print" and "heddle config check". */
#include "main/cli.h"

static Err print(struct cli *cli)
{
    AUTO_BUF(text, MIB(1));
    struct config config;

    TRY(cli_config(cli, &config));
    if (cli_has(cli, "json")) {
        json_write_pretty(&text, config_json(cli->a, &config));
        buf_add_char(&text, '\n');
    } else {
        config_print(cli->a, &config, &text);
    }
    TRY(buf_ok(&text));
    return cli_print(buf_str(&text));
}

static Err check(struct cli *cli)
{
    struct config config;

    TRY(cli_config_whole(cli, &config));
    if (config.file.n)
        return cli_print(
            str_fmt(cli->a, "the configuration is valid (%.*s was read)\n", P(config.file)));
    return cli_print(S("the configuration is valid (no file was read)\n"));
}

static const struct cli_option print_options[] = {
    {"json", NULL, "As JSON"},
    {0},
};

const struct cli_verb cmd_config_print = {
    .name = "config print",
    .summary = "Show the effective settings and where each comes from",
    .details = "The output is in the form of heddle.yaml. Secrets are shown as ***.",
    .options = print_options,
    .settings = "*",
    .run = print,
};

const struct cli_verb cmd_config_check = {
    .name = "config check",
    .summary = "Check file, environment and flags without starting anything",
    .details = "Prints every complaint with its place, and ends with status 3 if there is one.",
    .settings = "*",
    .run = check,
};
