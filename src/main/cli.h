/* src/main/cli.h - the command line: a table of verbs, their options, and how a verb is run.
 *
 *     heddle VERB [WORD] [--option VALUE | --option=VALUE | --switch]... [ARG]...
 *
 * To add a verb: a cmd_<verb>.c that ends with its struct cli_verb, and a line in verbs.c. Help,
 * manual page and the messages for what was mistyped come from the table. A verb returns OK or an
 * error, whose text is shown on standard error (the caller is the operator) and becomes an exit
 * status.
 */
#ifndef MAIN_CLI_H
#define MAIN_CLI_H

#include "main/config.h"

/* Exit statuses, for scripts. cli_exit_texts says them in words, ended by {0, NULL}. */
enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_CONFIG = 3 };
struct cli_exit_text {
    int status;
    const char *text;
};
extern const struct cli_exit_text cli_exit_texts[];

struct cli_option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands for the value in help; NULL: a switch */
    const char *help;
    bool repeats; /* may be given more than once */
};

struct cli;
struct cli_verb {
    const char *name;                 /* "serve", or two words: "config print" */
    const char *args;                 /* "FILE", "[NAME]"; NULL: none */
    const char *summary;              /* one line without a full stop */
    const char *details;              /* paragraphs, "\n\n" between them; NULL: none */
    const struct cli_option *options; /* ended by {0}; NULL: none */
    const char
        *settings; /* keys of the settings whose flags it takes, "*" for all; NULL: it reads none */
    unsigned min_args, max_args;
    bool hidden; /* not in the list of verbs */
    Err (*run)(struct cli *cli);
};

/* All verbs, in alphabetical order, ended by NULL. */
extern const struct cli_verb *const cli_verbs[];

struct cli_given {
    const char *name;
    Str value; /* p == NULL for a switch */
};

/* One call of the program. */
struct cli {
    struct arena *a;
    const struct cli_verb *const *verbs;
    const struct cli_verb *verb;
    const char *const *env;
    VEC(Str) args;
    VEC(struct cli_given) given;
    VEC(struct config_flag) flags;
    Str config_file;
    bool help;
    int exit; /* status to end with; a verb that fails by itself sets it before it returns OK */
};

/* Find the verb and sort the words behind it. E_BAD_INPUT with a detail for what is unknown, given
 * twice, missing a value or too much. argv is borrowed. */
Err cli_parse(struct cli *cli, int argc, const char *const *argv);
/* The whole life of a call; gives the exit status. */
int cli_main(int argc, const char *const *argv, const char *const *env,
             const struct cli_verb *const *verbs);

/* Whether the option was given; its value, p == NULL if it was not. */
bool cli_has(const struct cli *cli, const char *option);
Str cli_get(const struct cli *cli, const char *option);
/* The effective settings. On failure the complaints are on standard error and E_INVALID ends the
 * program with CLI_CONFIG. */
Err cli_config(struct cli *cli, struct config *ret_config);
/* The same, and that the files it names can be used: for a server. */
Err cli_config_whole(struct cli *cli, struct config *ret_config);
/* As cli_config without printing, for those who report in their own form. */
Err cli_config_quiet(struct cli *cli, struct config *ret_config, struct buf *complaints);
/* Whether @verb takes the flag of this setting. */
bool cli_takes_setting(const struct cli_verb *verb, const struct config_setting *s);
/* Write to standard output, whole; E_IO, E_DISK_FULL, E_CLOSED. */
Err cli_print(Str text);

/* Help texts: of the program, of one verb, of all verbs that begin with a word (false if none
 * does); and the manual page. */
void cli_help_all(const struct cli_verb *const *verbs, struct buf *out);
void cli_help_verb(const struct cli_verb *verb, struct buf *out);
bool cli_help_group(const struct cli_verb *const *verbs, Str word, struct buf *out);
void cli_man_page(const struct cli_verb *const *verbs, struct buf *out);
/* @text in lines of at most @width characters, each after @indent spaces. */
void cli_wrap(struct buf *out, Str text, unsigned indent, unsigned width);

#endif
