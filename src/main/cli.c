/* src/main/cli.c - find the verb, sort its options, run it, say what went wrong. */
#include "main/cli.h"
#include "base/guess.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { COMPLAINTS_MAX = 64 << 10 };

const struct cli_exit_text cli_exit_texts[] = {
    {CLI_OK, "done"},
    {CLI_FAILED, "it failed; standard error says why"},
    {CLI_USAGE, "the command line is not valid"},
    {CLI_CONFIG, "a setting is not valid"},
    {0},
};

/* ---- finding the verb ---- */

static Str first_word(const char *name)
{
    Str head;

    (void)str_cut(str_c(name), ' ', &head); /* the second word is not asked for */
    return head;
}

static const struct cli_verb *find(const struct cli_verb *const *verbs, Str name)
{
    for (; *verbs; verbs++)
        if (str_eq(str_c((*verbs)->name), name))
            return *verbs;
    return NULL;
}

static bool is_group(const struct cli_verb *const *verbs, Str word)
{
    for (; *verbs; verbs++)
        if (strchr((*verbs)->name, ' ') && str_eq(first_word((*verbs)->name), word))
            return true;
    return false;
}

static Err no_such_verb(struct cli *cli, Str said)
{
    struct guess near = guess_begin(said);
    for (const struct cli_verb *const *v = cli->verbs; *v; v++) {
        if ((*v)->hidden)
            continue;
        guess_try(&near, str_c((*v)->name));
        guess_try(&near, first_word((*v)->name));
    }
    return err_detail(E_BAD_INPUT, "there is no verb \"%.*s\".%.*s", P(said),
                      P(guess_text(cli->a, &near)));
}

/* The words of "key" in "heddle key": what may follow. */
static Err incomplete_verb(struct cli *cli, Str word, Str second)
{
    AUTO_BUF(list, KIB(1));

    for (const struct cli_verb *const *v = cli->verbs; *v; v++) {
        if (!strchr((*v)->name, ' ') || !str_eq(first_word((*v)->name), word))
            continue;
        buf_add_fmt(&list, "%s\"%s\"", list.n ? ", " : "", (*v)->name);
    }
    if (second.n)
        return err_detail(E_BAD_INPUT, "there is no \"%.*s %.*s\"; there is %.*s", P(word),
                          P(second), P(buf_str(&list)));
    return err_detail(E_BAD_INPUT, "\"%.*s\" needs one more word: %.*s", P(word),
                      P(buf_str(&list)));
}

/* Set cli->verb from argv[1] and perhaps argv[2]; *ret_used is how many of them it took. */
static Err find_verb(struct cli *cli, int argc, const char *const *argv, int *ret_used)
{
    Str word = str_c(argv[1]);
    Str second = str_c(argc > 2 && argv[2][0] != '-' ? argv[2] : "");
    const struct cli_verb *verb = NULL;

    *ret_used = 1;
    if (second.n && (verb = find(cli->verbs, str_fmt(cli->a, "%.*s %.*s", P(word), P(second)))))
        *ret_used = 2;
    else
        verb = find(cli->verbs, word);
    if (!verb && is_group(cli->verbs, word))
        return incomplete_verb(cli, word, second);
    if (!verb)
        return no_such_verb(cli, word);
    cli->verb = verb;
    return OK;
}

/* ---- options ---- */

static const struct cli_option *find_option(const struct cli_verb *verb, Str name)
{
    for (const struct cli_option *o = verb->options; o && o->name; o++)
        if (str_eq(str_c(o->name), name))
            return o;
    return NULL;
}

bool cli_takes_setting(const struct cli_verb *verb, const struct config_setting *s)
{
    Str list = str_c(verb->settings);

    if (!verb->settings || !s->flag)
        return false;
    if (str_eq(list, S("*")))
        return true;
    while (list.p) {
        Str key;
        list = str_cut(list, ' ', &key);
        if (str_eq(key, str_c(s->key)))
            return true;
    }
    return false;
}

static const struct config_setting *find_setting(const struct cli_verb *verb, Str flag)
{
    for (const struct config_setting *s = config_settings; s->key; s++)
        if (cli_takes_setting(verb, s) && str_eq(str_c(s->flag), flag))
            return s;
    return NULL;
}

static Err unknown_option(struct cli *cli, Str name)
{
    struct guess near = guess_begin(name);
    guess_try(&near, S("help"));
    if (cli->verb->settings)
        guess_try(&near, S("config"));
    for (const struct cli_option *o = cli->verb->options; o && o->name; o++)
        guess_try(&near, str_c(o->name));
    for (const struct config_setting *s = config_settings; s->key; s++)
        if (cli_takes_setting(cli->verb, s))
            guess_try(&near, str_c(s->flag));
    if (near.best.n)
        near.best = str_fmt(cli->a, "--%.*s", P(near.best));
    return err_detail(E_BAD_INPUT, "there is no option --%.*s.%.*s", P(name),
                      P(guess_text(cli->a, &near)));
}

bool cli_has(const struct cli *cli, const char *option)
{
    vec_each(&cli->given, g)
        if (strcmp(g->name, option) == 0)
            return true;
    return false;
}

Str cli_get(const struct cli *cli, const char *option)
{
    vec_each(&cli->given, g)
        if (strcmp(g->name, option) == 0)
            return g->value;
    return (Str){NULL, 0};
}

static bool is_given(const struct cli *cli, Str name)
{
    vec_each(&cli->given, g)
        if (str_eq(str_c(g->name), name))
            return true;
    vec_each(&cli->flags, f)
        if (str_eq(str_c(f->name), name))
            return true;
    return str_eq(name, S("config")) && cli->config_file.n;
}

/* Keep an option with its value, which stands behind "=" or is the next word. */
static Err take_option(struct cli *cli, Str name, Str inline_value, const char *next,
                       bool *ret_took)
{
    const struct cli_option *option = find_option(cli->verb, name);
    const struct config_setting *setting = option ? NULL : find_setting(cli->verb, name);
    bool is_config = !option && cli->verb->settings && str_eq(name, S("config"));
    bool wants = setting || is_config || (option && option->value);
    Str value = inline_value;

    *ret_took = false;
    if (!option && !setting && !is_config)
        return unknown_option(cli, name);
    if (is_given(cli, name) && !(option && option->repeats))
        return err_detail(E_BAD_INPUT, "--%.*s is given twice", P(name));
    if (!wants && inline_value.p)
        return err_detail(E_BAD_INPUT, "--%.*s takes no value", P(name));
    if (wants && !inline_value.p) {
        if (!next)
            return err_detail(E_BAD_INPUT, "--%.*s needs a value", P(name));
        value = str_c(next);
        *ret_took = true;
    }
    if (wants && value.n == 0)
        return err_detail(E_BAD_INPUT, "--%.*s has an empty value", P(name));
    if (is_config)
        cli->config_file = value;
    else if (setting)
        vec_push(cli->a, &cli->flags, ((struct config_flag){setting->flag, value}));
    else
        vec_push(cli->a, &cli->given, ((struct cli_given){option->name, value}));
    return OK;
}

static Err check_args(const struct cli *cli)
{
    const struct cli_verb *v = cli->verb;

    if (cli->args.n < v->min_args)
        return err_detail(E_BAD_INPUT, "it needs %s", v->args);
    if (cli->args.n > v->max_args)
        return err_detail(E_BAD_INPUT, "\"%.*s\" is one word too many",
                          P(cli->args.at[v->max_args]));
    return OK;
}

Err cli_parse(struct cli *cli, int argc, const char *const *argv)
{
    bool only_args = false;
    int i = 1;

    TRY(find_verb(cli, argc, argv, &i));
    for (i++; i < argc; i++) {
        Str word = str_c(argv[i]), name, value;
        bool took;

        if (!only_args && str_eq(word, S("--"))) {
            only_args = true;
        } else if (!only_args && (str_eq(word, S("--help")) || str_eq(word, S("-h")))) {
            cli->help = true;
        } else if (!only_args && str_starts(word, S("--"))) {
            value = str_cut(str_skip(word, 2), '=', &name);
            TRY(take_option(cli, name, value, i + 1 < argc ? argv[i + 1] : NULL, &took));
            i += took;
        } else if (!only_args && word.n > 1 && word.p[0] == '-') {
            return err_detail(E_BAD_INPUT, "there is no option %.*s; options begin with two dashes",
                              P(word));
        } else {
            vec_push(cli->a, &cli->args, word);
        }
    }
    return cli->help ? OK : check_args(cli);
}

/* ---- running ---- */

Err cli_print(Str text)
{
    while (text.n) {
        ssize_t n = write(STDOUT_FILENO, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_detail(err_from_errno(errno), "standard output: %s", strerror(errno));
        text = str_skip(text, (size_t)n);
    }
    return OK;
}

Err cli_config_quiet(struct cli *cli, struct config *ret_config, struct buf *complaints)
{
    struct config_input in = {.env = cli->env,
                              .flags = cli->flags.at,
                              .n_flags = cli->flags.n,
                              .file = cli->config_file,
                              .system_file = S("/etc/heddle/heddle.yaml"),
                              .complaints = complaints};

    return config_load(cli->a, &in, ret_config);
}

Err cli_config(struct cli *cli, struct config *ret_config)
{
    AUTO_BUF(complaints, COMPLAINTS_MAX);
    Err e = cli_config_quiet(cli, ret_config, &complaints);

    if (e != OK) {
        fprintf(stderr, "%.*s", P(buf_str(&complaints)));
        cli->exit = CLI_CONFIG;
    }
    return e;
}

Err cli_config_whole(struct cli *cli, struct config *ret_config)
{
    AUTO_BUF(complaints, COMPLAINTS_MAX);

    TRY(cli_config(cli, ret_config));
    Err e = config_check_files(ret_config, &complaints);
    if (e != OK) {
        fprintf(stderr, "%.*s", P(buf_str(&complaints)));
        cli->exit = CLI_CONFIG;
    }
    return e;
}

static int say_error(const struct cli *cli, Err e)
{
    const char *verb = cli->verb ? cli->verb->name : NULL;

    fprintf(stderr, "heddle%s%s: %s\n", verb ? " " : "", verb ? verb : "", err_text(e));
    if (e == E_BAD_INPUT)
        fprintf(stderr, "\"heddle %s%s--help\" tells more.\n", verb ? verb : "", verb ? " " : "");
    if (cli->exit)
        return cli->exit;
    return e == E_BAD_INPUT ? CLI_USAGE : CLI_FAILED;
}

static Err print_help(struct cli *cli, Str group)
{
    AUTO_BUF(text, KIB(256));

    if (cli->verb)
        cli_help_verb(cli->verb, &text);
    else if (group.n)
        (void)cli_help_group(cli->verbs, group, &text); /* the caller knows that there is one */
    else
        cli_help_all(cli->verbs, &text);
    TRY(buf_ok(&text));
    return cli_print(buf_str(&text));
}

static bool is_help_word(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static Err dispatch(struct cli *cli, int argc, const char *const *argv)
{
    static const char *const version[] = {"heddle", "version"};

    if (argc < 2) {
        cli->exit = CLI_USAGE;
        return print_help(cli, S(""));
    }
    if (is_help_word(argv[1]))
        return print_help(cli, S(""));
    if (argc > 2 && is_help_word(argv[2]) && is_group(cli->verbs, str_c(argv[1])) &&
        !find(cli->verbs, str_c(argv[1])))
        return print_help(cli, str_c(argv[1]));
    if (strcmp(argv[1], "--version") == 0)
        TRY(cli_parse(cli, 2, version));
    else
        TRY(cli_parse(cli, argc, argv));
    return cli->help ? print_help(cli, S("")) : cli->verb->run(cli);
}

int cli_main(int argc, const char *const *argv, const char *const *env,
             const struct cli_verb *const *verbs)
{
    AUTO(arena) *a = arena_new(MIB(64));
    struct cli cli = {.a = a, .verbs = verbs, .env = env};
    Err e = dispatch(&cli, argc, argv);

    return e == OK ? cli.exit : say_error(&cli, e);
}
