/* src/store/migrate.h - the numbered migrations, compiled in from migrate/NNNN_*.sql. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

extern const struct migration migrations[];

#endif
