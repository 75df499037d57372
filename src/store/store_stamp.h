/* src/store/store_stamp.h - whether a table that is kept in memory was changed by somebody else. */
#ifndef STORE_STORE_STAMP_H
#define STORE_STORE_STAMP_H

#include "store/db.h"

/* What a table is as a whole: two equal stamps stand for the same rows. */
struct store_stamp {
    int64_t rows, sum;
};

/* The columns to select: a change raises a revision, a new row has a time of its own, so no clock
 * need be right. */
#define STORE_STAMP_COLUMNS                                                                        \
    "COUNT(*), CAST(SUM(created_at % 1000000007 + revision * 7919) AS BIGINT)"

/* @sql: SELECT STORE_STAMP_COLUMNS of a table with created_at and revision. */
Err store_stamp_read(struct db *db, struct arena *a, const char *sql, struct store_stamp *ret_stamp)
    YIELDS;

#endif
