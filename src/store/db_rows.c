/* src/store/db_rows.c - blocks of rows on their way from a database to a cursor.
 *
 * Two growing arrays, so that a query of one row costs two allocations and a block of hundreds not
 * many more. A block that held a huge value gives the memory back when it is used again.
 */
#include "store/db_private.h"

#include <stdlib.h>

enum { KEEP_BYTES = 2 * DB_BLOCK_BYTES };

static void grow(void **p, size_t *cap, size_t need, size_t size, size_t first)
{
    size_t n = *cap ? *cap : first;
    while (n < need)
        n *= 2;
    void *q = realloc(*p, n * size);
    if (!q)
        DIE("out of memory for %zu bytes of rows", n * size);
    *p = q;
    *cap = n;
}

void db_rows_done(struct db_rows *r)
{
    free(r->cells);
    free(r->bytes);
    *r = (struct db_rows){0};
}

void db_rows_reset(struct db_rows *r, int columns)
{
    if (r->cap_bytes > KEEP_BYTES)
        db_rows_done(r);
    r->n_cells = r->n_bytes = r->n_rows = 0;
    r->columns = columns;
}

static struct db_cell *add_cell(struct db_rows *r, enum db_type type)
{
    if (r->n_cells == r->cap_cells)
        grow((void **)&r->cells, &r->cap_cells, r->n_cells + 1, sizeof *r->cells, 16);
    struct db_cell *c = &r->cells[r->n_cells++];
    *c = (struct db_cell){.type = type};
    return c;
}

void db_rows_add_null(struct db_rows *r)
{
    add_cell(r, DB_NULL);
}

void db_rows_add_int(struct db_rows *r, int64_t v)
{
    add_cell(r, DB_INT)->i = v;
}

void db_rows_add_real(struct db_rows *r, double v)
{
    add_cell(r, DB_REAL)->d = v;
}

void db_rows_add(struct db_rows *r, enum db_type type, const void *p, size_t n)
{
    struct db_cell *c = add_cell(r, type);
    if (r->n_bytes + n > r->cap_bytes)
        grow((void **)&r->bytes, &r->cap_bytes, r->n_bytes + n, 1, 256);
    if (n)
        memcpy(r->bytes + r->n_bytes, p, n);
    c->at = r->n_bytes;
    c->n = (uint32_t)n;
    r->n_bytes += n;
}
