/* src/store/db_postgres.c - PostgreSQL behind db.h. */
#include "store/db_private.h"

Err db_postgres_open(const struct db_options *options, struct db **ret_db)
{
    (void)options, (void)ret_db;
    return err_detail(E_UNSUPPORTED, "This build has no PostgreSQL support yet.");
}
