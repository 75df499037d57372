/* src/main/boot.h - puts the modules together: the one place that knows them all. */
#ifndef MAIN_BOOT_H
#define MAIN_BOOT_H

#include "api/api.h"
#include "main/config.h"
#include "store/db_lock.h"

/* Everything a server or a command stands on. Members are NULL until made; boot_close takes what
 * there is. */
struct boot {
    struct arena *a;
    const struct config *config;
    struct egress *egress;
    struct db_lock *lock, *node_lock;
    struct db *db;
    struct secrets *secrets;
    struct llm *llm;
    struct wf_gateway gateway; /* for steps of workflows; none: they call model servers directly */
    Str base_url;              /* of links, where a server is; empty: nobody could follow them */
    struct redis *redis;       /* of a server whose settings name one */
    struct wf_engine *engine;
    struct wf_scheduler *scheduler;
};

/* Make the data folder if it is not there, and see that it can be written. */
Err boot_folder(struct arena *a, const struct config *config) YIELDS;
/* For what only makes sense with a database that is there: to look into a folder that is not would
 * make one, and find nothing in it. E_NOT_FOUND with a detail. */
Err boot_expect_data(struct arena *a, const struct config *config);
/* Make the data folder (mode 0700) if it is not there, open the database, bring its schema up to
 * date.
 * @exclusive: take the lock of the data folder, as a server does. */
Err boot_store(struct boot *b, struct arena *a, const struct config *config, bool exclusive) YIELDS;
/* The master key and the model gateway on top of the store. @serve: for calls, which are recorded.
 */
Err boot_gateway(struct boot *b, bool serve) YIELDS;
/* The egress door and the engine on top of the store. @alone: no other process runs on this
 * database. */
Err boot_engine(struct boot *b, bool alone) YIELDS;
/* Drain the engine within @grace, close everything. */
void boot_close(struct boot *b, Usec grace) YIELDS;

/* Run @fn(@arg) in the boot fiber of a runtime set up by @config. */
Err boot_run(const struct config *config, Err (*fn)(void *arg), void *arg);

#endif
