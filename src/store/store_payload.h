/* src/store/store_payload.h - large values of journals: each once in a tenant, by its content.
 *
 * A batch of a journal is packed before its transaction is built: what is large in it goes into
 * rows of its own (pieces.h), which the transaction writes along with the journal's row. So there
 * is no row without its values, and no value without a row that needs it, whatever crashes. A value
 * that is there already stays as it is; that nobody deletes it meanwhile is seen to by the foreign
 * key of run_payload: one of the two transactions is done again.
 */
#ifndef STORE_STORE_PAYLOAD_H
#define STORE_STORE_PAYLOAD_H

#include "store/db.h"
#include "store/pieces.h"

/* A batch of events as it is written. */
struct journal_batch {
    Str stored;    /* what stands in the journal's row */
    Pieces pieces; /* new ones of the run */
};

enum { STORE_INLINE_USUAL = 2 << 10 };

/* Batches shorter than @bytes are stored as they are. For the whole process, before the first run.
 */
void store_payload_set_inline(size_t bytes);

/* Pack @text, which is borrowed until the batch is written. *book is that of the run; one that is
 * NULL is made if there is something to remember, from what is stored of @run if that has been
 * @stored. */
Err store_payload_pack(struct db *db, struct arena *a, Id run, bool stored,
                       struct piece_book **book, Str text, struct journal_batch *ret_batch) YIELDS;
/* Queue the values of a batch, behind its journal row. */
void store_payload_put(struct db_tx *tx, Id tenant, Id run, const struct journal_batch *batch);

/* What makes texts of the stored batches of one run again. */
struct payload_reader;
struct payload_reader *payload_reader_new(struct db *db, Id run);
void payload_reader_free(struct payload_reader *r);
DEFINE_AUTO(payload_reader, payload_reader_free)
/* The text of @stored; it stays until the next call. E_CORRUPT. */
Err payload_read(struct payload_reader *r, Str stored, Str *ret_text) YIELDS;

/* Queue the deletion of what @run refers to, and of what nobody refers to then. @hashes: from
 * store_payload_of(), of a run that has ended. */
typedef VEC(Str) PayloadHashes;
Err store_payload_of(struct db *db, struct arena *a, Id run, PayloadHashes *ret_hashes) YIELDS;
void store_payload_drop(struct db_tx *tx, Id tenant, Id run, const PayloadHashes *hashes);

#endif
