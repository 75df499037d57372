/* src/main/cmd_store.h - commands that open the database beside a running server or without one. */
#ifndef MAIN_CMD_STORE_H
#define MAIN_CMD_STORE_H

#include "main/boot.h"
#include "main/cli.h"

struct store_call {
    struct cli *cli;
    struct config config;
    struct boot boot;
    unsigned needs;
    Err (*fn)(struct store_call *call) YIELDS;
};

enum {
    NEEDS_DATA = 1,    /* to look into a folder that is not there would make it and find nothing */
    NEEDS_GATEWAY = 2, /* the model gateway as well as the store */
};

/* Open what @needs says, call @fn in a fiber, close it. One shard is enough; the log is for
 * warnings. */
Err cmd_with_store(struct cli *cli, unsigned needs, Err (*fn)(struct store_call *call));

/* The user and the team that the options of the call name; ID_NONE: they are not given. */
Err cmd_owners(struct store_call *call, Id *ret_user, Id *ret_team) YIELDS;

#endif
