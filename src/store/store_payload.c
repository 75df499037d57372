/* src/store/store_payload.c - rows of large values: written with a batch, read with it, let go with
 * their run. */
#include "store/store_payload.h"

#include "base/map.h"
#include "rt/work.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    ASIDE_MIN = 128 << 10, /* from here on a worker cuts and compresses */
    KEPT_MAX = 64 << 20,   /* bytes of pieces that a reader keeps */
    GAP_MAX = 16,          /* read and not needed, between two that are */
};

static _Atomic size_t inline_max = STORE_INLINE_USUAL;

void store_payload_set_inline(size_t bytes)
{
    atomic_store(&inline_max, bytes);
}

/* ---- writing ---- */

static Err load_book(struct db *db, Id run, struct piece_book *book)
{
    static const char sql[] = "SELECT n, hash FROM run_payload WHERE run_id = ?1 ORDER BY n";
    AUTO(arena) *a = arena_new(MIB(4));
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(run)), &c));
    while (db_next(c)) {
        Str hash = db_bytes_view(c, 1);
        if (hash.n == CRYPTO_HASH_SIZE)
            piece_book_add(book, db_int(c, 0), (const uint8_t *)hash.p);
    }
    return db_finish(c);
}

struct cut_job {
    struct arena *a;
    struct piece_book *book;
    Str text;
    struct journal_batch *batch;
};

static Err cut_job(void *arg)
{
    struct cut_job *job = arg;
    pieces_cut(job->a, job->book, job->text, &job->batch->pieces, &job->batch->stored);
    return OK;
}

Err store_payload_pack(struct db *db, struct arena *a, Id run, bool stored,
                       struct piece_book **book, Str text, struct journal_batch *ret_batch)
{
    *ret_batch = (struct journal_batch){.stored = text};
    if (text.n < atomic_load_explicit(&inline_max, memory_order_relaxed))
        return OK;
    if (!*book) {
        AUTO(piece_book) *made = piece_book_new();
        if (stored)
            TRY(load_book(db, run, made));
        *book = made;
        made = NULL;
    }
    struct cut_job job = {a, *book, text, ret_batch};
    return text.n < ASIDE_MIN ? cut_job(&job) : work_run(cut_job, &job);
}

void store_payload_put(struct db_tx *tx, Id tenant, Id run, const struct journal_batch *batch)
{
    static const char put[] =
        "INSERT INTO payload (tenant_id, hash, size, body) VALUES (?1, ?2, ?3,"
        " ?4) ON CONFLICT (tenant_id, hash) DO NOTHING";
    static const char refer[] =
        "INSERT INTO run_payload (run_id, n, tenant_id, hash) VALUES (?1, ?2, ?3, ?4)";

    vec_each(&batch->pieces, p) {
        Str hash = str_from((const char *)p->hash, sizeof p->hash);
        db_exec(tx, put, DB_ARGS(D_ID(tenant), D_BYTES(hash), D_INT(p->size), D_BYTES(p->body)));
        db_exec(tx, refer, DB_ARGS(D_ID(run), D_INT(p->n), D_ID(tenant), D_BYTES(hash)));
    }
}

/* ---- reading ---- */

struct payload_reader {
    struct db *db;
    Id run;
    struct arena *kept_a; /* of the pieces */
    struct map *kept;     /* number -> Str * */
    struct arena *text_a; /* of the last text */
};

struct payload_reader *payload_reader_new(struct db *db, Id run)
{
    struct payload_reader *r = calloc(1, sizeof *r);
    if (!r)
        DIE("out of memory");
    r->db = db;
    r->run = run;
    return r;
}

void payload_reader_free(struct payload_reader *r)
{
    if (!r)
        return;
    if (r->kept)
        map_free(r->kept, NULL);
    arena_free(r->kept_a);
    arena_free(r->text_a);
    free(r);
}

static Str key_of(const int64_t *n)
{
    return str_from((const char *)n, sizeof *n);
}

static Str find_piece(void *ctx, int64_t n)
{
    struct payload_reader *r = ctx;
    const Str *text = map_get(r->kept, key_of(&n));
    return text ? *text : S("");
}

static Err keep_piece(struct payload_reader *r, int64_t n, int64_t size, Str hash, Str body)
{
    Str *text = arena_new_of(r->kept_a, Str), opened;

    if (find_piece(r, n).n)
        return OK;
    Err e = piece_open(r->kept_a, body, size, hash, &opened);
    if (e != OK)
        return err_add(e, "value %lld of a run", (long long)n);
    /* What is not compressed is still in the row. */
    *text = opened.p >= body.p && opened.p < body.p + body.n ? str_dup(r->kept_a, opened) : opened;
    (void)map_put(r->kept, key_of(&n), text);
    return OK;
}

/* The pieces from @from to @to. */
static Err fetch(struct payload_reader *r, int64_t from, int64_t to)
{
    static const char sql[] =
        "SELECT r.n, p.size, p.hash, p.body FROM run_payload r JOIN payload p ON p.tenant_id ="
        " r.tenant_id AND p.hash = r.hash WHERE r.run_id = ?1 AND r.n BETWEEN ?2 AND ?3"
        " ORDER BY r.n";
    AUTO(arena) *a = arena_new(MIB(4));
    AUTO(db_cursor) *c = NULL;

    TRY(db_query(r->db, a, sql, DB_ARGS(D_ID(r->run), D_INT(from), D_INT(to)), &c));
    while (db_next(c)) {
        TRY(keep_piece(r, db_int(c, 0), db_int(c, 1), db_bytes_view(c, 2), db_bytes_view(c, 3)));
        TRY(fiber_breathe());
    }
    return db_finish(c);
}

static void forget_pieces(struct payload_reader *r)
{
    if (r->kept)
        map_free(r->kept, NULL);
    arena_free(r->kept_a);
    r->kept = map_new();
    r->kept_a = arena_new((size_t)KEPT_MAX + (size_t)PIECES_TEXT_MAX * 3);
}

static bool is_missing(struct payload_reader *r, int64_t n)
{
    return find_piece(r, n).n == 0;
}

static Err fetch_missing(struct payload_reader *r, const PieceNumbers *numbers)
{
    for (size_t i = 0; i < numbers->n;) {
        if (!is_missing(r, numbers->at[i])) {
            i++;
            continue;
        }
        size_t last = i, next = i + 1;
        for (; next < numbers->n && numbers->at[next] - numbers->at[last] <= GAP_MAX; next++)
            if (is_missing(r, numbers->at[next]))
                last = next;
        TRY(fetch(r, numbers->at[i], numbers->at[last]));
        i = last + 1;
    }
    return OK;
}

Err payload_read(struct payload_reader *r, Str stored, Str *ret_text)
{
    PieceNumbers numbers;
    struct sheet sheet;

    if (!pieces_is_sheet(stored)) {
        *ret_text = stored;
        return OK;
    }
    arena_free(r->text_a);
    r->text_a = arena_new((size_t)PIECES_TEXT_MAX * 6);
    if (!r->kept || arena_used(r->kept_a) > KEPT_MAX)
        forget_pieces(r);
    TRY(sheet_open(r->text_a, stored, &sheet, &numbers));
    TRY(fetch_missing(r, &numbers));
    return sheet_join(r->text_a, &sheet, find_piece, r, ret_text);
}

/* ---- letting go ---- */

Err store_payload_of(struct db *db, struct arena *a, Id run, PayloadHashes *ret_hashes)
{
    static const char sql[] =
        "SELECT DISTINCT hash FROM run_payload WHERE run_id = ?1 ORDER BY hash";
    AUTO(db_cursor) *c = NULL;
    PayloadHashes hashes = {0};

    TRY(db_query(db, a, sql, DB_ARGS(D_ID(run)), &c));
    while (db_next(c))
        vec_push(a, &hashes, db_bytes(c, 0));
    TRY(db_finish(c));
    *ret_hashes = hashes;
    return OK;
}

void store_payload_drop(struct db_tx *tx, Id tenant, Id run, const PayloadHashes *hashes)
{
    static const char sql[] =
        "DELETE FROM payload WHERE tenant_id = ?1 AND hash = ?2 AND NOT EXISTS (SELECT 1 FROM"
        " run_payload r WHERE r.tenant_id = ?1 AND r.hash = ?2)";

    if (hashes->n)
        db_exec(tx, "DELETE FROM run_payload WHERE run_id = ?1", DB_ARGS(D_ID(run)));
    vec_each(hashes, hash)
        db_exec(tx, sql, DB_ARGS(D_ID(tenant), D_BYTES(*hash)));
}
