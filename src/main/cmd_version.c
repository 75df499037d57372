/* src/main/cmd_version.c - "heddle version": what this is, how it was built, what it stands on. */
#include "main/build_info.h"
#include "main/cli.h"
#include "main/versions.h"

static struct json *as_json(struct arena *a)
{
    struct json *libraries = json_obj(a, NULL);

    for (const struct library *l = versions_list(a); l->name; l++)
        json_set(a, libraries, str_c(l->name), json_str(a, l->loaded));
    return json_obj(a, "version", json_str_c(a, HEDDLE_VERSION), "commit",
                    json_str_c(a, build_commit), "build", json_str_c(a, build_type), "compiler",
                    json_str(a, versions_compiler(a)), "libraries", libraries, NULL);
}

static Err run(struct cli *cli)
{
    AUTO_BUF(text, KIB(64));

    if (cli_has(cli, "json")) {
        json_write_pretty(&text, as_json(cli->a));
        buf_add_char(&text, '\n');
    } else {
        buf_add_fmt(&text, "heddle %s (%s, %s, %.*s)\n", HEDDLE_VERSION, build_commit, build_type,
                    P(versions_compiler(cli->a)));
        for (const struct library *l = versions_list(cli->a); l->name; l++)
            buf_add_fmt(&text, "%-10s %.*s\n", l->name, P(l->loaded));
    }
    TRY(buf_ok(&text));
    return cli_print(buf_str(&text));
}

static const struct cli_option options[] = {
    {"json", NULL, "As JSON"},
    {0},
};

const struct cli_verb cmd_version = {
    .name = "version",
    .summary = "Show the version, the build and the libraries",
    .options = options,
    .run = run,
};
