/* src/store/store_stamp.c - see store_stamp.h. */
#include "store/store_stamp.h"

Err store_stamp_read(struct db *db, struct arena *a, const char *sql, struct store_stamp *ret_stamp)
{
    AUTO(db_cursor) *c = NULL;
    struct store_stamp stamp = {0};

    TRY(db_query(db, a, sql, DB_NO_ARGS, &c));
    if (db_next(c))
        stamp = (struct store_stamp){db_int(c, 0), db_int(c, 1)};
    TRY(db_finish(c));
    *ret_stamp = stamp;
    return OK;
}
