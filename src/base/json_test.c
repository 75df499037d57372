/* src/base/json_test.c - reading, building and writing values. */
#include "base/json.h"
#include "base/json_private.h"
#include "base/test.h"
#include "base/time.h"
#include "base/utf8.h"

#include <math.h>
#include <pthread.h>

static struct json *parsed(const char *text)
{
    struct json *v = NULL;
    if (json_parse(t_arena(), str_c(text), &v) != OK)
        t_fail(__FILE__, __LINE__, "%s: %s", text, err_text(E_SYNTAX));
    return v;
}

#define TEXT(v) json_text(t_arena(), (v))

/* ---- reading ---- */

TEST(readers_accept_null_and_wrong_types)
{
    struct json *v = parsed("{\"a\":[1,\"x\",2.5,true,null,{}]}");
    struct json *arr = json_at(v, "a");

    t_expect_int(json_type(NULL), JSON_NULL);
    t_expect(!json_is(NULL, JSON_NULL));
    t_expect(!json_at(NULL, "a") && !json_at(arr, "a") && !json_at(v, "b"));
    t_expect(!json_item(NULL, 0) && !json_item(v, 0) && !json_item(arr, 6));
    t_expect_int(json_len(NULL), 0);
    t_expect_int(json_len(arr), 6);
    t_expect_int(json_len(json_item(arr, 1)), 0);
    t_expect_int(json_int_of(NULL, 7), 7);
    t_expect_int(json_int_of(json_item(arr, 1), 7), 7);
    t_expect_int(json_int_of(json_item(arr, 0), 7), 1);
    t_expect_int(json_int_of(json_item(arr, 2), 7), 7);
    t_expect(json_double_of(json_item(arr, 2), 7) == 2.5);
    t_expect(json_double_of(json_item(arr, 0), 7) == 1);
    t_expect(json_double_of(NULL, 7) == 7);
    t_expect(json_bool_of(json_item(arr, 3), false) && json_bool_of(NULL, true));
    t_expect(json_bool_of(json_item(arr, 0), true));
    t_expect_str(json_str_of(json_item(arr, 1), S("?")), S("x"));
    t_expect_str(json_str_of(json_item(arr, 0), S("?")), S("?"));
    t_expect_str(json_str_of(json_at(json_at(v, "b"), "c"), S("?")), S("?"));
    t_expect(json_is_number(json_item(arr, 2)) && !json_is_number(json_item(arr, 1)));
    t_expect(json_is_bool(json_item(arr, 3)) && !json_is_bool(NULL) && !json_is_number(NULL));
}

TEST(types_have_names_for_people)
{
    struct json *v = parsed("[null,true,false,1,1.5,1e400,\"\",[],{}]");
    static const char *const names[] = {"null",   "boolean", "boolean", "number", "number",
                                        "number", "string",  "array",   "object"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        t_expect_str(str_c(json_type_name(json_item(v, i))), str_c(names[i]));
    t_expect_str(str_c(json_type_name(NULL)), S("null"));
}

TEST(keys_with_zero_bytes_and_common_prefixes_are_told_apart)
{
    struct json *v = parsed("{\"a\":1,\"a\\u0000\":2,\"a\\u0000b\":3,\"\":4}");
    t_expect_int(json_len(v), 4);
    t_expect_int(json_int_of(json_get(v, S("a")), 0), 1);
    t_expect_int(json_int_of(json_get(v, S("a\0")), 0), 2);
    t_expect_int(json_int_of(json_get(v, S("a\0b")), 0), 3);
    t_expect_int(json_int_of(json_get(v, S("")), 0), 4);
}

/* ---- building ---- */

TEST(objects_are_built_from_pairs)
{
    struct arena *a = t_arena();
    Id id = {{0x01, 0x94, 0xfd, 0xc2, 0xfa, 0x2f, 0x7c, 0xc0, 0x81, 0xd3, 0xff, 0x12, 0x04, 0x5b,
              0x73, 0xc8}};
    struct json *v =
        json_obj(a, "id", json_id(a, id), "n", json_int(a, -3), "gone", (struct json *)NULL, "d",
                 json_double(a, 0.5), "nan", json_double(a, NAN), "inf", json_double(a, -INFINITY),
                 "yes", json_bool(a, true), "no", json_bool(a, false), "nil", json_null(a), "s",
                 json_str(a, S("x\ny")), "c", json_str_c(a, "z"), "t", json_time(a, USEC_S), "t0",
                 json_time(a, 0), "arr", json_arr(a), NULL);

    t_expect_str(TEXT(v), S("{\"id\":\"0194fdc2-fa2f-7cc0-81d3-ff12045b73c8\",\"n\":-3,\"d\":0.5,"
                            "\"nan\":null,\"inf\":null,\"yes\":true,\"no\":false,\"nil\":null,"
                            "\"s\":\"x\\ny\",\"c\":\"z\",\"t\":\"1970-01-01T00:00:01.000000Z\","
                            "\"t0\":null,\"arr\":[]}"));
    t_expect_str(TEXT(json_obj(a, NULL)), S("{}"));
}

TEST(ill_formed_strings_are_repaired_when_built)
{
    struct arena *a = t_arena();
    struct json *v = json_arr(a), *o = json_obj(a, NULL);

    json_push(a, v, json_str(a, S("a\xff")));
    json_set(a, o, S("k\xc0"), json_int(a, 1));
    json_set(a, o, S("k\xc1"), json_int(a, 2)); /* becomes the same key */
    json_push(a, v, o);
    json_push(a, v, NULL);
    t_expect_str(TEXT(v), S("[\"a\xef\xbf\xbd\",{\"k\xef\xbf\xbd\":2},null]"));
}

TEST(arrays_and_objects_grow_across_every_size)
{
    struct arena *a = t_arena();
    struct json *arr = json_arr(a), *obj = json_obj(a, NULL);
    char key[32];

    for (int i = 0; i < 1000; i++) {
        json_push(a, arr, json_int(a, i));
        json_set(a, obj, str_dup(a, str_from(key, (size_t)snprintf(key, sizeof key, "k%d", i))),
                 json_int(a, i));
        json_set(a, obj, S("k0"), json_int(a, -i));
        t_expect_int(json_len(arr), i + 1);
        t_expect_int(json_len(obj), i + 1);
    }
    for (int i = 1; i < 1000; i++) {
        t_expect_int(json_int_of(json_item(arr, (size_t)i), -1), i);
        Str name = str_from(key, (size_t)snprintf(key, sizeof key, "k%d", i));
        t_expect_int(json_int_of(json_get(obj, name), -1), i);
    }
    t_expect_int(json_int_of(json_at(obj, "k0"), 1), -999);
}

TEST(a_set_value_is_copied_even_when_it_lies_in_the_object_itself)
{
    struct arena *a = t_arena();
    struct json *v = parsed("{\"a\":{\"x\":1},\"b\":2,\"c\":3,\"d\":4}");

    json_set(a, v, S("e"), json_at(v, "a")); /* the block moves while its member is read */
    json_push(a, json_obj(a, NULL) ? json_arr(a) : NULL, v);
    t_expect_str(TEXT(v), S("{\"a\":{\"x\":1},\"b\":2,\"c\":3,\"d\":4,\"e\":{\"x\":1}}"));
}

/* Two values that share a block grow apart, as documented: neither sees the other's new children.
 */
TEST(values_that_share_a_block_grow_apart)
{
    struct arena *a = t_arena();
    struct json *one = json_arr(a), two;

    json_push(a, one, json_int(a, 1));
    two = *one;
    json_push(a, one, json_int(a, 2));
    json_push(a, &two, json_int(a, 3));
    json_push(a, one, json_int(a, 4));
    t_expect_str(TEXT(one), S("[1,2,4]"));
    t_expect_str(TEXT(&two), S("[1,3]"));

    for (int members = 3; members < 40; members += 9) {
        struct json *left = json_obj(a, NULL), right;
        for (int i = 0; i < members; i++)
            json_set(a, left, str_fmt(a, "k%d", i), json_int(a, i));
        right = *left;
        json_set(a, left, S("new"), json_int(a, 1));
        t_expect(!json_at(&right, "new"));
        json_set(a, &right, S("new"), json_int(a, 2));
        json_set(a, &right, S("more"), json_int(a, 3));
        t_expect_int(json_int_of(json_at(left, "new"), 0), 1);
        t_expect_int(json_int_of(json_at(&right, "new"), 0), 2);
        t_expect(!json_at(left, "more"));
        t_expect_int(json_len(left), members + 1);
        t_expect_int(json_len(&right), members + 2);
    }
}

TEST(members_are_removed_from_small_and_indexed_objects)
{
    struct arena *a = t_arena();

    for (int members = 1; members < 60; members += 7) {
        AUTO_BUF(b, KIB(16));
        buf_add_char(&b, '{');
        for (int i = 0; i < members; i++)
            buf_add_fmt(&b, "%s\"k%d\":%d", i ? "," : "", i, i);
        buf_add_char(&b, '}');
        struct json *v = parsed(str_dup_c(a, buf_str(&b)));
        t_expect(!json_remove(v, S("k")));
        for (int i = 0; i < members; i += 2)
            t_expect(json_remove(v, str_fmt(a, "k%d", i)));
        t_expect(!json_remove(v, S("k0")));
        t_expect_int(json_len(v), members / 2);
        for (int i = 0; i < members; i++)
            t_expect_int(json_int_of(json_get(v, str_fmt(a, "k%d", i)), -1), i % 2 ? i : -1);
        json_set(a, v, S("k0"), json_int(a, 100));
        t_expect_int(json_int_of(json_at(v, "k0"), -1), 100);
        t_expect_str(json_chars(&v->obj[v->n - 1].key), S("k0"));
    }
    t_expect(!json_remove(json_arr(a), S("x")));
}

TEST(a_deep_copy_borrows_nothing)
{
    AUTO(arena) *own = arena_new(MIB(1));
    AUTO_BUF(b, KIB(64));
    struct json *v, *copy;

    buf_add(&b,
            S("{\"a\":[1,\"text\",{\"raw\":12345678901234567890,\"e\":\"\\n\"},[],{}],\"k0\":0"));
    for (int i = 1; i < 30; i++)
        buf_add_fmt(&b, ",\"k%d\":[\"v%d\"]", i, i);
    buf_add_char(&b, '}');
    t_expect_ok(json_parse(own, buf_str(&b), &v));
    Str before = TEXT(v);
    copy = json_dup(t_arena(), v);
    t_expect(json_equal(copy, v));
    memset(b.p, 'x', b.n);
    arena_reset(own);
    t_expect_str(TEXT(copy), before);
    t_expect_str(json_str_of(json_item(json_at(copy, "k29"), 0), S("")), S("v29"));
    json_set(t_arena(), copy, S("k29"), json_int(t_arena(), 1));
    t_expect_int(json_int_of(json_at(copy, "k29"), 0), 1);
    t_expect_str(TEXT(json_dup(t_arena(), NULL)), S("null"));
}

static void *read_often(void *arg)
{
    for (int i = 0; i < 20000; i++)
        if (json_int_of(json_at((struct json *)arg, "k77"), 0) != 77)
            return arg;
    return NULL;
}

TEST(a_large_object_is_read_by_several_threads_at_once)
{
    struct arena *a = t_arena();
    struct json *v = json_obj(a, NULL);
    pthread_t threads[4];
    void *bad = NULL, *result;

    for (int i = 0; i < 100; i++)
        json_set(a, v, str_fmt(a, "k%d", i), json_int(a, i));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        t_expect_int(pthread_create(&threads[i], NULL, read_often, v), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], &result);
        bad = result ? result : bad;
    }
    t_expect(!bad);
}

/* ---- writing ---- */

TEST(strings_are_escaped_as_the_rfc_demands)
{
    AUTO_BUF(b, KIB(4));

    json_write_str(&b, S("\"\\/\b\f\n\r\t\x01\x1f\x7f<\xe2\x80\xa8>"));
    t_expect_str(buf_str(&b), S("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f<\xe2\x80\xa8>\""));
    buf_reset(&b);
    json_write_str(&b, S("a\xff\xe2\x82z"));
    t_expect_str(buf_str(&b), S("\"a\xef\xbf\xbd\xef\xbf\xbdz\""));
    buf_reset(&b);
    json_write_str(&b, (Str){NULL, 0});
    t_expect_str(buf_str(&b), S("\"\""));
}

/* An escape at every place of strings around the 16-byte steps, in buffers with and without room.
 */
TEST(strings_of_every_length_are_written_into_buffers_of_every_size)
{
    char text[64], want[80];

    for (size_t n = 1; n < 50; n++) {
        for (size_t at = 0; at < n; at++) {
            memset(text, 'x', n);
            text[at] = '\n';
            want[0] = '"';
            memset(want + 1, 'x', n + 1);
            memcpy(want + 1 + at, "\\n", 2);
            want[n + 2] = '"';
            for (size_t max = n; max < n + 50; max += max < n + 4 ? 1 : 46) {
                AUTO_BUF(b, max);
                json_write_str(&b, str_from(text, n));
                t_expect(b.failed == (max < n + 3));
                if (!b.failed)
                    t_expect_str(buf_str(&b), str_from(want, n + 3));
            }
        }
    }
}

TEST(pretty_text_is_indented_by_two)
{
    AUTO_BUF(b, KIB(4));

    json_write_pretty(&b, parsed("{\"a\":[1,{\"b\":[]},[2]],\"c\":{}}"));
    t_expect_str(buf_str(&b), S("{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    },\n    [\n"
                                "      2\n    ]\n  ],\n  \"c\": {}\n}"));
    buf_reset(&b);
    json_write_pretty(&b, NULL);
    t_expect_str(buf_str(&b), S("null"));
}

TEST(doubles_are_written_with_the_fewest_digits)
{
    static const struct {
        double d;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1.5, "-1.5"},
        {100, "100.0"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e15, "1000000000000000.0"},
        {123456789012345680, "1.2345678901234568e17"},
        {12345678901234568, "12345678901234568.0"},
        {1e21, "1e21"},
        {1e-5, "0.00001"},
        {0.000001, "0.000001"},
        {1.5e-7, "1.5e-7"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {9007199254740992, "9007199254740992.0"},
        {1.0 / 3, "0.3333333333333333"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF(b, 64);
        json_write_double(&b, cases[i].d);
        t_expect_str(buf_str(&b), str_c(cases[i].text));
    }
}

TEST(a_full_buffer_stops_the_writer_and_is_told)
{
    struct json *v = parsed("{\"a\":[1,2,{\"b\":\"cccccccccccccccccccc\"}],\"d\":1.5}");
    Str whole = TEXT(v);

    for (size_t max = 0; max <= whole.n + 1; max++) {
        AUTO_BUF(b, max);
        json_write(&b, v);
        if (max < whole.n) {
            t_expect_err(buf_ok(&b), E_TOO_LARGE);
            continue;
        }
        t_expect_ok(buf_ok(&b));
        t_expect_str(buf_str(&b), whole);
    }
}

TEST(canonical_text_sorts_keys_and_normalises_numbers)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"{\"b\":1,\"a\":{\"d\":[ ],\"c\":null}}", "{\"a\":{\"c\":null,\"d\":[]},\"b\":1}"},
        {"{\"\\u20ac\":1,\"\\ud83d\\ude00\":2,\"z\":3,\"\":4}",
         "{\"\":4,\"z\":3,\"\xe2\x82\xac\":1,\"\xf0\x9f\x98\x80\":2}"},
        {"[1,1.0,1e0,10e-1,0.1e1]", "[1,1,1,1,1]"},
        {"[0,-0,0.0,-0e5]", "[0,0,0,0]"},
        {"[1e2,100,1.00e2]", "[100,100,100]"},
        {"[1e20,1e21,100000000000000000000]", "[100000000000000000000,1e21,100000000000000000000]"},
        {"[0.000001,0.0000001,1.5e-10]", "[0.000001,1e-7,1.5e-10]"},
        {"[12345678901234567890,12345678901234567890.0,1.234567890123456789e19]",
         "[12345678901234567890,12345678901234567890,12345678901234567890]"},
        {"[1e400,10e399]", "[1e400,1e400]"},
        {"[-3.14159265358979323846264338327950288]", "[-3.14159265358979323846264338327950288]"},
        {"[0.30000000000000004,123.456]", "[0.30000000000000004,123.456]"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF(b, KIB(4));
        json_write_canonical(&b, parsed(cases[i].text));
        t_expect_str(buf_str(&b), str_c(cases[i].canonical));
    }
}
