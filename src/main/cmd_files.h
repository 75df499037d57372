/* src/main/cmd_files.h - what verbs about workflows are given: definitions and JSON, by file. */
#ifndef MAIN_CMD_FILES_H
#define MAIN_CMD_FILES_H

#include "main/cli.h"
#include "wf/def.h"

/* The workflow in the file @path; its problems go to standard error. E_INVALID sets CLI_CONFIG. */
Err cmd_read_definition(struct cli *cli, Str path, struct wf_def **ret_def) YIELDS;
/* JSON as it stands, "@file", or "-" for standard input. */
Err cmd_read_json(struct cli *cli, Str given, const char *option, struct json **ret_value) YIELDS;

#endif
