/* test/fuzz/fuzz_pieces.c - a stored batch may be anything: it is refused, or it makes as many
 * bytes as it said; and what is cut comes out as it went in. */
#include "store/pieces.h"

#include <assert.h>

struct shelf {
    VEC(Str) texts;
};

static Str find(void *ctx, int64_t n)
{
    const struct shelf *s = ctx;
    return n < (int64_t)s->texts.n ? s->texts.at[n] : S("");
}

static void read_stored(Str stored)
{
    AUTO(arena) *a = arena_new((size_t)PIECES_TEXT_MAX * 6);
    struct shelf shelf = {0};
    PieceNumbers numbers;
    struct sheet sheet;
    Str text;

    for (int i = 0; i < 4; i++)
        vec_push(a, &shelf.texts, S("a piece of text"));
    if (sheet_open(a, stored, &sheet, &numbers) != OK)
        return;
    for (size_t i = 1; i < numbers.n; i++)
        assert(numbers.at[i - 1] < numbers.at[i]);
    if (sheet_join(a, &sheet, find, &shelf, &text) == OK)
        assert(text.n == sheet.text_n && text.n <= PIECES_TEXT_MAX);
    (void)!piece_open(a, stored, (int64_t)stored.n, S("0123456789abcdef0123456789abcdef"), &text);
}

static void cut_and_join(Str in)
{
    AUTO(arena) *a = arena_new((size_t)PIECES_TEXT_MAX * 6);
    AUTO(piece_book) *book = piece_book_new();
    struct shelf shelf = {0};
    PieceNumbers numbers;
    struct sheet sheet;
    Str stored, text;
    Pieces new;

    pieces_cut(a, book, in, &new, &stored);
    vec_each(&new, p) {
        if (piece_open(a, p->body, (int64_t)p->size, str_from((char *)p->hash, sizeof p->hash),
                       &text) != OK)
            assert(false);
        vec_push(a, &shelf.texts, text);
    }
    if (!pieces_is_sheet(stored)) {
        assert(stored.p == in.p && stored.n == in.n && new.n == 0);
        return;
    }
    if (sheet_open(a, stored, &sheet, &numbers) != OK ||
        sheet_join(a, &sheet, find, &shelf, &text) != OK)
        assert(false);
    assert(str_eq(text, in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str in = str_from((const char *)data, size);

    if (size == 0)
        return 0;
    read_stored(in);
    if (in.p[0] != 1) /* a batch of events begins with a bracket */
        cut_and_join(in);
    return 0;
}
