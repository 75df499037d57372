/* src/main/verbs.c - the table of all verbs, in alphabetical order. */
#include "main/verbs.h"

const struct cli_verb *const cli_verbs[] = {
    &cmd_config_check, &cmd_config_print, &cmd_doctor, &cmd_help, &cmd_man, &cmd_version, NULL,
};
