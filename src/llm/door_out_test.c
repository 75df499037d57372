/* src/llm/door_out_test.c - events as one list, however they are cut. */
#include "llm/door_out.h"

#include "base/json.h"
#include "base/test.h"

static Str listed(Str text, size_t cut)
{
    struct buf out = BUF(MIB(1));
    struct llm_list l = {0};

    llm_list_feed(&l, str_head(text, cut), &out);
    llm_list_feed(&l, str_skip(text, cut), &out);
    buf_add(&out, llm_list_end(&l));
    Str all = str_dup(t_arena(), buf_str(&out));
    buf_done(&out);
    return all;
}

TEST(door_out_events_become_one_list_wherever_they_are_cut)
{
    static const Str texts[] = {
        S_INIT("data: {\"a\":1}\n\n:\n\nevent: x\ndata: {\"b\":\ndata: 2}\n\ndata:3\n\n"),
        S_INIT("data: {\"a\":1}\r\n\r\n: ping\r\n\r\nevent: x\r\ndata: {\"b\":\r\ndata: 2}\r\n\r\n"
               "data:3\r\n\r\n"),
        S_INIT("data: {\"a\":1}\r\rda: no\r\revent: x\rdata: {\"b\":\rdata: 2}\r\rdata:3"),
    };
    struct json *v, *want;

    t_expect_ok(json_parse(t_arena(), S("[{\"a\":1},{\"b\":2},3]"), &want));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t cut = 0; cut <= texts[i].n; cut++) {
            Str out = listed(texts[i], cut);
            t_expect_ok(json_parse(t_arena(), out, &v));
            if (!json_equal(v, want))
                t_fail(__FILE__, __LINE__, "text %zu cut at %zu: %.*s", i, cut, P(out));
        }
}

TEST(door_out_what_begins_is_out_before_its_event_is_over_and_nothing_is_an_empty_list)
{
    struct buf out = BUF(KIB(1));
    struct llm_list l = {0};

    t_expect_str(llm_list_end(&l), S("[]"));
    llm_list_feed(&l, S("data: {\"a\":"), &out);
    t_expect_str(buf_str(&out), S("[ {\"a\":"));
    buf_done(&out);
}
