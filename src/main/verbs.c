/* src/main/verbs.c - the table of all verbs, in alphabetical order. */
#include "main/verbs.h"

const struct cli_verb *const cli_verbs[] = {
    &cmd_apply,         &cmd_backup,        &cmd_config_check, &cmd_config_print,
    &cmd_doctor,        &cmd_help,          &cmd_key_create,   &cmd_key_limit,
    &cmd_key_list,      &cmd_key_revoke,    &cmd_man,          &cmd_openapi,
    &cmd_price_import,  &cmd_price_list,    &cmd_price_set,    &cmd_provider_add,
    &cmd_provider_list, &cmd_provider_test, &cmd_restore,      &cmd_route_add,
    &cmd_route_delete,  &cmd_route_list,    &cmd_run,          &cmd_serve,
    &cmd_signin,        &cmd_simulate,      &cmd_version,      NULL,
};
