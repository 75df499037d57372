/* src/main/cli_test.c */
#include "base/test.h"
#include "main/cli.h"

static Err run_nothing(struct cli *cli)
{
    (void)cli;
    return OK;
}

static const struct cli_option make_options[] = {
    {"name", "NAME", "What it is called"},
    {"force", NULL, "Even if it exists"},
    {0},
};
static const struct cli_verb make_verb = {.name = "thing make",
                                          .args = "FILE [FILE]",
                                          .summary = "Make a thing",
                                          .options = make_options,
                                          .settings = "data database.url",
                                          .min_args = 1,
                                          .max_args = 2,
                                          .run = run_nothing};
static const struct cli_verb list_verb = {
    .name = "thing list", .summary = "List things", .run = run_nothing};
static const struct cli_verb serve_verb = {
    .name = "serve", .summary = "Serve", .settings = "*", .run = run_nothing};
static const struct cli_verb secret_verb = {
    .name = "internal", .summary = "Inside", .hidden = true, .run = run_nothing};
static const struct cli_verb *const verbs[] = {&secret_verb, &serve_verb, &list_verb, &make_verb,
                                               NULL};

/* Parse the words behind "heddle". */
static Err parse(struct cli *cli, const char *const *words)
{
    const char *argv[16] = {"heddle"};
    int argc = 1;

    *cli = (struct cli){.a = t_arena(), .verbs = verbs};
    while (argc < 15 && words[argc - 1]) {
        argv[argc] = words[argc - 1];
        argc++;
    }
    return cli_parse(cli, argc, argv);
}
#define PARSE(cli, ...) parse(cli, (const char *const[]){__VA_ARGS__, NULL})

/* The client's text of the error that parsing these words gives. */
#define COMPLAINT(...)                                                                             \
    ({                                                                                             \
        struct cli cli_;                                                                           \
        Err e_ = PARSE(&cli_, __VA_ARGS__);                                                        \
        str_dup(t_arena(), str_c(e_ == E_BAD_INPUT ? err_client_text(e_) : err_name(e_)));         \
    })

TEST(cli_sorts_options_settings_and_arguments)
{
    struct cli cli;

    t_expect_ok(PARSE(&cli, "thing", "make", "--name", "x", "a.json", "--force",
                      "--database=pg://h", "--config", "c.yaml", "--", "--b"));
    t_expect_str(str_c(cli.verb->name), S("thing make"));
    t_expect_str(cli_get(&cli, "name"), S("x"));
    t_expect(cli_has(&cli, "force"));
    t_expect_int(cli.args.n, 2);
    t_expect_str(cli.args.at[0], S("a.json"));
    t_expect_str(cli.args.at[1], S("--b"));
    t_expect_int(cli.flags.n, 1);
    t_expect_str(str_c(cli.flags.at[0].name), S("database"));
    t_expect_str(cli.flags.at[0].value, S("pg://h"));
    t_expect_str(cli.config_file, S("c.yaml"));
}

TEST(cli_options_not_given_are_told_from_empty_ones)
{
    struct cli cli;

    t_expect_ok(PARSE(&cli, "thing", "make", "f"));
    t_expect(!cli_has(&cli, "force"));
    t_expect(cli_get(&cli, "name").p == NULL);
    t_expect_str(COMPLAINT("thing", "make", "f", "--name="), S("--name has an empty value"));
}

TEST(cli_unknown_verbs_and_options_get_a_suggestion)
{
    t_expect_str(COMPLAINT("sevre"), S("there is no verb \"sevre\". Did you mean \"serve\"?"));
    t_expect_str(COMPLAINT("zzzzz"), S("there is no verb \"zzzzz\"."));
    t_expect_str(COMPLAINT("interna"), S("there is no verb \"interna\"."));
    t_expect_str(COMPLAINT("thing", "make", "--nmae", "x"),
                 S("there is no option --nmae. Did you mean \"--name\"?"));
    t_expect_str(COMPLAINT("thing", "make", "--databse", "x"),
                 S("there is no option --databse. Did you mean \"--database\"?"));
    t_expect_str(COMPLAINT("serve", "--log_level", "info"),
                 S("there is no option --log_level. Did you mean \"--log-level\"?"));
    t_expect_str(COMPLAINT("thing", "make", "--listen", "x"), S("there is no option --listen."));
    t_expect_str(COMPLAINT("thing", "list", "-x"),
                 S("there is no option -x; options begin with two dashes"));
}

TEST(cli_half_a_verb_says_what_may_follow)
{
    t_expect_str(COMPLAINT("thing"),
                 S("\"thing\" needs one more word: \"thing list\", \"thing make\""));
    t_expect_str(COMPLAINT("thing", "mkae"),
                 S("there is no \"thing mkae\"; there is \"thing list\", \"thing make\""));
}

TEST(cli_values_and_arguments_are_counted)
{
    t_expect_str(COMPLAINT("thing", "make", "f", "--name"), S("--name needs a value"));
    t_expect_str(COMPLAINT("thing", "make", "f", "--force=yes"), S("--force takes no value"));
    t_expect_str(COMPLAINT("thing", "make", "f", "--force", "--force"),
                 S("--force is given twice"));
    t_expect_str(COMPLAINT("serve", "--data", "a", "--data", "b"), S("--data is given twice"));
    t_expect_str(COMPLAINT("serve", "--config", "a", "--config", "b"),
                 S("--config is given twice"));
    t_expect_str(COMPLAINT("thing", "make"), S("it needs FILE [FILE]"));
    t_expect_str(COMPLAINT("thing", "make", "a", "b", "c"), S("\"c\" is one word too many"));
}

TEST(cli_help_wins_over_missing_arguments)
{
    struct cli cli;

    t_expect_ok(PARSE(&cli, "thing", "make", "--help"));
    t_expect(cli.help);
}

TEST(cli_help_shows_visible_verbs_options_and_their_settings)
{
    AUTO_BUF(all, KIB(64));
    AUTO_BUF(one, KIB(64));
    AUTO_BUF(group, KIB(64));

    cli_help_all(verbs, &all);
    t_expect(str_find(buf_str(&all), S("thing make")) != SIZE_MAX);
    t_expect_int(str_find(buf_str(&all), S("internal")), SIZE_MAX);
    cli_help_verb(&make_verb, &one);
    t_expect(str_find(buf_str(&one), S("Usage: heddle thing make [OPTION]... FILE [FILE]\n")) !=
             SIZE_MAX);
    t_expect(str_find(buf_str(&one), S("--name NAME")) != SIZE_MAX);
    t_expect(str_find(buf_str(&one), S("--database URL")) != SIZE_MAX);
    t_expect_int(str_find(buf_str(&one), S("--listen")), SIZE_MAX);
    t_expect(cli_help_group(verbs, S("thing"), &group));
    t_expect(!cli_help_group(verbs, S("thin"), &group));
}

TEST(cli_wrap_breaks_between_words)
{
    AUTO_BUF(out, KIB(4));

    cli_wrap(&out, S("one two three\n\nfour"), 2, 10);
    t_expect_str(buf_str(&out), S("  one two\n  three\n\n  four\n"));
}

TEST(cli_verbs_of_the_program_are_sound)
{
    for (size_t i = 0; cli_verbs[i]; i++) {
        const struct cli_verb *v = cli_verbs[i];
        Str keys = str_c(v->settings ? v->settings : "*");

        t_expect(i == 0 || strcmp(cli_verbs[i - 1]->name, v->name) < 0);
        t_expect(v->run != NULL);
        t_expect(v->summary[strlen(v->summary) - 1] != '.');
        t_expect(v->min_args <= v->max_args && (v->max_args == 0) == (v->args == NULL));
        while (keys.p && !str_eq(keys, S("*"))) {
            bool known = false;
            Str key;

            keys = str_cut(keys, ' ', &key);
            for (const struct config_setting *s = config_settings; s->key; s++)
                known |= str_eq(str_c(s->key), key) && s->flag;
            t_expect(known);
        }
    }
}

TEST(cli_man_page_has_no_line_that_roff_would_misread)
{
    AUTO_BUF(out, MIB(1));
    Str rest, line;

    cli_man_page(cli_verbs, &out);
    t_expect_ok(buf_ok(&out));
    rest = buf_str(&out);
    while (rest.p) {
        rest = str_cut(rest, '\n', &line);
        t_expect(!str_starts(line, S("'")));
        t_expect(line.n == 0 || line.p[0] != '.' ||
                 str_find(S("THSPBI\\"), str_from(line.p + 1, 1)) != SIZE_MAX ||
                 str_starts(line, S(".br")));
    }
}
