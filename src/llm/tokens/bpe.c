/* src/llm/tokens/bpe.c - counts tokens by a vocabulary. */
#include "llm/tokens/bpe.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/utf8.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { TOKEN_MAX = 1024, SMALL_PIECE = 64, NONE = -1, MERGED = -2, LINE_ARENA = 64 * 1024 };

/* A token of the vocabulary: its bytes lie in the pool. */
struct entry {
    uint32_t at;
    uint16_t n;
    int32_t rank;
};

struct bpe {
    char *pool;
    struct entry *entries; /* open addressing; n == 0: free */
    size_t mask, count;
    pcre2_code *pattern;
};

/* ---- the vocabulary ---- */

static uint64_t hash_of(Str s)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ s.n;
    size_t i = 0;

    for (; i + 8 <= s.n; i += 8) {
        uint64_t word;
        memcpy(&word, s.p + i, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    for (; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

static struct entry *place_of(const struct bpe *b, Str token)
{
    for (size_t i = hash_of(token) & b->mask;; i = (i + 1) & b->mask) {
        struct entry *e = &b->entries[i];
        if (!e->n || (e->n == token.n && memcmp(b->pool + e->at, token.p, token.n) == 0))
            return e;
    }
}

/* The rank of a token; NONE if it is none. */
static int32_t rank_of(const struct bpe *b, const char *p, size_t n)
{
    const struct entry *e = n <= TOKEN_MAX ? place_of(b, str_from(p, n)) : NULL;

    return e && e->n ? e->rank : NONE;
}

static Err wrong_line(size_t line)
{
    return err_detail(E_SYNTAX, "Line %zu of the vocabulary is not a token in base64 and its rank.",
                      line);
}

static Err read_line(struct bpe *b, struct arena *a, Str text, size_t line, size_t *used)
{
    Str token64, token;
    uint64_t rank;
    Str rest = str_cut(text, ' ', &token64);

    arena_reset(a);
    if (crypto_unbase64(a, token64, &token) != OK || !token.n || token.n > TOKEN_MAX ||
        str_to_u64(rest, &rank) != OK || rank > INT32_MAX - 1)
        return wrong_line(line);
    struct entry *e = place_of(b, token);
    if (e->n)
        return err_detail(E_SYNTAX, "Line %zu of the vocabulary has a token again.", line);
    memcpy(b->pool + *used, token.p, token.n);
    *e = (struct entry){(uint32_t)*used, (uint16_t)token.n, (int32_t)rank};
    *used += token.n;
    b->count++;
    return OK;
}

/* Every byte must be a token, or there are texts that are none. */
static Err check_bytes(const struct bpe *b)
{
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        if (rank_of(b, &c, 1) == NONE)
            return err_detail(E_SYNTAX, "The vocabulary has no token for the byte 0x%02x.",
                              (unsigned)i);
    }
    return OK;
}

static Err read_all(struct bpe *b, Str text)
{
    AUTO(arena) *a = arena_new(LINE_ARENA);
    size_t lines = 1, used = 0, cap = 1024;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    if (text.n > BPE_FILE_MAX || lines > BPE_TOKENS_MAX)
        return err_detail(E_SYNTAX, "The vocabulary is too large.");
    while (cap < lines * 2)
        cap *= 2;
    b->mask = cap - 1;
    b->entries = calloc(cap, sizeof *b->entries);
    b->pool = malloc(text.n + 1);
    if (!b->entries || !b->pool)
        DIE("out of memory");
    for (size_t line = 1; text.n; line++) {
        Str one;
        text = str_cut(text, '\n', &one);
        if (str_ends(one, S("\r")))
            one.n--;
        if (one.n)
            TRY(read_line(b, a, one, line, &used));
    }
    return check_bytes(b);
}

Err bpe_new(Str text, const char *pattern, struct bpe **ret_bpe)
{
    AUTO(bpe) *b = calloc(1, sizeof *b);
    int code;
    PCRE2_SIZE at;

    if (!b)
        DIE("out of memory");
    TRY(read_all(b, text));
    b->pattern = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                               &code, &at, NULL);
    if (!b->pattern)
        return err_set(E_INTERNAL, "the pattern of a vocabulary: %d at %zu", code, at);
    *ret_bpe = b;
    b = NULL;
    return OK;
}

void bpe_free(struct bpe *b)
{
    if (!b)
        return;
    pcre2_code_free(b->pattern);
    free(b->entries);
    free(b->pool);
    free(b);
}

size_t bpe_size(const struct bpe *b)
{
    return b->count;
}

/* ---- short pieces: the lowest pair is looked for ---- */

static int64_t count_small(const struct bpe *b, Str piece)
{
    uint16_t start[SMALL_PIECE + 1];
    int32_t rank[SMALL_PIECE]; /* of part i with the one behind it */
    size_t n = piece.n;

    for (size_t i = 0; i <= n; i++)
        start[i] = (uint16_t)i;
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = rank_of(b, piece.p + i, 2);
    while (n > 1) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++)
            if (rank[i] != NONE && (best == n || rank[i] < rank[best]))
                best = i;
        if (best == n)
            break;
        memmove(start + best + 1, start + best + 2, (n - best - 1) * sizeof start[0]);
        if (n > best + 2)
            memmove(rank + best + 1, rank + best + 2, (n - best - 3) * sizeof rank[0]);
        n--;
        if (best + 1 < n)
            rank[best] = rank_of(b, piece.p + start[best], (size_t)start[best + 2] - start[best]);
        if (best > 0)
            rank[best - 1] =
                rank_of(b, piece.p + start[best - 1], (size_t)start[best + 1] - start[best - 1]);
    }
    return (int64_t)n;
}

/* ---- long pieces: pairs in a heap ---- */

struct part {
    int32_t prev, next; /* NONE: there is none */
    int32_t n;          /* bytes; MERGED: it is a part of the one before */
};

struct pair {
    int32_t rank, left,
        n; /* @n: the bytes of both when it was found; other ones now: it is stale */
};

struct merge {
    const struct bpe *b;
    const char *text;
    struct part *parts;
    struct pair *heap;
    size_t n_heap;
};

static bool is_before(const struct pair *x, const struct pair *y)
{
    return x->rank < y->rank || (x->rank == y->rank && x->left < y->left);
}

static void push(struct merge *m, int32_t left)
{
    const struct part *p = &m->parts[left];

    if (left == NONE || p->next == NONE)
        return;
    int32_t n = p->n + m->parts[p->next].n;
    struct pair pair = {rank_of(m->b, m->text + left, (size_t)n), left, n};
    if (pair.rank == NONE)
        return;
    size_t i = m->n_heap++;
    for (; i > 0 && is_before(&pair, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = pair;
}

static struct pair pop(struct merge *m)
{
    struct pair top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->n_heap)
            break;
        if (child + 1 < m->n_heap && is_before(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!is_before(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

static int64_t count_large(const struct bpe *b, Str piece)
{
    size_t n = piece.n; /* each merge adds two pairs at most, and there are less than n merges */
    struct merge m = {.b = b,
                      .text = piece.p,
                      .parts = malloc(n * sizeof *m.parts),
                      .heap = malloc(3 * n * sizeof *m.heap)};
    int64_t count = (int64_t)n;

    if (!m.parts || !m.heap)
        DIE("out of memory");
    for (size_t i = 0; i < n; i++)
        m.parts[i] = (struct part){(int32_t)i - 1, i + 1 < n ? (int32_t)i + 1 : NONE, 1};
    for (size_t i = 0; i < n; i++)
        push(&m, (int32_t)i);
    while (m.n_heap) {
        struct pair pair = pop(&m);
        struct part *left = &m.parts[pair.left];
        if (left->n == MERGED || left->next == NONE || left->n + m.parts[left->next].n != pair.n)
            continue;
        struct part *right = &m.parts[left->next];
        left->n = pair.n;
        left->next = right->next;
        right->n = MERGED;
        if (left->next != NONE)
            m.parts[left->next].prev = pair.left;
        count--;
        push(&m, pair.left);
        if (left->prev != NONE)
            push(&m, left->prev);
    }
    free(m.parts);
    free(m.heap);
    return count;
}

/* ---- texts ---- */

static int64_t count_piece(const struct bpe *b, Str piece)
{
    int64_t count = 0;

    if (rank_of(b, piece.p, piece.n) != NONE)
        return 1;
    while (piece.n) {
        Str part = str_head(piece, BPE_PIECE_MAX);
        count += part.n <= SMALL_PIECE ? count_small(b, part) : count_large(b, part);
        piece = str_skip(piece, part.n);
    }
    return count;
}

static int64_t count_valid(const struct bpe *b, Str text)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    int64_t count = 0;
    size_t at = 0;

    if (!match)
        DIE("out of memory");
    while (at < text.n) {
        int got = pcre2_match(b->pattern, (PCRE2_SPTR)text.p, text.n, at, PCRE2_NO_UTF_CHECK, match,
                              NULL);
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
        size_t from = got > 0 ? span[0] : text.n, to = got > 0 ? span[1] : text.n;
        if (from > at) /* what no pattern takes is a piece as well */
            count += count_piece(b, str_from(text.p + at, from - at));
        if (to > from)
            count += count_piece(b, str_from(text.p + from, to - from));
        at = to > at ? to : text.n;
    }
    pcre2_match_data_free(match);
    return count;
}

int64_t bpe_count(const struct bpe *b, Str text)
{
    if (utf8_valid(text))
        return count_valid(b, text);
    AUTO(arena) *a = arena_new(text.n * 3 + KIB(64));
    return count_valid(b, utf8_repair(a, text));
}
