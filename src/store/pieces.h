/* src/store/pieces.h - a long text as pieces that are stored once each, and a sheet that says how
 * they make the text again.
 *
 * The text is JSON of one journal batch. It is cut at the borders of its large values, and within
 * long values where the content says so (a rolling hash), so that what a run says again - the
 * conversation so far, in each round of a loop - is cut at the same places again and gives the same
 * pieces. A run numbers its pieces from 0; a sheet names them by number, which takes a byte or two,
 * and holds what is between them. The bytes are described in docs/formats/journal.md.
 *
 * Pure: no store, no clock. What is read here came from a disk and may be anything: every length is
 * held to a limit before memory is taken for it.
 */
#ifndef STORE_PIECES_H
#define STORE_PIECES_H

#include "base/crypto.h"
#include "base/vec.h"

enum {
    PIECE_MAX = 1 << 20,         /* bytes of one piece */
    PIECES_TEXT_MAX = 64 << 20,  /* bytes of what a sheet makes */
    PIECES_NUMBER_MAX = 1 << 30, /* pieces of a run */
};

struct piece {
    int64_t n; /* its number in the run */
    uint8_t hash[CRYPTO_HASH_SIZE];
    size_t size; /* bytes of its text */
    Str body;    /* as it is stored: compressed if that is shorter */
};
typedef VEC(struct piece) Pieces;

/* The pieces that a run has, by their hashes. It remembers so many; those beyond are found again by
 * the store and only take another number. */
struct piece_book;
struct piece_book *piece_book_new(void);
void piece_book_free(struct piece_book *book);
DEFINE_AUTO(piece_book, piece_book_free)
/* The run has piece @n. */
void piece_book_add(struct piece_book *book, int64_t n, const uint8_t hash[CRYPTO_HASH_SIZE]);

/* What is stored in place of @text: a sheet, or @text itself where that is as good. *ret_new: the
 * pieces that the run did not have; they are in the book now. Everything lives in @a but @text,
 * which is borrowed. Takes some 5 ms for a MiB: on a worker when it is much. */
void pieces_cut(struct arena *a, struct piece_book *book, Str text, Pieces *ret_new,
                Str *ret_stored);

/* Whether @stored is a sheet; else it is the text. */
bool pieces_is_sheet(Str stored);

struct sheet {
    size_t text_n;
    Str ops;
};
typedef VEC(int64_t) PieceNumbers;
/* Read a sheet. *ret_numbers: the pieces it needs, sorted, each once. E_CORRUPT. */
Err sheet_open(struct arena *a, Str stored, struct sheet *ret_sheet, PieceNumbers *ret_numbers);
/* Make the text of pieces that @find gives; E_CORRUPT when it does not come out as it should. */
Err sheet_join(struct arena *a, const struct sheet *sheet, Str (*find)(void *ctx, int64_t n),
               void *ctx, Str *ret_text);
/* The text of a stored piece. E_CORRUPT when that has not @size bytes and @hash. */
Err piece_open(struct arena *a, Str body, int64_t size, Str hash, Str *ret_text);

#endif
