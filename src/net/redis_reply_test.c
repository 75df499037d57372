/* src/net/redis_reply_test.c - replies whole and cut, and what is none. */
#include "net/redis_reply.h"

#include "base/test.h"

static Err parse(Str in, struct redis_reply *reply, size_t *used)
{
    return redis_reply_parse(t_arena(), in, reply, used);
}

TEST(redis_replies_of_every_kind_are_read)
{
    Str in =
        S("*6\r\n:-42\r\n$5\r\na\r\nbc\r\n+OK\r\n-ERR no\r\n$-1\r\n*2\r\n:1\r\n*-1\r\n+next\r\n");
    struct redis_reply r;
    size_t used;

    t_expect_ok(parse(in, &r, &used));
    t_expect_int((int64_t)used, (int64_t)in.n - 7);
    t_expect_int(r.type, REDIS_ARRAY);
    t_expect_int((int64_t)r.n, 6);
    t_expect_int(r.items[0].i, -42);
    t_expect_str(r.items[1].s, S("a\r\nbc"));
    t_expect_str(r.items[2].s, S("OK"));
    t_expect_int(r.items[3].type, REDIS_ERROR);
    t_expect_int(r.items[4].type, REDIS_NULL);
    t_expect_int(r.items[5].items[0].i, 1);
    t_expect_int(r.items[5].items[1].type, REDIS_NULL);
}

TEST(redis_replies_that_are_cut_anywhere_are_waited_for)
{
    Str in = S("*3\r\n:12\r\n$3\r\nabc\r\n*1\r\n+x\r\n");
    struct redis_reply r;
    size_t used;

    for (size_t n = 0; n < in.n; n++) {
        t_expect_ok(parse(str_head(in, n), &r, &used));
        t_expect_int((int64_t)used, 0);
    }
    t_expect_ok(parse(in, &r, &used));
    t_expect_int((int64_t)used, (int64_t)in.n);
}

TEST(redis_replies_that_are_none_or_without_end_are_refused)
{
    static const char *const wrong[] = {"HTTP/1.1 400\r\n", "\r\n",       ":1x\r\n",
                                        "$x\r\n",           "$-2\r\n",    "+a\rb\n",
                                        "$1\r\nabc\r\n",    "*1\r\n!\r\n"};
    static const char *const large[] = {"$99999999\r\n", "*99999\r\n",
                                        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"};
    struct redis_reply r;
    size_t used;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        t_expect_err(parse(str_c(wrong[i]), &r, &used), E_UPSTREAM);
    for (size_t i = 0; i < ARRAY_LEN(large); i++)
        t_expect_err(parse(str_c(large[i]), &r, &used), E_TOO_LARGE);
}

TEST(redis_commands_are_arrays_of_texts)
{
    AUTO_BUF(out, KIB(1));
    Str words[] = {S("GET"), S("a b"), S("")};

    redis_command_add(&out, words, 3);
    t_expect_str(buf_str(&out), S("*3\r\n$3\r\nGET\r\n$3\r\na b\r\n$0\r\n\r\n"));
}
