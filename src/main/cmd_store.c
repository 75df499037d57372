/* src/main/cmd_store.c - the frame of commands that work on the database. */
#include "main/cmd_store.h"

#include "rt/log.h"

static Err in_fiber(void *arg)
{
    struct store_call *call = arg;
    Err e = boot_store(&call->boot, call->cli->a, &call->config, false);

    if (e == OK && call->needs & NEEDS_GATEWAY)
        e = boot_gateway(&call->boot, false);
    if (e == OK)
        e = call->fn(call);
    struct err_record record = *err_record();
    boot_close(&call->boot, 0);
    *err_record() = record;
    return e;
}

Err cmd_with_store(struct cli *cli, unsigned needs, Err (*fn)(struct store_call *call))
{
    struct store_call *call = arena_new_of(cli->a, struct store_call);

    *call = (struct store_call){.cli = cli, .needs = needs, .fn = fn};
    TRY(cli_config(cli, &call->config));
    if (needs & NEEDS_DATA)
        TRY(boot_expect_data(cli->a, &call->config));
    call->config.shards = call->config.workers = 1;
    call->config.log.level = LOG_LEVEL_WARN;
    return boot_run(&call->config, in_fiber, call);
}
