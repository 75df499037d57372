/* src/main/cmd_files.c - see cmd_files.h. */
#include "main/cmd_files.h"

#include "rt/work.h"

enum { INPUT_MAX = 16 << 20 };

Err cmd_read_definition(struct cli *cli, Str path, struct wf_def **ret_def)
{
    struct arena *a = cli->a;
    WfProblems problems = {0};
    Str text;

    Err e = work_read_file(a, str_dup_c(a, path), WF_TEXT_MAX, &text);
    if (e != OK)
        return err_detail(e, "%.*s cannot be read: %s", P(path), err_text(e));
    e = wf_def_parse_aside(a, text, &problems, ret_def);
    vec_each(&problems, p) {
        const char *kind = p->warning ? "warning" : "error";
        bool both = p->node.n && p->field.n, none = !p->node.n && !p->field.n;
        fprintf(stderr, "%.*s: %s: %.*s%s%.*s%s%.*s\n", P(path), kind, P(p->node), both ? " " : "",
                P(p->field), none ? "" : ": ", P(p->message));
    }
    if (e == E_INVALID || (e != OK && problems.n)) {
        cli->exit = CLI_CONFIG;
        return err_detail(E_INVALID, "%.*s is not a valid workflow.", P(path));
    }
    return e;
}

Err cmd_read_json(struct cli *cli, Str given, const char *option, struct json **ret_value)
{
    struct arena *a = cli->a;
    Str text = given;

    if (given.n && given.p[0] == '@')
        TRY(work_read_file(a, str_dup_c(a, str_skip(given, 1)), INPUT_MAX, &text));
    else if (str_eq(given, S("-")))
        TRY(work_read_file(a, "/dev/stdin", INPUT_MAX, &text));
    Err e = json_parse(a, text, ret_value);
    if (e != OK)
        return err_detail(e, "%s is no JSON: %s", option, err_client_text(e));
    return OK;
}
