/* src/base/json_parse_test.c */
#include "base/json.h"
#include "base/json_private.h"
#include "base/json_scan.h"
#include "base/test.h"
#include "base/utf8.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* The text of the only value in @text, written again; "" when it is refused. */
static Str again(Str text)
{
    struct json *v;
    if (json_parse(t_arena(), text, &v) != OK)
        return S("");
    return json_text(t_arena(), v);
}

/* @text copied to its own heap block, so that a sanitizer sees a read behind its end. */
static Err parse_exact(struct arena *a, Str text, struct json **ret_value)
{
    char *p = malloc(text.n ? text.n : 1);
    if (!p)
        DIE("out of memory");
    if (text.n)
        memcpy(p, text.p, text.n);
    arena_defer(a, free, p);
    return json_parse(a, str_from(p, text.n), ret_value);
}

TEST(texts_that_must_be_accepted_are)
{
    static const struct {
        Str text, again;
    } cases[] = {
        {S_INIT("null"), S_INIT("null")},
        {S_INIT(" true\n"), S_INIT("true")},
        {S_INIT("\t\r\n false "), S_INIT("false")},
        {S_INIT("[]"), S_INIT("[]")},
        {S_INIT("{}"), S_INIT("{}")},
        {S_INIT("[ ]"), S_INIT("[]")},
        {S_INIT("{ \n}"), S_INIT("{}")},
        {S_INIT("[1 , 2,3 ]"), S_INIT("[1,2,3]")},
        {S_INIT("[[],[[]],{}]"), S_INIT("[[],[[]],{}]")},
        {S_INIT("{\"a\":{\"b\":[{\"c\":null}]}}"), S_INIT("{\"a\":{\"b\":[{\"c\":null}]}}")},
        {S_INIT("{\"\":1}"), S_INIT("{\"\":1}")},
        {S_INIT("\"\""), S_INIT("\"\"")},
        {S_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), S_INIT("\"\\\"\\\\/\\b\\f\\n\\r\\t\"")},
        {S_INIT("\"\\u0000\\u001f\\u0020\\u007f\""), S_INIT("\"\\u0000\\u001f \x7f\"")},
        {S_INIT("\"\\u00e9\\u20AC\\ud83d\\ude00\""),
         S_INIT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"")},
        {S_INIT("\"\\uD800\\uDC00\\udbff\\udfff\""),
         S_INIT("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"")},
        {S_INIT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
         S_INIT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"")},
        {S_INIT("\xef\xbb\xbf[1]"), S_INIT("[1]")},
        {S_INIT("{\"a\":1,\"b\":2,\"a\":3}"), S_INIT("{\"a\":3,\"b\":2}")},
        {S_INIT("{\"\\u0061\":1,\"a\":2}"), S_INIT("{\"a\":2}")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *v = NULL;
        t_expect_ok(parse_exact(t_arena(), cases[i].text, &v));
        t_expect_str(json_text(t_arena(), v), cases[i].again);
    }
}

TEST(texts_that_must_be_refused_are)
{
    static const Str bad[] = {
        S_INIT(""),
        S_INIT(" "),
        S_INIT("nul"),
        S_INIT("nulL"),
        S_INIT("True"),
        S_INIT("["),
        S_INIT("]"),
        S_INIT("{"),
        S_INIT("}"),
        S_INIT("[1"),
        S_INIT("[1,"),
        S_INIT("[1,]"),
        S_INIT("[,1]"),
        S_INIT("[1 2]"),
        S_INIT("[1}"),
        S_INIT("{\"a\""),
        S_INIT("{\"a\":"),
        S_INIT("{\"a\":}"),
        S_INIT("{\"a\":1,}"),
        S_INIT("{\"a\":1]"),
        S_INIT("{a:1}"),
        S_INIT("{1:1}"),
        S_INIT("{\"a\" 1}"),
        S_INIT("{,}"),
        S_INIT("{\"a\":1 \"b\":2}"),
        S_INIT("1 2"),
        S_INIT("[] []"),
        S_INIT("[]x"),
        S_INIT("\"a"),
        S_INIT("\"a\\"),
        S_INIT("\"a\\\""),
        S_INIT("\"\\u12\""),
        S_INIT("\"\\u12g4\""),
        S_INIT("\"\\x41\""),
        S_INIT("\"\\'\""),
        S_INIT("\"\n\""),
        S_INIT("\"\x01\""),
        S_INIT("\"\0\""),
        S_INIT("\"\\a\""),
        S_INIT("\"\\0\""),
        S_INIT("\"a\tb\""),
        S_INIT("'a'"),
        S_INIT("+1"),
        S_INIT("-"),
        S_INIT("01"),
        S_INIT("-01"),
        S_INIT("00"),
        S_INIT("1."),
        S_INIT(".1"),
        S_INIT("1.e1"),
        S_INIT("1e"),
        S_INIT("1e+"),
        S_INIT("1e1.5"),
        S_INIT("0x10"),
        S_INIT("1_000"),
        S_INIT("NaN"),
        S_INIT("Infinity"),
        S_INIT("-Infinity"),
        S_INIT("1f"),
        S_INIT("--1"),
        S_INIT("\"\xff\""),
        S_INIT("\"\xc0\xaf\""),
        S_INIT("\"\xed\xa0\x80\""),
        S_INIT("\"\xf4\x90\x80\x80\""),
        S_INIT("\"\xe2\x82\""),
        S_INIT("\"\xe2\x82"),
        S_INIT("\"\\ud800\""),
        S_INIT("\"\\udc00\""),
        S_INIT("\"\\ud800\\u0041\""),
        S_INIT("\"\\ud800x\""),
        S_INIT("\"\\ud800\\ud800\""),
        S_INIT("\"\\udc00\\ud800\""),
        S_INIT("\"\\ud83d\\ude0\""),
        S_INIT("/**/1"),
        S_INIT("1//"),
        S_INIT("[1\v]"),
        S_INIT("\xc2\xa0[]"),
        S_INIT("\xff\xfe[\0]\0"),
        S_INIT("[1,\xef\xbb\xbf 2]"),
        S_INIT("\"plain \\n then \xff\""),
        S_INIT("\"plain \\n then \x02\""),
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json *v = (struct json *)8;
        Err e = parse_exact(t_arena(), bad[i], &v);
        if (e != E_SYNTAX || v != (struct json *)8)
            t_fail(__FILE__, __LINE__, "%.*s gave %s", P(bad[i]), err_name(e));
    }
}

/* Every prefix of a document is refused, whatever it is cut in. */
TEST(a_cut_document_is_refused_at_every_byte)
{
    Str text =
        S("{\"k\\n\\ud83d\\ude00\":[1,-2.5e+3,\"\xe2\x82\xac\",true,null,false,{\"x\":\"y\"}]}");

    for (size_t n = 0; n < text.n; n++) {
        struct json *v;
        t_expect_err(parse_exact(t_arena(), str_head(text, n), &v), E_SYNTAX);
    }
}

TEST(errors_name_line_column_and_cause)
{
    static const struct {
        Str text;
        const char *detail;
    } cases[] = {
        {S_INIT(""), "JSON line 1, column 1: expected a value, found the end"},
        {S_INIT("[1,\n 2,\n  x]"), "JSON line 3, column 3: expected a value, found 'x'"},
        {S_INIT("{\"\xe2\x82\xac\xe2\x82\xac\" 1}"),
         "JSON line 1, column 7: expected ':', found '1'"},
        {S_INIT("[1 2]"), "JSON line 1, column 4: expected ',' or ']', found '2'"},
        {S_INIT("{\"a\":1"), "JSON line 1, column 7: expected ',' or '}', found the end"},
        {S_INIT("\n\n{\"a\":1,}"), "JSON line 3, column 8: expected a string as key, found '}'"},
        {S_INIT("[\"a\nb\"]"), "JSON line 1, column 4: control character inside a string"},
        {S_INIT("[\"abc"), "JSON line 1, column 6: unexpected end inside a string"},
        {S_INIT("[\"\\q\"]"), "JSON line 1, column 3: unknown escape"},
        {S_INIT("[\"\\ud800\"]"),
         "JSON line 1, column 3: first half of a surrogate pair without the second"},
        {S_INIT("[\"\xff\"]"), "JSON line 1, column 3: ill-formed UTF-8"},
        {S_INIT("[01]"), "JSON line 1, column 2: a number does not start with 0"},
        {S_INIT("[1.]"), "JSON line 1, column 4: expected a digit behind the point, found ']'"},
        {S_INIT("[\x01]"), "JSON line 1, column 2: expected a value, found byte 0x01"},
        {S_INIT("1 true"), "JSON line 1, column 3: text behind the value"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *v;
        t_expect_err(json_parse(t_arena(), cases[i].text, &v), E_SYNTAX);
        t_expect_str(str_c(err_client_text(E_SYNTAX)), str_c(cases[i].detail));
    }
}

/* ---- numbers ---- */

TEST(numbers_are_int64_or_double_or_their_text)
{
    static const struct {
        const char *text;
        enum json_type type;
        const char *again;
    } cases[] = {
        {"0", JSON_INT, "0"},
        {"-1", JSON_INT, "-1"},
        {"9223372036854775807", JSON_INT, "9223372036854775807"},
        {"-9223372036854775808", JSON_INT, "-9223372036854775808"},
        {"9007199254740993", JSON_INT, "9007199254740993"},
        {"9223372036854775808", JSON_RAW, "9223372036854775808"},
        {"-9223372036854775809", JSON_RAW, "-9223372036854775809"},
        {"12345678901234567890", JSON_RAW, "12345678901234567890"},
        {"18446744073709551616", JSON_RAW, "18446744073709551616"},
        {"123456789012345678901234567890", JSON_RAW, "123456789012345678901234567890"},
        {"100000000000000000000", JSON_DOUBLE, "1e20"},
        {"12345678901234567000", JSON_DOUBLE, "1.2345678901234567e19"},
        {"-0", JSON_DOUBLE, "-0.0"},
        {"-0.0", JSON_DOUBLE, "-0.0"},
        {"0.0", JSON_DOUBLE, "0.0"},
        {"0e999", JSON_DOUBLE, "0.0"},
        {"-0e-99999999999999999999", JSON_DOUBLE, "-0.0"},
        {"0.1", JSON_DOUBLE, "0.1"},
        {"1.0", JSON_DOUBLE, "1.0"},
        {"1e0", JSON_DOUBLE, "1.0"},
        {"1E+2", JSON_DOUBLE, "100.0"},
        {"-2.5e-1", JSON_DOUBLE, "-0.25"},
        {"1.50", JSON_DOUBLE, "1.5"},
        {"1.500000000000000000000000000000", JSON_DOUBLE, "1.5"},
        {"0.000000000000000000000000000000015", JSON_DOUBLE, "1.5e-32"},
        {"0.30000000000000004", JSON_DOUBLE, "0.30000000000000004"},
        {"0.3000000000000000444", JSON_RAW, "0.3000000000000000444"},
        {"0.30000000000000003", JSON_RAW, "0.30000000000000003"},
        {"3.141592653589793", JSON_DOUBLE, "3.141592653589793"},
        {"3.1415926535897931", JSON_RAW, "3.1415926535897931"},
        {"3.14159265358979323846", JSON_RAW, "3.14159265358979323846"},
        {"1.7976931348623157e308", JSON_DOUBLE, "1.7976931348623157e308"},
        {"1.7976931348623159e308", JSON_RAW, "1.7976931348623159e308"},
        {"2e308", JSON_RAW, "2e308"},
        {"1e400", JSON_RAW, "1e400"},
        {"-1e400", JSON_RAW, "-1e400"},
        {"1e-400", JSON_RAW, "1e-400"},
        {"1e99999999999999999999", JSON_RAW, "1e99999999999999999999"},
        {"5e-324", JSON_DOUBLE, "5e-324"},
        {"4.9e-324", JSON_RAW, "4.9e-324"},
        {"4e-324", JSON_RAW, "4e-324"},
        {"2.2250738585072014e-308", JSON_DOUBLE, "2.2250738585072014e-308"},
        {"1.23456789e-310", JSON_DOUBLE, "1.23456789e-310"},
        {"1.234567890123456e-310", JSON_RAW, "1.234567890123456e-310"},
        {"123456789.5", JSON_DOUBLE, "123456789.5"},
        {"1e17", JSON_DOUBLE, "1e17"},
        {"1e16", JSON_DOUBLE, "10000000000000000.0"},
        {"0.000001", JSON_DOUBLE, "0.000001"},
        {"0.0000001", JSON_DOUBLE, "1e-7"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *v, *back;
        t_expect_ok(parse_exact(t_arena(), str_c(cases[i].text), &v));
        if (v->type != cases[i].type)
            t_fail(__FILE__, __LINE__, "%s is of type %d", cases[i].text, v->type);
        Str text = json_text(t_arena(), v);
        t_expect_str(text, str_c(cases[i].again));
        t_expect_ok(json_parse(t_arena(), text, &back));
        t_expect_int(back->type, v->type);
        t_expect(json_equal(v, back));
        t_expect(json_hash(v) == json_hash(back));
    }
}

TEST(numbers_are_read_as_int_and_double)
{
    static const struct {
        const char *text;
        int64_t i; /* -7: no int */
        double d;
    } cases[] = {
        {"5", 5, 5},
        {"5.0", 5, 5},
        {"5e3", 5000, 5000},
        {"5.5", -7, 5.5},
        {"-0", 0, 0},
        {"1e18", 1000000000000000000, 1e18},
        {"1e19", -7, 1e19},
        {"9223372036854775807.0", INT64_MAX, 0x1p63},
        {"-9223372036854775808.0", INT64_MIN, -0x1p63},
        {"9223372036854775808", -7, 0x1p63},
        {"12345678901234567890", -7, 12345678901234567890.0},
        {"0.1000000000000000055511151231257827021181583404541015625", -7, 0.1},
        {"9007199254740993.000000000000000000000000001", -7, 9007199254740994.0},
        {"9007199254740993.000000000000000000000000000", 9007199254740993, 9007199254740992.0},
        {"1e400", -7, -7},
        {"1e-400", -7, 0},
        {"1e99999999999999999999", -7, -7},
        {"1e-99999999999999999999", -7, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *v;
        t_expect_ok(json_parse(t_arena(), str_c(cases[i].text), &v));
        t_expect_int(json_int_of(v, -7), cases[i].i);
        if (json_double_of(v, -7) != cases[i].d)
            t_fail(__FILE__, __LINE__, "%s reads as %a", cases[i].text, json_double_of(v, -7));
    }
}

/* ---- limits and large documents ---- */

TEST(depth_is_limited_at_the_exact_level)
{
    char text[512];
    struct json *v;
    struct json_limits ten = {.depth = 10};

    memset(text, '[', 201);
    memset(text + 201, ']', 201);
    t_expect_ok(json_parse(t_arena(), str_from(text + 1, 400), &v));
    t_expect_err(json_parse(t_arena(), str_from(text, 402), &v), E_TOO_LARGE);
    t_expect_str(str_c(err_client_text(E_TOO_LARGE)),
                 S("JSON line 1, column 201: nested too deep"));
    t_expect_ok(json_parse_limits(t_arena(), str_from(text + 191, 20), &ten, &v));
    t_expect_err(json_parse_limits(t_arena(), str_from(text + 190, 22), &ten, &v), E_TOO_LARGE);
    t_expect_ok(json_parse_limits(t_arena(), S("[[[[[[[[[{}]]]]]]]]]"), &ten, &v));
    t_expect_err(json_parse_limits(t_arena(), S("[[[[[[[[[[{}]]]]]]]]]]"), &ten, &v), E_TOO_LARGE);
}

TEST(a_document_a_million_levels_deep_needs_no_stack)
{
    enum { DEPTH = 1000000 };
    struct json_limits limits = {.depth = DEPTH + 1};
    char *text = arena_bytes(t_arena(), DEPTH * 7 + 1);
    struct json *v, *w;
    size_t n = 0;

    for (int i = 0; i < DEPTH; i++, n += 5)
        memcpy(text + n, "{\"a\":", 5);
    text[n++] = '1';
    memset(text + n, '}', DEPTH);
    n += DEPTH;
    t_expect_ok(json_parse_limits(t_arena(), str_from(text, n), &limits, &v));
    t_expect_str(json_text(t_arena(), v), str_from(text, n));
    w = json_dup(t_arena(), v);
    t_expect(json_equal(v, w));
    t_expect(json_hash(v) == json_hash(w));
    w = json_merge_patch(t_arena(), v, w);
    t_expect(json_equal(v, w));
    AUTO_BUF(b, MIB(16));
    json_write_canonical(&b, w);
    t_expect_str(buf_str(&b), str_from(text, n));
}

TEST(size_limits_are_kept)
{
    struct json_limits limits = {.bytes = 10};
    struct json *v;
    AUTO(arena) *small = arena_new(KIB(64));
    char *text = arena_bytes(t_arena(), 200001);

    t_expect_ok(json_parse_limits(t_arena(), S("[1,2,3,45]"), &limits, &v));
    t_expect_err(json_parse_limits(t_arena(), S("[1,2,3,456]"), &limits, &v), E_TOO_LARGE);

    /* More values than the arena may hold: refused, neither the process nor the heap suffers. */
    for (size_t i = 0; i < 200000; i += 2)
        memcpy(text + i, "0,", 2);
    text[0] = '[';
    text[1] = ' ';
    text[199999] = ']';
    t_expect_err(json_parse(small, str_from(text, 200000), &v), E_TOO_LARGE);
    t_expect(str_find(str_c(err_client_text(E_TOO_LARGE)), S("does not fit")) != SIZE_MAX);
    memset(text, '\\', 200000);
    text[0] = text[199999] = '"';
    t_expect_err(json_parse(small, str_from(text, 200000), &v), E_TOO_LARGE);
    t_expect(arena_used(small) <= KIB(64));
}

/* An object of 100,000 keys, each twice: were it quadratic, this would take minutes. */
TEST(large_objects_with_repeated_keys_are_parsed_and_read_in_linear_time)
{
    enum { N = 100000 };
    AUTO_BUF(b, MIB(16));
    struct json *v;
    char key[32];

    buf_add_char(&b, '{');
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++)
            buf_add_fmt(&b, "%s\"key-%d\":%d", round || i ? "," : "", i, i * 10 + round);
    buf_add_char(&b, '}');
    Usec start = time_mono();
    t_expect_ok(json_parse(t_arena(), buf_str(&b), &v));
    t_expect_int(json_len(v), N);
    for (int i = 0; i < N; i++) {
        Str name = str_from(key, (size_t)snprintf(key, sizeof key, "key-%d", i));
        t_expect_int(json_int_of(json_get(v, name), -1), i * 10 + 1);
        t_expect_str(json_chars(&v->obj[i].key), name);
    }
    t_expect(!json_at(v, "key-100000"));
    t_expect(time_mono() - start < 20 * USEC_S);
}

TEST(objects_of_every_size_around_the_index_border_keep_order_and_last_values)
{
    for (size_t n = 1; n <= 40; n++) {
        AUTO_BUF(b, KIB(64));
        struct json *v;
        char key[32];
        buf_add_char(&b, '{');
        for (size_t i = 0; i < n; i++)
            buf_add_fmt(&b, "%s\"k%zu\":0,\"k%zu\":%zu", i ? "," : "", i, i, i);
        buf_add_char(&b, '}');
        t_expect_ok(json_parse(t_arena(), buf_str(&b), &v));
        t_expect_int(json_len(v), n);
        for (size_t i = 0; i < n; i++) {
            Str name = str_from(key, (size_t)snprintf(key, sizeof key, "k%zu", i));
            t_expect_str(json_chars(&v->obj[i].key), name);
            t_expect_int(json_int_of(json_get(v, name), -1), i);
        }
        t_expect(!json_at(v, "k"));
    }
}

TEST(strings_without_escapes_are_borrowed_and_others_are_not)
{
    Str text = S("[\"plain \xc3\xa9\",\"with \\n escape\"]");
    struct json *v;

    t_expect_ok(json_parse(t_arena(), text, &v));
    const char *plain = json_item(v, 0)->s, *escaped = json_item(v, 1)->s;
    t_expect(plain == text.p + 2);
    t_expect(escaped < text.p || escaped >= text.p + text.n);
}

/* ---- the scan ---- */

TEST(the_scans_agree_on_every_byte_at_every_place)
{
    char text[64], copy[64 + 16];

    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 40; at++) {
            memset(text, 'x', 40);
            text[at] = (char)c;
            for (int wide = 0; wide < 2; wide++) {
                bool odd = c < 0x20 || c == '"' || c == '\\' || (c >= 0x80 && !wide);
                const char *want = odd ? text + at : text + 40;
                t_expect(json_scan_portable(text, text + 40, wide) == want);
                t_expect(json_scan(text, text + 40, wide) == want);
                memset(copy, 0, sizeof copy);
                t_expect(json_scan_copy(text, text + 40, wide, copy) == want);
                t_expect(memcmp(copy, text, (size_t)(want - text)) == 0);
            }
        }
    }
}

/* Against the plain way: runs of backslashes, quotes and control characters over all borders. */
TEST(the_scan_of_a_text_agrees_with_the_plain_one_on_any_mixture)
{
    static const char some[] = "\\\\\\\"x\\y\x1f\xe2 ";
    uint64_t state = 1;
    char text[300];

    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)round % sizeof text;
        for (size_t i = 0; i < n; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            unsigned what = (unsigned)(state >> 33) % 64;
            /* Mostly plain, so that ends are far; in every third round mostly escapes. */
            if (round % 3 == 0)
                text[i] = what < 60 ? '\\' : some[what % (sizeof some - 1)];
            else
                text[i] = what < 6 ? some[what * 2 % (sizeof some - 1)] : 'x';
        }
        const char *want = json_scan_text_portable(text, text + n);
        t_expect(json_scan_text(text, text + n) == want);
    }
}

/* Escapes and wide characters at every distance from the 16-byte steps of the scan. */
TEST(strings_of_every_length_with_an_escape_anywhere_are_decoded)
{
    static const Str odd[] = {S_INIT("\\n"), S_INIT("\xe2\x82\xac"), S_INIT("\\ud83d\\ude00"),
                              S_INIT("\\\\")};
    static const Str plain[] = {S_INIT("\n"), S_INIT("\xe2\x82\xac"), S_INIT("\xf0\x9f\x98\x80"),
                                S_INIT("\\")};
    char text[128], want[128];

    for (size_t o = 0; o < ARRAY_LEN(odd); o++) {
        for (size_t n = 0; n < 50; n++) {
            for (size_t at = 0; at <= n; at++) {
                struct json *v;
                memset(text, 'x', sizeof text);
                memset(want, 'x', sizeof want);
                text[0] = '"';
                memcpy(text + 1 + at, odd[o].p, odd[o].n);
                text[1 + n + odd[o].n] = '"';
                memcpy(want + at, plain[o].p, plain[o].n);
                t_expect_ok(parse_exact(t_arena(), str_from(text, n + odd[o].n + 2), &v));
                t_expect_str(json_chars(v), str_from(want, n + plain[o].n));
            }
        }
    }
}

/* ---- JSONTestSuite ---- */

static Str read_file(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    AUTO_BUF(b, MIB(8));

    if (!f)
        return S("");
    for (size_t n = 1; n && buf_room(&b, KIB(16)); buf_added(&b, n))
        n = fread(buf_room(&b, KIB(16)), 1, KIB(16), f);
    fclose(f);
    return str_dup(a, buf_str(&b));
}

TEST(the_json_test_suite_is_passed)
{
    char path[1024];
    struct dirent *entry;
    int accepted = 0, refused = 0, either = 0;

    snprintf(path, sizeof path, "%s/json/parsing/test_parsing", t_data() ? t_data() : "");
    DIR *dir = t_data() ? opendir(path) : NULL;
    if (!dir) {
        t_skip("HEDDLE_TEST_DATA has no json/parsing");
        return;
    }
    while ((entry = readdir(dir))) {
        AUTO(arena) *a = arena_new(MIB(64));
        struct json *v;
        char kind = entry->d_name[0];
        if (!str_ends(str_c(entry->d_name), S(".json")))
            continue;
        snprintf(path, sizeof path, "%s/json/parsing/test_parsing/%s", t_data(), entry->d_name);
        Err e = parse_exact(a, read_file(a, path), &v);
        if (e == OK && !json_equal(v, v))
            t_fail(__FILE__, __LINE__, "%s does not equal itself", entry->d_name);
        if (e == OK && str_is_empty(again(json_text(t_arena(), v))))
            t_fail(__FILE__, __LINE__, "%s does not survive writing", entry->d_name);
        if ((kind == 'y' && e != OK) || (kind == 'n' && e == OK))
            t_fail(__FILE__, __LINE__, "%s gave %s", entry->d_name, err_name(e));
        accepted += kind == 'y';
        refused += kind == 'n';
        either += kind == 'i';
    }
    closedir(dir);
    t_expect(accepted >= 95 && refused >= 187 && either >= 35);
}
