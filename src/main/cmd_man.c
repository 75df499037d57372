/* src/main/cmd_man.c - "heddle man": the manual page, printed from the tables (docs/heddle.1 is its
 * output). */
#include "main/cli.h"

/* Text for roff: no line begins with a control character, dashes stay dashes. */
static void add_text(struct buf *out, Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool line_start = i == 0 ? out->n == 0 || out->p[out->n - 1] == '\n' : s.p[i - 1] == '\n';

        if (line_start && (s.p[i] == '.' || s.p[i] == '\''))
            buf_add_c(out, "\\&");
        if (s.p[i] == '\\')
            buf_add_c(out, "\\e");
        else if (s.p[i] == '-')
            buf_add_c(out, "\\-");
        else
            buf_add_char(out, s.p[i]);
    }
}

static void add_c(struct buf *out, const char *text)
{
    add_text(out, str_c(text));
}

static void add_option(struct buf *out, const char *name, const char *value, const char *help)
{
    buf_add_c(out, ".TP\n.B \\-\\-");
    add_c(out, name);
    if (value) {
        buf_add_c(out, " \\fI");
        add_c(out, value);
        buf_add_c(out, "\\fR");
    }
    buf_add_char(out, '\n');
    add_c(out, help);
    buf_add_c(out, ".\n");
}

static void add_details(struct buf *out, const char *details)
{
    Str rest = str_c(details), line;

    while (rest.p) {
        rest = str_cut(rest, '\n', &line);
        if (line.n == 0) {
            buf_add_c(out, ".PP\n");
            continue;
        }
        add_text(out, line);
        buf_add_char(out, '\n');
    }
}

/* "The settings --data and --database are taken too." */
static void add_setting_flags(struct buf *out, const struct cli_verb *verb)
{
    bool any = false;

    if (!verb->settings)
        return;
    buf_add_c(out, ".PP\nTakes the flags of settings: ");
    for (const struct config_setting *s = config_settings; s->key; s++) {
        if (!cli_takes_setting(verb, s))
            continue;
        buf_add_fmt(out, "%s\\fB\\-\\-", any ? ", " : "");
        add_c(out, s->flag);
        buf_add_c(out, "\\fR");
        any = true;
    }
    buf_add_c(out, "; and \\fB\\-\\-config\\fR \\fIFILE\\fR, the YAML file to read.\n");
}

static void add_verb(struct buf *out, const struct cli_verb *verb)
{
    buf_add_c(out, ".SS heddle ");
    add_c(out, verb->name);
    if (verb->options || verb->settings)
        buf_add_c(out, " [OPTION]...");
    if (verb->args) {
        buf_add_char(out, ' ');
        add_c(out, verb->args);
    }
    buf_add_char(out, '\n');
    add_c(out, verb->summary);
    buf_add_c(out, ".\n");
    if (verb->details) {
        buf_add_c(out, ".PP\n");
        add_details(out, verb->details);
    }
    for (const struct cli_option *o = verb->options; o && o->name; o++)
        add_option(out, o->name, o->value, o->help);
    add_setting_flags(out, verb);
}

static void add_setting(struct buf *out, const struct config_setting *s)
{
    buf_add_c(out, ".TP\n\\fB");
    add_c(out, s->key);
    buf_add_c(out, "\\fR: \\fI");
    add_c(out, config_value_name(s));
    buf_add_c(out, "\\fR\n");
    add_c(out, s->help);
    buf_add_c(out, ".\n");
    if (s->one_of) {
        buf_add_c(out, "One of: ");
        add_c(out, s->one_of);
        buf_add_c(out, ".\n");
    }
    if (s->dflt[0]) {
        buf_add_c(out, "Default: ");
        add_c(out, s->dflt);
        buf_add_c(out, ".\n");
    }
    if (s->env || s->flag) {
        buf_add_c(out, ".br\n");
        add_c(out, s->env ? s->env : "");
        buf_add_c(out, s->env && s->flag ? ", \\-\\-" : s->flag ? "\\-\\-" : "");
        add_c(out, s->flag ? s->flag : "");
        buf_add_char(out, '\n');
    }
}

void cli_man_page(const struct cli_verb *const *verbs, struct buf *out)
{
    buf_add_c(out,
              ".\\\" Printed by \"heddle man\" from the tables of verbs and settings.\n"
              ".TH HEDDLE 1 \"\" \"Heddle\" \"User Commands\"\n"
              ".SH NAME\nheddle \\- run workflows and AI agents without losing any work\n"
              ".SH SYNOPSIS\n.B heddle\n.I VERB\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
              ".SH DESCRIPTION\n"
              "Heddle is one program: the server with its web console, and the tools around it. "
              "A workflow's\nevery step is committed to the database before the next one starts, "
              "so that a run goes on where\nit was after a crash.\n.SH VERBS\n");
    for (const struct cli_verb *const *v = verbs; *v; v++)
        if (!(*v)->hidden)
            add_verb(out, *v);
    buf_add_c(out,
              ".SH SETTINGS\nA setting comes from a flag, else the environment, else the YAML "
              "file, else its default. In YAML\nthe dots are levels of nesting. A name that does "
              "not exist and a value that is not valid stop the\nstart.\n");
    for (const struct config_setting *s = config_settings; s->key; s++)
        add_setting(out, s);
    buf_add_c(out, ".SH EXIT STATUS\n");
    for (const struct cli_exit_text *t = cli_exit_texts; t->text; t++)
        buf_add_fmt(out, ".TP\n.B %d\n%s.\n", t->status, t->text);
    buf_add_c(out,
              ".SH FILES\n.TP\n.I DATA/heddle.yaml\nSettings, in the data directory. Read "
              "first.\n.TP\n.I /etc/heddle/heddle.yaml\nSettings of the machine, if there is no "
              "other file.\n.TP\n.I DATA/heddle.db\nThe SQLite database, if no other database is "
              "set.\n");
}

static Err run(struct cli *cli)
{
    AUTO_BUF(text, MIB(1));

    cli_man_page(cli->verbs, &text);
    TRY(buf_ok(&text));
    return cli_print(buf_str(&text));
}

const struct cli_verb cmd_man = {
    .name = "man",
    .summary = "Print the manual page",
    .hidden = true,
    .run = run,
};
