/* src/main/verbs.h - the verbs that cmd_*.c files define; verbs.c lists them. */
#ifndef MAIN_VERBS_H
#define MAIN_VERBS_H

#include "main/cli.h"

extern const struct cli_verb cmd_apply, cmd_backup;
extern const struct cli_verb cmd_config_check;
extern const struct cli_verb cmd_config_print;
extern const struct cli_verb cmd_doctor;
extern const struct cli_verb cmd_help;
extern const struct cli_verb cmd_key_assign;
extern const struct cli_verb cmd_key_create;
extern const struct cli_verb cmd_key_limit;
extern const struct cli_verb cmd_key_list;
extern const struct cli_verb cmd_key_revoke;
extern const struct cli_verb cmd_man;
extern const struct cli_verb cmd_openapi;
extern const struct cli_verb cmd_price_import;
extern const struct cli_verb cmd_price_list;
extern const struct cli_verb cmd_price_set;
extern const struct cli_verb cmd_provider_add;
extern const struct cli_verb cmd_provider_list;
extern const struct cli_verb cmd_provider_test;
extern const struct cli_verb cmd_restore;
extern const struct cli_verb cmd_route_add;
extern const struct cli_verb cmd_route_delete;
extern const struct cli_verb cmd_route_list;
extern const struct cli_verb cmd_run;
extern const struct cli_verb cmd_serve;
extern const struct cli_verb cmd_signin;
extern const struct cli_verb cmd_simulate;
extern const struct cli_verb cmd_team_add;
extern const struct cli_verb cmd_team_delete;
extern const struct cli_verb cmd_team_limit;
extern const struct cli_verb cmd_team_list;
extern const struct cli_verb cmd_user_add;
extern const struct cli_verb cmd_user_delete;
extern const struct cli_verb cmd_user_limit;
extern const struct cli_verb cmd_user_list;
extern const struct cli_verb cmd_version;

#endif
