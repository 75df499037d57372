/* src/main/cmd_help.c - "heddle help [VERB]" and "heddle help settings". */
#include "main/cli.h"

/* Every setting with all its names: the reference. */
static void add_settings(struct buf *out)
{
    buf_add_c(out, "Settings come from a flag, else the environment, else heddle.yaml, else their "
                   "default. In YAML the\ndots are levels of nesting.\n");
    for (const struct config_setting *s = config_settings; s->key; s++) {
        AUTO_BUF(text, KIB(2));

        buf_add_fmt(out, "\n%s: %s\n", s->key, config_value_name(s));
        buf_add_fmt(&text, "%s.", s->help);
        if (s->one_of)
            buf_add_fmt(&text, " One of: %s.", s->one_of);
        if (s->dflt[0])
            buf_add_fmt(&text, " Default: %s.", s->dflt);
        cli_wrap(out, buf_str(&text), 4, 96);
        if (s->env || s->flag)
            buf_add_fmt(out, "    %s%s%s%s\n", s->env ? s->env : "", s->env && s->flag ? ", " : "",
                        s->flag ? "--" : "", s->flag ? s->flag : "");
    }
}

static Err run(struct cli *cli)
{
    AUTO_BUF(text, KIB(256));

    if (cli->args.n == 0) {
        cli_help_all(cli->verbs, &text);
    } else if (str_eq(cli->args.at[0], S("settings"))) {
        add_settings(&text);
    } else {
        Str name = str_join(cli->a, cli->args.at, cli->args.n, S(" "));
        for (const struct cli_verb *const *v = cli->verbs; *v; v++)
            if (str_eq(str_c((*v)->name), name))
                cli_help_verb(*v, &text);
        if (text.n == 0 && !cli_help_group(cli->verbs, name, &text))
            return err_detail(E_BAD_INPUT, "there is no verb \"%.*s\"", P(name));
    }
    TRY(buf_ok(&text));
    return cli_print(buf_str(&text));
}

const struct cli_verb cmd_help = {
    .name = "help",
    .args = "[VERB | settings]",
    .summary = "Explain a verb, or all settings",
    .max_args = 2,
    .run = run,
};
