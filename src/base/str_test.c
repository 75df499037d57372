/* src/base/str_test.c - str, buf, vec, map, err. */
#include "base/str.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/test.h"
#include "base/vec.h"

#include <errno.h>
#include <pthread.h>

/* ---- str ---- */

TEST(strings_compare_by_length_and_bytes)
{
    t_expect(str_eq(S(""), (Str){NULL, 0}));
    t_expect(str_eq(S("a\0b"), S("a\0b")) && !str_eq(S("a\0b"), S("a\0c")) &&
             !str_eq(S("a"), S("ab")));
    t_expect(str_starts(S("abc"), S("")) && str_starts(S("abc"), S("abc")) &&
             !str_starts(S("ab"), S("abc")));
    t_expect(str_ends(S("abc"), S("bc")) && str_ends(S("abc"), S("")) &&
             !str_ends(S("bc"), S("abc")));
    t_expect(str_eq_nocase(S("aBZ@"), S("AbZ@")) && !str_eq_nocase(S("@"), S("`")));
    t_expect(!str_eq_nocase(S("\xc3\x84"), S("\xc3\xa4"))); /* only ASCII letters have a case */
    t_expect(str_starts_nocase(S("Content-Type"), S("CONTENT")) &&
             !str_starts_nocase(S("Con"), S("cont")));
    t_expect(str_cmp(S("a"), S("b")) < 0 && str_cmp(S("b"), S("a")) > 0 &&
             str_cmp(S("a"), S("a")) == 0);
    t_expect(str_cmp(S("a"), S("ab")) < 0 && str_cmp(S(""), S("a")) < 0 &&
             str_cmp(S("\xff"), S("a")) > 0);
    t_expect(str_eq_secret(S("abc"), S("abc")) && !str_eq_secret(S("abc"), S("abd")));
    t_expect(!str_eq_secret(S("abc"), S("ab")) && str_eq_secret(S(""), S("")));
}

TEST(strings_are_cut_and_searched)
{
    Str head, rest = S("a,,b");

    t_expect_str(str_skip(S("abc"), 1), S("bc"));
    t_expect_str(str_skip(S("abc"), 9), S(""));
    t_expect_str(str_head(S("abc"), 2), S("ab"));
    t_expect_str(str_head(S("abc"), 9), S("abc"));
    t_expect_int(str_find_char(S("abcb"), 'b'), 1);
    t_expect(str_find_char(S("abc"), 'x') == SIZE_MAX &&
             str_find_char((Str){NULL, 0}, 'x') == SIZE_MAX);
    t_expect_int(str_find(S("abcbc"), S("bc")), 1);
    t_expect_int(str_find(S("abc"), S("")), 0);
    t_expect(str_find(S("abc"), S("abcd")) == SIZE_MAX &&
             str_find((Str){NULL, 0}, S("a")) == SIZE_MAX);
    t_expect_str(str_trim(S(" \t\r\n\v\fa b\n ")), S("a b"));
    t_expect_str(str_trim(S("  ")), S(""));

    rest = str_cut(rest, ',', &head);
    t_expect_str(head, S("a"));
    rest = str_cut(rest, ',', &head);
    t_expect_str(head, S(""));
    t_expect(rest.p);
    rest = str_cut(rest, ',', &head);
    t_expect_str(head, S("b"));
    t_expect(!rest.p);
    rest = str_cut(S("a,"), ',', &head);
    t_expect(rest.p && rest.n == 0);
}

TEST(integers_are_read_to_their_limits_and_not_beyond)
{
    static const struct {
        const char *text;
        Err want;
        int64_t value;
    } cases[] = {
        {"0", OK, 0},
        {"-0", OK, 0},
        {"007", OK, 7},
        {"9223372036854775807", OK, INT64_MAX},
        {"-9223372036854775808", OK, INT64_MIN},
        {"9223372036854775808", E_RANGE, 0},
        {"-9223372036854775809", E_RANGE, 0},
        {"99999999999999999999999", E_RANGE, 0},
        {"", E_SYNTAX, 0},
        {"-", E_SYNTAX, 0},
        {"+1", E_SYNTAX, 0},
        {" 1", E_SYNTAX, 0},
        {"1 ", E_SYNTAX, 0},
        {"1a", E_SYNTAX, 0},
        {"--1", E_SYNTAX, 0},
        {"0x1", E_SYNTAX, 0},
    };
    uint64_t u = 5;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 77;
        t_expect_err(str_to_i64(str_c(cases[i].text), &v), cases[i].want);
        t_expect_int(v, cases[i].want == OK ? cases[i].value : 77);
    }
    t_expect_ok(str_to_u64(S("18446744073709551615"), &u));
    t_expect(u == UINT64_MAX);
    t_expect_err(str_to_u64(S("18446744073709551616"), &u), E_RANGE);
    t_expect_err(str_to_u64(S("-1"), &u), E_SYNTAX);
}

TEST(booleans_and_sizes_are_read)
{
    static const struct {
        const char *text;
        Err want;
        size_t bytes;
    } cases[] = {
        {"0", OK, 0},
        {"512", OK, 512},
        {"64k", OK, KIB(64)},
        {"64KiB", OK, KIB(64)},
        {"64 kb", OK, KIB(64)},
        {"8M", OK, MIB(8)},
        {"1GiB", OK, MIB(1024)},
        {"7b", OK, 7},
        {"", E_SYNTAX, 0},
        {"k", E_SYNTAX, 0},
        {"1x", E_SYNTAX, 0},
        {"1.5M", E_SYNTAX, 0},
        {"-1", E_SYNTAX, 0},
        {"17179869184G", E_RANGE, 0},
        {"99999999999999999999", E_RANGE, 0},
    };
    bool b = false;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t bytes = 77;
        t_expect_err(str_to_size(str_c(cases[i].text), &bytes), cases[i].want);
        t_expect_int(bytes, cases[i].want == OK ? cases[i].bytes : 77);
    }
    t_expect(str_to_bool(S("ON"), &b) == OK && b);
    t_expect(str_to_bool(S("false"), &b) == OK && !b);
    t_expect(str_to_bool(S("1"), &b) == OK && b);
    t_expect(str_to_bool(S("no"), &b) == OK && !b);
    t_expect_err(str_to_bool(S("2"), &b), E_SYNTAX);
    t_expect_err(str_to_bool(S(""), &b), E_SYNTAX);
}

TEST(strings_are_made_in_arenas)
{
    struct arena *a = t_arena();
    Str parts[] = {S("a"), S(""), S("bc")};

    t_expect_str(str_dup(a, S("a\0b")), S("a\0b"));
    t_expect_int(strlen(str_dup_c(a, S("abc"))), 3);
    t_expect_str(str_fmt(a, "%d-%.*s", 7, P(S("xyz"))), S("7-xyz"));
    t_expect_str(str_join(a, parts, 3, S(", ")), S("a, , bc"));
    t_expect_str(str_join(a, parts, 0, S(", ")), S(""));
    t_expect_str(str_join(a, parts, 1, S(", ")), S("a"));
    t_expect_str(str_lower(a, S("AbZ[\xc3\x84")), S("abz[\xc3\x84"));
    t_expect_str(str_fmt(a, "%s", ""), S(""));
    for (size_t n = 253; n < 259; n++) { /* about the length up to which it is formatted once */
        char want[260];
        memset(want, '0', sizeof want);
        want[n - 1] = '7';
        t_expect_str(str_fmt(a, "%0*d", (int)n, 7), str_from(want, n));
    }
    t_expect_str(str_from_i64(a, 0), S("0"));
    t_expect_str(str_from_i64(a, INT64_MAX), S("9223372036854775807"));
    t_expect_str(str_from_i64(a, INT64_MIN), S("-9223372036854775808"));
}

/* The first vectors published for SipHash-1-3: key 00 01 .. 0f, message empty and 00. */
TEST(keyed_hashes_give_the_published_values)
{
    static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

    t_expect(str_hash_keyed(S(""), key) == 0xabac0158050fc4dcu);
    t_expect(str_hash_keyed(S("\0"), key) == 0xc9f49bf37d57ca93u);
    t_expect(str_hash_key() == str_hash_key());
    t_expect(str_hash(S("a")) == str_hash(S("a")) && str_hash(S("a")) != str_hash(S("b")));
    t_expect(str_hash(S("a")) != str_hash(S("a\0")));
}

/* ---- buf ---- */

TEST(a_buffer_grows_to_its_maximum_and_not_beyond)
{
    AUTO_BUF(b, 100);

    t_expect_ok(buf_ok(&b));
    for (int i = 0; i < 100; i++)
        buf_add_char(&b, 'x');
    t_expect_ok(buf_ok(&b));
    buf_add(&b, S(""));
    t_expect_ok(buf_ok(&b));
    buf_add_char(&b, 'y');
    t_expect_err(buf_ok(&b), E_TOO_LARGE);
    t_expect_int(b.n, 100);
    buf_reset(&b);
    buf_add(&b, S("again"));
    t_expect_ok(buf_ok(&b));
    t_expect_str(buf_str(&b), S("again"));
    t_expect(!buf_room(&b, 96) && b.failed);
    buf_add(&b, S("ignored"));
    t_expect_str(buf_str(&b), S("again"));
    buf_done(&b);
    buf_add_c(&b, "after done");
    t_expect_str(buf_str(&b), S("after done"));
}

TEST(formatted_text_fills_a_buffer_exactly)
{
    for (size_t max = 0; max < 12; max++) {
        AUTO_BUF(b, max);
        buf_add_fmt(&b, "%s", "01234");
        buf_add_fmt(&b, "%d", 56789);
        t_expect((buf_ok(&b) == OK) == (max >= 10));
        t_expect_int(b.n, max >= 10 ? 10 : max >= 5 ? 5 : 0);
    }
}

TEST(numbers_are_added_and_bytes_dropped)
{
    AUTO_BUF(b, KIB(1));

    buf_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, 0);
    t_expect_str(buf_str(&b), S("-9223372036854775808 18446744073709551615 0"));
    buf_drop(&b, 21);
    t_expect_str(buf_str(&b), S("18446744073709551615 0"));
    buf_drop(&b, 0);
    buf_drop(&b, 1000);
    t_expect_int(b.n, 0);
    char *room = buf_room(&b, 3);
    memcpy(room, "abc", 3);
    buf_added(&b, 2);
    t_expect_str(buf_str(&b), S("ab"));
}

/* ---- vec ---- */

TEST(vectors_grow_and_keep_their_elements)
{
    VEC(struct {
        int64_t a;
        char b;
    })
    v = {0};
    int64_t sum = 0;

    vec_each(&v, none)
        t_fail(__FILE__, __LINE__, "an element in an empty vector: %d", none->b);
    for (int i = 0; i < 1000; i++) {
        vec_add(t_arena(), &v)->a = i;
        t_expect(v.at[i].b == 0);
        if (i % 7 == 0)
            (void)arena_bytes(t_arena(), 3); /* something else behind the last element */
    }
    t_expect_int(v.n, 1000);
    vec_each(&v, it)
        sum += it->a;
    t_expect_int(sum, 499500);
    VEC(int) small = {0};
    vec_push(t_arena(), &small, 7);
    t_expect_int(small.at[0], 7);
}

/* ---- map ---- */

static int n_freed;

static void count_free(void *value)
{
    (void)value;
    n_freed++;
}

TEST(a_map_keeps_what_was_put_through_growth_and_removal)
{
    enum { N = 5000 };
    static int values[N];
    struct map *m = map_new();
    char key[32];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            Str k = str_from(key, (size_t)snprintf(key, sizeof key, "key%d", i));
            t_expect(map_put(m, k, &values[i]) == (round ? &values[i] : NULL));
        }
        t_expect_int(map_count(m), N);
    }
    for (int i = 0; i < N; i += 2) {
        Str k = str_from(key, (size_t)snprintf(key, sizeof key, "key%d", i));
        t_expect(map_take(m, k) == &values[i]);
        t_expect(!map_take(m, k));
    }
    t_expect_int(map_count(m), N / 2);
    for (int i = 0; i < N; i++) {
        Str k = str_from(key, (size_t)snprintf(key, sizeof key, "key%d", i));
        t_expect(map_get(m, k) == (i % 2 ? &values[i] : NULL));
    }
    size_t at = 0, n = 0;
    void *value;
    Str k;
    while (map_next(m, &at, &k, &value)) {
        t_expect(str_starts(k, S("key")) && map_get(m, k) == value);
        n++;
    }
    t_expect_int(n, N / 2);
    n_freed = 0;
    map_free(m, count_free);
    t_expect_int(n_freed, N / 2);
    map_free(NULL, count_free);
}

TEST(map_keys_may_be_empty_and_hold_zero_bytes)
{
    struct map *m = map_new();
    int one, two, three;

    t_expect(!map_get(m, S("")));
    t_expect(!map_put(m, S(""), &one));
    t_expect(!map_put(m, S("a\0b"), &two));
    t_expect(!map_put(m, S("a\0c"), &three));
    t_expect(map_get(m, (Str){NULL, 0}) == &one && map_get(m, S("a\0b")) == &two);
    t_expect(!map_get(m, S("a")));
    t_expect(map_take(m, S("")) == &one && map_count(m) == 2);
    map_free(m, NULL);
}

/* ---- err ---- */

TEST(an_error_is_recorded_with_its_texts)
{
    (void)err_set(E_IO, "private %d", 1);
    t_expect_str(str_c(err_text(E_IO)), S("private 1"));
    t_expect_str(str_c(err_client_text(E_IO)), str_c(err_public(E_IO)));
    t_expect_str(str_c(err_text(E_EOF)), str_c(err_public(E_EOF)));
    (void)err_add(E_IO, "reading %s", "a file");
    t_expect_str(str_c(err_text(E_IO)), S("reading a file: private 1"));
    (void)err_add(E_EOF, "other");
    t_expect_str(str_c(err_text(E_EOF)), S("other"));
    (void)err_detail(E_INVALID, "for the client");
    t_expect_str(str_c(err_client_text(E_INVALID)), S("for the client"));
    (void)err_add(E_INVALID, "while %s", "saving");
    t_expect_str(str_c(err_client_text(E_INVALID)), S("for the client"));
    t_expect_str(str_c(err_text(E_INVALID)), S("while saving: for the client"));
    /* The text of the record may be an argument of the next one. */
    (void)err_set(E_IO, "again: %s", err_text(E_INVALID));
    t_expect_str(str_c(err_text(E_IO)), S("again: while saving: for the client"));
    t_expect_str(str_c(err_client_text(E_IO)), str_c(err_public(E_IO)));
}

TEST(long_error_texts_are_cut_and_end)
{
    char text[2000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    (void)err_set(E_IO, "%s", text);
    t_expect_int(strlen(err_text(E_IO)), ERR_TEXT_MAX - 1);
    (void)err_add(E_IO, "%s", text);
    (void)err_add(E_IO, "short");
    t_expect(str_starts(str_c(err_text(E_IO)), S("short: xxx")));
    t_expect_int(strlen(err_text(E_IO)), ERR_TEXT_MAX - 1);
    (void)err_detail(E_IO, "%s", text);
    t_expect_int(strlen(err_client_text(E_IO)), ERR_DETAIL_MAX - 1);
}

static void *other_thread(void *arg)
{
    (void)arg;
    (void)err_set(E_EOF, "elsewhere");
    return NULL;
}

TEST(every_thread_and_fiber_has_its_own_record)
{
    struct err_record own = {0};
    pthread_t thread;

    (void)err_set(E_IO, "here");
    t_expect_int(pthread_create(&thread, NULL, other_thread, NULL), 0);
    pthread_join(thread, NULL);
    t_expect_str(str_c(err_text(E_IO)), S("here"));
    struct err_record *former = err_record_swap(&own);
    (void)err_set(E_EOF, "in the fiber");
    t_expect(err_record() == &own && own.code == E_EOF);
    t_expect(err_record_swap(former) == &own);
    t_expect_str(str_c(err_text(E_IO)), S("here"));
}

TEST(every_code_has_a_name_a_slug_a_status_and_a_text)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        Err e = (Err)i;
        int http = err_http(e);
        t_expect(http >= 200 && http < 600);
        t_expect(err_name(e)[0] && err_slug(e)[0] && err_public(e)[0]);
        for (const char *c = err_slug(e); *c; c++)
            t_expect((*c >= 'a' && *c <= 'z') || *c == '_');
        t_expect(e == OK || strlen(err_slug(e)) == strlen(err_name(e)) - 2);
    }
    t_expect_str(str_c(err_slug(E_NOT_FOUND)), S("not_found"));
    t_expect_str(str_c(err_name((Err)12345)), S("E_INTERNAL"));
    t_expect(err_retry(E_TIMEOUT) == RETRY_MAYBE && err_retry(E_CONFLICT) == RETRY_NOW);
    t_expect(err_from_errno(ENOSPC) == E_DISK_FULL && err_from_errno(ENOENT) == E_NOT_FOUND);
    t_expect(err_from_errno(ECONNRESET) == E_CLOSED && err_from_errno(12345) == E_IO);
}
