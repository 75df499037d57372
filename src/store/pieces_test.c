/* src/store/pieces_test.c - texts come out as they went in, what is said again costs nothing, and
 * what is damaged is noticed. */
#include "store/pieces.h"

#include "base/buf.h"
#include "base/test.h"

#include <stdlib.h>

struct shelf {
    struct arena *a;
    struct piece_book *book;
    VEC(Str) texts; /* by number */
    size_t bytes;   /* of stored pieces */
};

static struct shelf shelf_new(void)
{
    return (struct shelf){.a = t_arena(), .book = piece_book_new()};
}

static Str find(void *ctx, int64_t n)
{
    struct shelf *s = ctx;
    return n < (int64_t)s->texts.n ? s->texts.at[n] : S("");
}

/* Store @text; gives what it takes. */
static Str store(struct shelf *s, Str text, size_t *ret_new)
{
    Pieces new;
    Str stored;

    pieces_cut(s->a, s->book, text, &new, &stored);
    *ret_new = stored.n;
    vec_each(&new, p) {
        Str opened = S("");
        if (p->n != (int64_t)s->texts.n ||
            piece_open(s->a, p->body, (int64_t)p->size, str_from((char *)p->hash, sizeof p->hash),
                       &opened) != OK)
            t_fail(__FILE__, __LINE__, "piece %lld is not right", (long long)p->n);
        vec_push(s->a, &s->texts, opened);
        s->bytes += p->body.n;
        *ret_new += p->body.n;
    }
    return stored;
}

static void expect_back(struct shelf *s, Str stored, Str text)
{
    PieceNumbers numbers;
    struct sheet sheet;
    Str back = stored;

    if (pieces_is_sheet(stored)) {
        t_expect_ok(sheet_open(s->a, stored, &sheet, &numbers));
        t_expect_ok(sheet_join(s->a, &sheet, find, s, &back));
    }
    t_expect(str_eq(back, text));
}

/* Words that compress about as well as what people write. */
static void add_words(struct buf *b, uint64_t *seed, size_t n)
{
    static const char *const words[] = {"order", "the",  "customer", "wants", "refund", "of",
                                        "an",    "item", "shipped",  "late",  "answer", "please",
                                        "with",  "more", "details",  "about", "their",  "invoice"};
    size_t end = b->n + n;
    while (b->n < end) {
        *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
        if (*seed >> 62 == 0)
            buf_add_u64(b, *seed >> 40);
        else
            buf_add_c(b, words[(*seed >> 33) % ARRAY_LEN(words)]);
        buf_add_char(b, ' ');
    }
}

TEST(short_batch_without_large_values_stays_as_it_is)
{
    struct shelf s = shelf_new();
    Str text = S("[{\"seq\":1,\"type\":\"run.started\",\"input\":{\"n\":1}}]");
    size_t n;

    t_expect(str_eq(store(&s, text, &n), text));
    t_expect_int(s.texts.n, 0);
    piece_book_free(s.book);
}

TEST(texts_of_every_size_and_shape_come_out_as_they_went_in)
{
    struct shelf s = shelf_new();
    uint64_t seed = 42;
    size_t n;

    for (size_t size = 1; size < MIB(3); size = size * 3 + 17) {
        AUTO_BUF(b, MIB(16));
        buf_add_c(&b, "[{\"seq\":1,\"output\":{\"text\":\"");
        add_words(&b, &seed, size);
        buf_add_c(&b, "\\\"\\\\\",\"list\":[");
        for (int i = 0; i < 200; i++)
            buf_add_fmt(&b, "%s{\"i\":%d,\"deep\":[[[\"%d\"]]]}", i ? "," : "", i, i);
        buf_add_c(&b, "]}}]");
        expect_back(&s, store(&s, buf_str(&b), &n), buf_str(&b));
        expect_back(&s, store(&s, buf_str(&b), &n), buf_str(&b));
        t_expect(n < 2000 + b.n / 100); /* the second time it is known */
    }
    piece_book_free(s.book);
}

TEST(what_is_no_json_comes_out_as_it_went_in_too)
{
    struct shelf s = shelf_new();
    uint64_t seed = 7;
    size_t n;

    for (int round = 0; round < 200; round++) {
        AUTO_BUF(b, KIB(64));
        for (size_t i = 0; i < KIB(12); i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            buf_add_char(&b, round % 2 ? "[]{}\"\\,x"[seed >> 61] : (char)(seed >> 56));
        }
        expect_back(&s, store(&s, buf_str(&b), &n), buf_str(&b));
    }
    piece_book_free(s.book);
}

TEST(conversation_that_grows_costs_what_is_new_in_it)
{
    struct shelf s = shelf_new();
    AUTO_BUF(messages, MIB(1));
    uint64_t seed = 1;
    size_t payload = 0, texts = 0, stored = 0, n;

    for (int turn = 0; turn < 20; turn++) {
        AUTO_BUF(b, MIB(4));
        buf_add_fmt(&b, "[{\"seq\":%d,\"at\":\"2026-11-20T10:00:%02dZ\"}", turn * 3, turn);
        for (int call = 0; call < 4; call++) {
            AUTO_BUF(said, KIB(8));
            add_words(&said, &seed, call ? 3000 : 600);
            payload += said.n;
            buf_add_fmt(&b, ",{\"seq\":%d,\"output\":{\"text\":\"%.*s\"}}", turn * 3,
                        P(buf_str(&said)));
            buf_add_fmt(&messages, "%s{\"role\":\"tool\",\"content\":\"%.*s\"}",
                        messages.n ? "," : "", P(buf_str(&said)));
        }
        /* The list so far as the output of a step, and once more as a variable. */
        buf_add_fmt(&b,
                    ",{\"seq\":%d,\"output\":{\"messages\":[%.*s]}},"
                    "{\"seq\":%d,\"round\":{\"vars\":{\"messages\":[%.*s]}}}]",
                    turn * 3 + 1, P(buf_str(&messages)), turn * 3 + 2, P(buf_str(&messages)));
        expect_back(&s, store(&s, buf_str(&b), &n), buf_str(&b));
        texts += b.n;
        stored += n;
    }
    t_expect(payload > 190000 && texts > payload * 20);
    t_expect(stored < payload * 3 / 4);
    piece_book_free(s.book);
}

TEST(text_that_grows_at_its_end_or_changes_in_its_middle_shares_the_rest)
{
    struct shelf s = shelf_new();
    AUTO_BUF(b, MIB(2));
    uint64_t seed = 3;
    size_t n;

    buf_add_char(&b, '"');
    add_words(&b, &seed, 500000);
    AUTO_BUF(longer, MIB(2));
    buf_add(&longer, buf_str(&b));
    add_words(&longer, &seed, 1000);
    buf_add_char(&longer, '"');
    buf_add_char(&b, '"');
    (void)store(&s, buf_str(&b), &n);
    t_expect(n > 50000);
    expect_back(&s, store(&s, buf_str(&longer), &n), buf_str(&longer));
    t_expect(n < 70000);
    longer.p[250000] = '#';
    expect_back(&s, store(&s, buf_str(&longer), &n), buf_str(&longer));
    t_expect(n < 70000);
    piece_book_free(s.book);
}

TEST(damaged_sheet_or_piece_is_an_error_and_takes_no_memory)
{
    struct shelf s = shelf_new();
    AUTO_BUF(b, MIB(1));
    uint64_t seed = 9;
    size_t n;

    buf_add_c(&b, "[\"");
    add_words(&b, &seed, 20000);
    buf_add_c(&b, "\"]");
    Str stored = store(&s, buf_str(&b), &n);
    for (size_t i = 0; i < stored.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            AUTO(arena) *a = arena_new(MIB(200));
            char *copy = arena_bytes(a, stored.n);
            PieceNumbers numbers;
            struct sheet sheet;
            Str back = S("");
            memcpy(copy, stored.p, stored.n);
            copy[i] = (char)(copy[i] ^ (1 << bit));
            Str hurt = str_from(copy, stored.n);
            if (!pieces_is_sheet(hurt))
                continue;
            Err e = sheet_open(a, hurt, &sheet, &numbers);
            if (e == OK)
                e = sheet_join(a, &sheet, find, &s, &back);
            t_expect(e == OK || e == E_CORRUPT);
            t_expect(e != OK || back.n == sheet.text_n);
        }
    }
    piece_book_free(s.book);
}

TEST(bomb_is_not_expanded)
{
    /* 64 MiB of zeros in a few KiB, as a piece that says it is small, and as a sheet. */
    struct shelf s = shelf_new();
    AUTO(arena) *a = arena_new(MIB(256));
    char *zeros = arena_alloc(a, MIB(60));
    Pieces new;
    Str stored, text;

    zeros[0] = '"';
    pieces_cut(a, s.book, str_from(zeros, MIB(60)), &new, &stored);
    t_expect(new.n > 0 && pieces_is_sheet(stored));
    Str body = new.at[0].body, hash = str_from((char *)new.at[0].hash, CRYPTO_HASH_SIZE);
    t_expect(body.n < 1000);
    AUTO(arena) *small = arena_new(KIB(64));
    t_expect_err(piece_open(small, body, 100, hash, &text), E_CORRUPT);
    t_expect_err(piece_open(small, body, (int64_t)PIECE_MAX + 1, hash, &text), E_CORRUPT);
    t_expect_err(piece_open(small, body, -1, hash, &text), E_CORRUPT);
    t_expect_err(piece_open(small, body, (int64_t) new.at[0].size, hash, &text), E_TOO_LARGE);
    t_expect(arena_used(small) < KIB(64));
    piece_book_free(s.book);
}
