/* src/store/db_lock.h - one server for one data folder. */
#ifndef STORE_DB_LOCK_H
#define STORE_DB_LOCK_H

#include "base/str.h"

struct db_lock;

/* Lock @folder for this process until db_lock_free or its end, however that comes; child processes
 * do not inherit it. E_LOCKED with a detail that names the process that has it. Short-lived
 * commands that use the database beside the server take no lock. */
Err db_lock_exclusive(const char *folder, struct db_lock **ret_lock);
void db_lock_free(struct db_lock *lock);
DEFINE_AUTO(db_lock, db_lock_free)

/* The process that holds the lock, 0 if none does. */
Err db_lock_holder(const char *folder, int *ret_pid);

#endif
