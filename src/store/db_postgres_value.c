/* src/store/db_postgres_value.c - values in PostgreSQL's binary format, both ways. */
#include "store/db_postgres.h"

#include <endian.h>

Oid pg_type_of(enum db_type type)
{
    switch (type) {
    case DB_INT:
        return OID_INT8;
    case DB_REAL:
        return OID_FLOAT8;
    case DB_TEXT:
        return OID_TEXT;
    case DB_BYTES:
        return OID_BYTEA;
    case DB_ID:
        return OID_UUID;
    case DB_NULL:
        break;
    }
    return 0;
}

const char *pg_encode(const struct db_value *v, char *scratch, int *ret_n)
{
    uint64_t bits;

    *ret_n = 8;
    switch (v->type) {
    case DB_INT:
        bits = htobe64((uint64_t)v->i);
        memcpy(scratch, &bits, 8);
        return scratch;
    case DB_REAL:
        memcpy(&bits, &v->d, 8);
        bits = htobe64(bits);
        memcpy(scratch, &bits, 8);
        return scratch;
    case DB_TEXT:
    case DB_BYTES:
        *ret_n = (int)v->s.n;
        return v->s.n ? v->s.p : "";
    case DB_ID:
        *ret_n = sizeof v->id.b;
        return (const char *)v->id.b;
    case DB_NULL:
        break;
    }
    *ret_n = 0;
    return NULL;
}

static uint64_t big_endian(const char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static double real_of(uint64_t bits, int n)
{
    float f;
    double d;
    uint32_t half = (uint32_t)bits;

    if (n == 4) {
        memcpy(&f, &half, 4);
        return (double)f;
    }
    memcpy(&d, &bits, 8);
    return d;
}

/* Sums and averages: groups of four decimal digits. A whole number that fits is one, else a real.
 */
static void add_numeric(const char *p, int n, struct db_rows *rows)
{
    int digits = (int)big_endian(p, 2), weight = (int16_t)big_endian(p + 2, 2);
    unsigned sign = (unsigned)big_endian(p + 4, 2);
    int64_t whole = 0;
    double real = 0, scale = 1;
    bool fits = (sign == 0 || sign == 0x4000) && digits * 2 + 8 <= n && weight < 5;

    for (int i = 0; i < digits && i * 2 + 10 <= n; i++) {
        int64_t group = (int64_t)big_endian(p + 8 + i * 2, 2);
        fits = fits && (i <= weight || group == 0);
        if (fits && i <= weight)
            fits = !__builtin_mul_overflow(whole, 10000, &whole) &&
                   !__builtin_add_overflow(whole, group, &whole);
        real = real * 10000 + (double)group;
    }
    for (int i = digits; i <= weight && fits; i++)
        fits = !__builtin_mul_overflow(whole, 10000, &whole);
    if (fits) {
        db_rows_add_int(rows, sign ? -whole : whole);
        return;
    }
    for (int i = digits - 1; i > weight; i--)
        scale *= 10000;
    real /= scale;
    for (int i = digits - 1; i < weight; i++)
        real *= 10000;
    db_rows_add_real(rows, sign == 0x4000 ? -real : real);
}

static Err add_value(Oid type, const char *p, int n, struct db_rows *rows)
{
    switch (type) {
    case OID_INT8:
        db_rows_add_int(rows, (int64_t)big_endian(p, n));
        return OK;
    case OID_INT4:
        db_rows_add_int(rows, (int32_t)big_endian(p, n));
        return OK;
    case OID_INT2:
        db_rows_add_int(rows, (int16_t)big_endian(p, n));
        return OK;
    case OID_BOOL:
    case OID_OID:
        db_rows_add_int(rows, (int64_t)big_endian(p, n));
        return OK;
    case OID_FLOAT4:
    case OID_FLOAT8:
        db_rows_add_real(rows, real_of(big_endian(p, n), n));
        return OK;
    case OID_NUMERIC:
        if (n < 8)
            break;
        add_numeric(p, n, rows);
        return OK;
    case OID_UUID:
        db_rows_add(rows, DB_ID, p, (size_t)n);
        return OK;
    case OID_BYTEA:
        db_rows_add(rows, DB_BYTES, p, (size_t)n);
        return OK;
    case OID_TEXT:
    case OID_VARCHAR:
    case OID_BPCHAR:
    case OID_NAME:
    case OID_CHAR:
    case OID_JSON:
    case OID_UNKNOWN:
        db_rows_add(rows, DB_TEXT, p, (size_t)n);
        return OK;
    case OID_VOID:
        db_rows_add_null(rows);
        return OK;
    default:
        break;
    }
    return err_set(E_UNSUPPORTED, "a column of PostgreSQL type %u cannot be read", type);
}

Err pg_row(const PGresult *r, int row, struct db_rows *rows)
{
    rows->columns = PQnfields(r);
    for (int i = 0; i < rows->columns; i++) {
        if (PQgetisnull(r, row, i))
            db_rows_add_null(rows);
        else
            TRY(add_value(PQftype(r, i), PQgetvalue(r, row, i), PQgetlength(r, row, i), rows));
    }
    rows->n_rows++;
    return OK;
}
