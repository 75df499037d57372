/* src/main/cli_help.c - help texts, printed from the tables of verbs and settings. */
#include "main/cli.h"

enum { WIDTH = 96, COLUMN = 26 };

void cli_wrap(struct buf *out, Str text, unsigned indent, unsigned width)
{
    unsigned column = 0;

    while (text.p) {
        Str line;
        text = str_cut(text, '\n', &line);
        while (line.p) {
            Str word;
            line = str_cut(line, ' ', &word);
            if (word.n == 0)
                continue;
            if (column && column + 1 + word.n > width) {
                buf_add_char(out, '\n');
                column = 0;
            }
            buf_add_fmt(out, "%*s%.*s", column ? 1 : (int)indent, "", P(word));
            column += (unsigned)word.n + (column ? 1 : indent);
        }
        buf_add_char(out, '\n');
        column = 0;
    }
}

/* "  --name VALUE   what it does", the second column wrapped. */
static void add_row(struct buf *out, Str left, Str help)
{
    AUTO_BUF(wrapped, KIB(16));
    Str rest, line;
    bool first = true;

    buf_add_fmt(out, "  %.*s", P(left));
    if (left.n + 4 > COLUMN) {
        buf_add_char(out, '\n');
        first = false;
    }
    cli_wrap(&wrapped, help, 0, WIDTH - COLUMN);
    rest = buf_str(&wrapped);
    while (rest.p && rest.n) {
        rest = str_cut(rest, '\n', &line);
        buf_add_fmt(out, "%*s%.*s\n", first ? (int)(COLUMN - 2 - left.n) : COLUMN, "", P(line));
        first = false;
    }
}

static void add_option_row(struct buf *out, const char *name, const char *value, const char *help)
{
    AUTO_BUF(left, KIB(1));

    buf_add_fmt(&left, "--%s%s%s", name, value ? " " : "", value ? value : "");
    add_row(out, buf_str(&left), str_c(help));
}

/* "listen: ... (default 127.0.0.1:3000; HEDDLE_LISTEN)". */
static void add_setting_row(struct buf *out, const struct config_setting *s)
{
    AUTO_BUF(help, KIB(4));

    buf_add_c(&help, s->help);
    if (s->one_of && s->type == CONFIG_ENUM)
        buf_add_fmt(&help, ": %s", s->one_of);
    if (s->dflt[0])
        buf_add_fmt(&help, " (default %s)", s->dflt);
    buf_add_char(&help, 0);
    add_option_row(out, s->flag, config_value_name(s), help.p);
}

static void add_settings(const struct cli_verb *verb, struct buf *out)
{
    buf_add_c(
        out,
        "\nSettings (also in the environment and heddle.yaml; see \"heddle help settings\"):\n");
    for (const struct config_setting *s = config_settings; s->key; s++)
        if (cli_takes_setting(verb, s))
            add_setting_row(out, s);
    add_option_row(out, "config", "FILE",
                   "The YAML file to read instead of DATA/heddle.yaml or "
                   "/etc/heddle/heddle.yaml");
}

static void add_usage(const struct cli_verb *verb, struct buf *out)
{
    buf_add_fmt(out, "heddle %s%s%s%s\n", verb->name,
                verb->options || verb->settings ? " [OPTION]..." : "", verb->args ? " " : "",
                verb->args ? verb->args : "");
}

void cli_help_verb(const struct cli_verb *verb, struct buf *out)
{
    buf_add_fmt(out, "%s.\n\nUsage: ", verb->summary);
    add_usage(verb, out);
    if (verb->details) {
        buf_add_char(out, '\n');
        cli_wrap(out, str_c(verb->details), 0, WIDTH);
    }
    buf_add_c(out, "\nOptions:\n");
    for (const struct cli_option *o = verb->options; o && o->name; o++)
        add_option_row(out, o->name, o->value, o->help);
    add_option_row(out, "help", NULL, "This text");
    if (verb->settings)
        add_settings(verb, out);
}

bool cli_help_group(const struct cli_verb *const *verbs, Str word, struct buf *out)
{
    bool any = false;

    for (; *verbs; verbs++) {
        Str name = str_c((*verbs)->name);
        if (!str_starts(name, word) || name.n <= word.n || name.p[word.n] != ' ')
            continue;
        buf_add_c(out, any ? "" : "Usage:\n");
        add_row(out, name, str_c((*verbs)->summary));
        any = true;
    }
    if (any)
        buf_add_fmt(out, "\n\"heddle %.*s WORD --help\" tells more.\n", P(word));
    return any;
}

void cli_help_all(const struct cli_verb *const *verbs, struct buf *out)
{
    buf_add_c(out,
              "Heddle runs workflows and AI agents on your own machine and loses none of their "
              "work.\n\nUsage: heddle VERB [OPTION]... [ARGUMENT]...\n\nVerbs:\n");
    for (const struct cli_verb *const *v = verbs; *v; v++)
        if (!(*v)->hidden)
            add_row(out, str_c((*v)->name), str_c((*v)->summary));
    buf_add_c(out, "\nOptions:\n");
    add_option_row(out, "help", NULL, "This text; behind a verb, the help of that verb");
    add_option_row(out, "version", NULL, "The version");
    buf_add_c(out, "\nExit status:\n");
    for (const struct cli_exit_text *t = cli_exit_texts; t->text; t++)
        buf_add_fmt(out, "  %d  %s\n", t->status, t->text);
}
