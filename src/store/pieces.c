/* src/store/pieces.c - cutting a text into pieces, and the sheet of them. */
#include "store/pieces.h"

#include "base/buf.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

/* A first byte that no JSON has. */
enum { SHEET_MARK = 1, CODEC_PLAIN = 0, CODEC_ZSTD = 1 };
enum {
    VALUE_LARGE = 2048, /* values from here on are cut out of what is around them */
    EVENT_DEPTH = 2,    /* of what an event holds */
    PIECE_LEAST = 1024,
    TEXT_USUAL = 1 << 20,     /* longer texts have larger pieces: some thousand at most */
    SQUEEZE_MIN = 8 << 10,    /* a text without large values is compressed from here on */
    CUTS_MAX = 100000,        /* values inside of each other count each */
    DEPTH_MAX = 256,          /* of the JSON */
    BOOK_MAX = 65536,         /* pieces that a run remembers */
    PIECE_REGION = 256 << 10, /* up to here pieces are of some 4 KiB, */
    PIECE_REGION_2 = 2 << 20, /* of 16 up to here, and of 64 beyond */
    LEVEL = 3,
    SQUEEZER_KEPT = 4 << 20,
};

/* ---- what a run has ---- */

struct piece_book {
    struct map *numbers; /* hash -> number + 1 */
    int64_t next;
};

struct piece_book *piece_book_new(void)
{
    struct piece_book *book = calloc(1, sizeof *book);
    if (!book)
        DIE("out of memory");
    book->numbers = map_new();
    return book;
}

void piece_book_free(struct piece_book *book)
{
    if (!book)
        return;
    map_free(book->numbers, NULL);
    free(book);
}

static Str hash_key(const uint8_t hash[CRYPTO_HASH_SIZE])
{
    return str_from((const char *)hash, CRYPTO_HASH_SIZE);
}

void piece_book_add(struct piece_book *book, int64_t n, const uint8_t hash[CRYPTO_HASH_SIZE])
{
    if (map_count(book->numbers) < BOOK_MAX)
        (void)map_put(book->numbers, hash_key(hash), (void *)((uintptr_t)n + 1));
    if (n >= book->next)
        book->next = n + 1;
}

/* ---- compressing ---- */

/* What a thread compresses with: making these anew costs more than a small text itself. */
struct squeezer {
    ZSTD_CCtx *z;
    ZSTD_DCtx *un;
    struct buf out;
};

static pthread_once_t squeezer_once = PTHREAD_ONCE_INIT;
static pthread_key_t squeezer_key;
static _Thread_local struct squeezer *own;

static void squeezer_free(void *p)
{
    struct squeezer *s = p;
    ZSTD_freeCCtx(s->z);
    ZSTD_freeDCtx(s->un);
    buf_done(&s->out);
    free(s);
}

static void make_squeezer_key(void)
{
    if (pthread_key_create(&squeezer_key, squeezer_free))
        DIE("no thread key");
}

static struct squeezer *squeezer(void)
{
    if (own)
        return own;
    pthread_once(&squeezer_once, make_squeezer_key);
    own = calloc(1, sizeof *own);
    if (!own || !(own->z = ZSTD_createCCtx()) || !(own->un = ZSTD_createDCtx()) ||
        pthread_setspecific(squeezer_key, own))
        DIE("out of memory");
    own->out = BUF((size_t)PIECES_TEXT_MAX * 4);
    return own;
}

/* A text of many MiB is rare: its memory is not kept. */
static void squeezer_rest(struct squeezer *s)
{
    if (s->out.cap > SQUEEZER_KEPT)
        buf_done(&s->out);
    if (ZSTD_sizeof_CCtx(s->z) <= SQUEEZER_KEPT)
        return;
    ZSTD_freeCCtx(s->z);
    s->z = ZSTD_createCCtx();
    if (!s->z)
        DIE("out of memory");
}

/* @head and what stands for @text behind it. */
static Str squeeze(struct arena *a, Str head, Str text)
{
    struct squeezer *s = squeezer();
    size_t room = ZSTD_compressBound(text.n);

    buf_reset(&s->out);
    char *at = buf_room(&s->out, room);
    if (!at)
        DIE("out of memory");
    size_t n = ZSTD_compressCCtx(s->z, at, room, text.p, text.n, LEVEL);
    bool plain = ZSTD_isError(n) || n >= text.n - text.n / 16;
    Str data = plain ? text : str_from(at, n);
    char *p = arena_bytes(a, head.n + 1 + data.n);
    if (head.n)
        memcpy(p, head.p, head.n);
    p[head.n] = plain ? CODEC_PLAIN : CODEC_ZSTD;
    if (data.n)
        memcpy(p + head.n + 1, data.p, data.n);
    return str_from(p, head.n + 1 + data.n);
}

/* @body without its codec. It has @n bytes then, or it is damaged: no more memory is taken. */
static Err expand(struct arena *a, Str body, size_t n, Str *ret_text)
{
    Str data = str_skip(body, 1);

    if (body.n == 0 || (body.p[0] != CODEC_PLAIN && body.p[0] != CODEC_ZSTD))
        return err_set(E_CORRUPT, "a stored value is in a form that is not known");
    if (body.p[0] == CODEC_PLAIN) {
        if (data.n != n)
            return err_set(E_CORRUPT, "a stored value has %zu bytes, not %zu", data.n, n);
        *ret_text = data;
        return OK;
    }
    if (ZSTD_getFrameContentSize(data.p, data.n) != n) /* before there is memory for it */
        return err_set(E_CORRUPT, "a stored value does not expand to %zu bytes", n);
    char *p = arena_try(a, n + 1);
    if (!p)
        return err_set(E_TOO_LARGE, "a stored value of %zu bytes does not fit", n);
    size_t got = ZSTD_decompressDCtx(squeezer()->un, p, n, data.p, data.n);
    if (ZSTD_isError(got) || got != n)
        return err_set(E_CORRUPT, "a stored value cannot be expanded: %s",
                       ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it is too short");
    *ret_text = str_from(p, n);
    return OK;
}

/* ---- where to cut ---- */

/* A border of a large value: one begins there, or one ends. */
struct cut {
    size_t at;
    int step; /* 1, -1 */
};
typedef VEC(struct cut) Cuts;

struct scan {
    struct arena *a;
    Str text;
    size_t large;
    Cuts cuts;
    size_t open[DEPTH_MAX];
    int depth;
};

static void cut_around(struct scan *s, size_t from, size_t to)
{
    if (to - from < s->large || s->cuts.n + 2 > CUTS_MAX)
        return;
    vec_push(s->a, &s->cuts, ((struct cut){from, 1}));
    vec_push(s->a, &s->cuts, ((struct cut){to, -1}));
}

/* Behind the string that begins at @at. */
static size_t end_of_string(Str text, size_t at)
{
    size_t i = at + 1;

    while (i < text.n && text.p[i] != '"')
        i += text.p[i] == '\\' ? 2 : 1;
    return i < text.n ? i + 1 : text.n;
}

static int by_place(const void *x, const void *y)
{
    const struct cut *a = x, *b = y;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* The borders of all large values, in order. The batch and its events are none: no other is like
 * them. */
static void find_cuts(struct scan *s)
{
    for (size_t i = 0; i < s->text.n;) {
        char c = s->text.p[i];
        size_t next = i + 1;
        if (c == '"') {
            next = end_of_string(s->text, i);
            cut_around(s, i, next);
        } else if (c == '{' || c == '[') {
            if (s->depth < DEPTH_MAX)
                s->open[s->depth] = i;
            s->depth++;
        } else if ((c == '}' || c == ']') && s->depth > 0) {
            s->depth--;
            if (s->depth >= EVENT_DEPTH && s->depth < DEPTH_MAX)
                cut_around(s, s->open[s->depth], next);
        }
        i = next;
    }
    if (s->cuts.n)
        qsort(s->cuts.at, s->cuts.n, sizeof *s->cuts.at, by_place);
}

/* A number of 64 bits for each byte, the same everywhere and always: splitmix64. */
static uint64_t gear(unsigned char c)
{
    uint64_t z = ((uint64_t)c + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* The length of the first piece of @rest, which is what is left of @region bytes: it ends where the
 * last bytes before it hash to zeros. */
static size_t piece_length(Str rest, size_t region)
{
    int bits = region <= PIECE_REGION ? 12 : region <= PIECE_REGION_2 ? 14 : 16;
    size_t least = (size_t)1 << (bits - 2), most = (size_t)1 << (bits + 3);
    uint64_t mask = ((1ULL << bits) - 1) << (64 - bits), h = 0;

    if (rest.n <= least * 2)
        return rest.n;
    for (size_t i = least - 64; i < rest.n && i < most; i++) {
        h = (h << 1) + gear((unsigned char)rest.p[i]);
        if (i >= least && (h & mask) == 0)
            return rest.n - (i + 1) < least ? rest.n : i + 1;
    }
    return rest.n < most + least ? rest.n : most;
}

/* ---- the sheet ---- */

static void put_number(struct buf *b, uint64_t v)
{
    while (v > 0x7f) {
        buf_add_char(b, (char)(0x80 | (v & 0x7f)));
        v >>= 7;
    }
    buf_add_char(b, (char)v);
}

static Err get_number(Str *rest, uint64_t *ret_v)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < rest->n && i < 9; i++) {
        v |= (uint64_t)(rest->p[i] & 0x7f) << (7 * i);
        if (!(rest->p[i] & 0x80)) {
            *rest = str_skip(*rest, i + 1);
            *ret_v = v;
            return OK;
        }
    }
    return err_set(E_CORRUPT, "a number in a stored batch is damaged");
}

struct cutter {
    struct arena *a;
    struct piece_book *book;
    Str text;
    struct buf ops;
    size_t plain; /* from here on nothing is in ops yet */
    int64_t expected;
    Pieces new;
};

/* What is between two pieces. */
static void put_plain(struct cutter *c, size_t to)
{
    if (to == c->plain)
        return;
    put_number(&c->ops, (uint64_t)(to - c->plain) << 1);
    buf_add(&c->ops, str_from(c->text.p + c->plain, to - c->plain));
    c->plain = to;
}

/* The number of the piece @text, which the run has now. */
static int64_t number_of(struct cutter *c, Str text)
{
    uint8_t hash[CRYPTO_HASH_SIZE];

    crypto_blake2b(text, hash);
    void *known = map_get(c->book->numbers, hash_key(hash));
    if (known)
        return (int64_t)((uintptr_t)known - 1);
    struct piece *p = vec_add(c->a, &c->new);
    *p = (struct piece){.n = c->book->next, .size = text.n, .body = squeeze(c->a, S(""), text)};
    memcpy(p->hash, hash, sizeof hash);
    piece_book_add(c->book, p->n, hash);
    return p->n;
}

/* Pieces follow each other mostly: what is written is by how much one does not. */
static void put_piece(struct cutter *c, size_t from, size_t to)
{
    put_plain(c, from);
    int64_t n = number_of(c, str_from(c->text.p + from, to - from));
    int64_t off = n - c->expected;
    uint64_t zigzag = ((uint64_t)off << 1) ^ (off < 0 ? UINT64_MAX : 0);
    put_number(&c->ops, zigzag << 1 | 1);
    c->expected = n + 1;
    c->plain = to;
}

/* What is in a large value and in no larger part of it. */
static void cut_region(struct cutter *c, size_t from, size_t to)
{
    size_t region = to - from;

    if (region < PIECE_LEAST)
        return; /* plain */
    while (from < to) {
        size_t n = piece_length(str_from(c->text.p + from, to - from), region);
        put_piece(c, from, from + n);
        from += n;
    }
}

static void cut_all(struct cutter *c, const Cuts *cuts)
{
    size_t from = 0;
    int inside = 0;

    vec_each(cuts, cut) {
        if (inside > 0)
            cut_region(c, from, cut->at);
        from = cut->at;
        inside += cut->step;
    }
    put_plain(c, c->text.n);
}

void pieces_cut(struct arena *a, struct piece_book *book, Str text, Pieces *ret_new,
                Str *ret_stored)
{
    AUTO(arena) *tmp = arena_new(MIB(16));
    struct scan *s = arena_new_of(tmp, struct scan);
    AUTO_BUF(head, 64);

    *s = (struct scan){.a = tmp, .text = text, .large = VALUE_LARGE};
    while (text.n / s->large > TEXT_USUAL / VALUE_LARGE)
        s->large *= 2;
    *ret_new = (Pieces){0};
    *ret_stored = text;
    find_cuts(s);
    if ((s->cuts.n == 0 && text.n < SQUEEZE_MIN) || text.n > PIECES_TEXT_MAX)
        return;
    struct cutter c = {.a = a, .book = book, .text = text, .ops = BUF(text.n * 2 + KIB(1))};
    cut_all(&c, &s->cuts);
    buf_add_char(&head, SHEET_MARK);
    put_number(&head, text.n);
    put_number(&head, c.ops.n);
    *ret_stored = squeeze(a, buf_str(&head), buf_str(&c.ops));
    *ret_new = c.new;
    buf_done(&c.ops);
    squeezer_rest(squeezer());
}

/* ---- reading ---- */

bool pieces_is_sheet(Str stored)
{
    return stored.n && stored.p[0] == SHEET_MARK;
}

struct op {
    Str plain; /* or: */
    int64_t piece;
};

/* The next operation of *ops; @expected goes from call to call. */
static Err next_op(Str *ops, int64_t *expected, struct op *ret_op)
{
    uint64_t v;

    TRY(get_number(ops, &v));
    if (!(v & 1)) {
        if (v >> 1 > ops->n)
            return err_set(E_CORRUPT, "a stored batch ends too early");
        *ret_op = (struct op){.plain = str_head(*ops, (size_t)(v >> 1)), .piece = -1};
        *ops = str_skip(*ops, (size_t)(v >> 1));
        return OK;
    }
    uint64_t zigzag = v >> 1;
    int64_t n = *expected + (int64_t)((zigzag >> 1) ^ (0 - (zigzag & 1)));
    if (n < 0 || n > PIECES_NUMBER_MAX)
        return err_set(E_CORRUPT, "a stored batch names a value that cannot be");
    *expected = n + 1;
    *ret_op = (struct op){.piece = n};
    return OK;
}

static int by_number(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return a < b ? -1 : a > b;
}

static void sort_once(PieceNumbers *numbers)
{
    size_t n = 0;

    if (numbers->n)
        qsort(numbers->at, numbers->n, sizeof *numbers->at, by_number);
    for (size_t i = 0; i < numbers->n; i++)
        if (i == 0 || numbers->at[i] != numbers->at[n - 1])
            numbers->at[n++] = numbers->at[i];
    numbers->n = n;
}

Err sheet_open(struct arena *a, Str stored, struct sheet *ret_sheet, PieceNumbers *ret_numbers)
{
    PieceNumbers numbers = {0};
    uint64_t text_n, ops_n;
    int64_t expected = 0;
    struct sheet sheet;
    size_t most;

    if (!pieces_is_sheet(stored))
        return err_set(E_CORRUPT, "a stored batch is in a form that is not known");
    Str rest = str_skip(stored, 1);
    TRY(get_number(&rest, &text_n));
    TRY(get_number(&rest, &ops_n));
    /* An operation is no longer than twice what it makes. */
    if (text_n > PIECES_TEXT_MAX || ops_n > text_n * 2 + 16)
        return err_set(E_CORRUPT, "a stored batch says that it is larger than one can be");
    TRY(expand(a, rest, (size_t)ops_n, &sheet.ops));
    sheet.text_n = (size_t)text_n;
    most = sheet.text_n / PIECE_LEAST;
    for (Str ops = sheet.ops; ops.n;) {
        struct op op;
        TRY(next_op(&ops, &expected, &op));
        if (op.piece < 0)
            continue;
        if (numbers.n == most)
            return err_set(E_CORRUPT, "a stored batch has more values than it can have");
        vec_push(a, &numbers, op.piece);
    }
    sort_once(&numbers);
    *ret_sheet = sheet;
    *ret_numbers = numbers;
    return OK;
}

/* What the operations give, to @to if that is not NULL. */
static Err lay_out(const struct sheet *sheet, Str (*find)(void *ctx, int64_t n), void *ctx,
                   char *to)
{
    int64_t expected = 0;
    size_t n = 0;

    for (Str ops = sheet->ops; ops.n;) {
        struct op op;
        TRY(next_op(&ops, &expected, &op));
        Str part = op.piece < 0 ? op.plain : find(ctx, op.piece);
        if (part.n == 0 || part.n > sheet->text_n - n)
            return err_set(E_CORRUPT, "a stored batch does not come out as it was");
        if (to)
            memcpy(to + n, part.p, part.n);
        n += part.n;
    }
    return n == sheet->text_n ? OK
                              : err_set(E_CORRUPT, "a stored batch does not come out as it was");
}

Err sheet_join(struct arena *a, const struct sheet *sheet, Str (*find)(void *ctx, int64_t n),
               void *ctx, Str *ret_text)
{
    TRY(lay_out(sheet, find, ctx, NULL)); /* before there is memory for it */
    char *p = arena_try(a, sheet->text_n + 1);
    if (!p)
        return err_set(E_TOO_LARGE, "a stored batch of %zu bytes does not fit", sheet->text_n);
    TRY(lay_out(sheet, find, ctx, p));
    *ret_text = str_from(p, sheet->text_n);
    return OK;
}

Err piece_open(struct arena *a, Str body, int64_t size, Str hash, Str *ret_text)
{
    uint8_t found[CRYPTO_HASH_SIZE];
    Str text;

    if (size < 1 || size > PIECE_MAX)
        return err_set(E_CORRUPT, "a stored value of %lld bytes cannot be", (long long)size);
    TRY(expand(a, body, (size_t)size, &text));
    crypto_blake2b(text, found);
    if (!str_eq(hash, hash_key(found)))
        return err_set(E_CORRUPT, "a stored value is not what its hash says");
    *ret_text = text;
    return OK;
}
