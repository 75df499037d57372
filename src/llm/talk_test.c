/* src/llm/talk_test.c - turns that were kept, as one input and as clients see them. */
#include "llm/talk.h"

#include "base/test.h"

static const Str first = S_INIT(
    "{\"input\":\"a \\u00e9\",\"response\":{\"id\":\"r\",\"output\":[{\"id\":\"rs_1\",\"type\":"
    "\"reasoning\",\"summary\":[],\"encrypted_content\":null},{\"id\":\"rs_2\",\"type\":"
    "\"reasoning\",\"summary\":[],\"encrypted_content\":\"x\"},{\"id\":\"msg_1\",\"type\":"
    "\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[]}]}}");
static const Str second = S_INIT(
    "{\"input\":[{\"role\":\"user\",\"content\":\"b\"},{\"type\":\"function_call_output\",\"id\":"
    "\"mine\",\"call_id\":\"c\",\"output\":\"o\"}],\"response\":{\"output\":[{\"id\":\"msg_2\"}]}"
    "}");

TEST(talk_turns_become_one_input_without_ids_and_what_nobody_can_open)
{
    AUTO(arena) *work = arena_new(MIB(1));
    AUTO_BUF(list, KIB(4));

    buf_add_char(&list, '[');
    t_expect_ok(llm_talk_add(work, first, &list));
    t_expect_ok(llm_talk_add(work, second, &list));
    t_expect_ok(llm_talk_add_input(S(" [ {\"role\":\"user\"} ] "), &list));
    t_expect_ok(llm_talk_add_input(S("[]"), &list));
    t_expect_ok(llm_talk_add_input(S("\"c\""), &list));
    buf_add_char(&list, ']');
    t_expect_str(buf_str(&list),
                 S("[{\"type\":\"message\",\"role\":\"user\",\"content\":\"a \xc3\xa9\"},"
                   "{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"x\"},"
                   "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[]},"
                   "{\"role\":\"user\",\"content\":\"b\"},{\"type\":\"function_call_output\","
                   "\"call_id\":\"c\",\"output\":\"o\"},{},{\"role\":\"user\"},"
                   "{\"type\":\"message\",\"role\":\"user\",\"content\":\"c\"}]"));
    t_expect_err(llm_talk_add(work, S("{"), &list), E_CORRUPT);
    t_expect_err(llm_talk_add_input(S("{}"), &list), E_BAD_INPUT);
    struct buf small = BUF(16);
    t_expect_err(llm_talk_add(work, first, &small), E_TOO_LARGE);
    buf_done(&small);
}

TEST(talk_ids_of_responses_and_items_are_told_from_others)
{
    Id id = id_new(), other;
    unsigned index;
    Str text = llm_response_id(t_arena(), id);

    t_expect(llm_response_id_parse(text, &other) && id_eq(id, other));
    t_expect(!llm_response_id_parse(str_fmt(t_arena(), "%.*s0", P(text)), &other));
    t_expect(!llm_response_id_parse(S("resp_0123456789abcdef0123456789abcdeX"), &other));
    t_expect(!llm_response_id_parse(S(""), &other));
    Str item = str_fmt(t_arena(), "fc_%.*s00ff", P(str_skip(text, 5)));
    t_expect(llm_item_id_parse(item, &other, &index) && id_eq(id, other));
    t_expect_int(index, 255);
    t_expect(!llm_item_id_parse(text, &other, &index));
    t_expect(!llm_item_id_parse(S("msg"), &other, &index));
}

static Str page(size_t limit, bool newest_first, Str after)
{
    AUTO(arena) *work = arena_new(MIB(1));
    AUTO_BUF(out, KIB(8));
    struct llm_talk_turn turns[] = {{{{1}}, {first.p, first.n}}, {{{2}}, {second.p, second.n}}};
    struct llm_talk_range range = {limit, newest_first, after};

    if (llm_talk_page(work, turns, 2, &range, &out) != OK)
        t_fail(__FILE__, __LINE__, "no page");
    return str_dup(t_arena(), buf_str(&out));
}

TEST(talk_items_are_shown_in_pages_from_either_end)
{
    for (int newest = 0; newest < 2; newest++) {
        Str after = S(""), seen = S("");
        bool more = true;
        size_t pages = 0;
        for (; more && pages < 9; pages++) {
            struct json *v;
            t_expect_ok(json_parse(t_arena(), page(2, newest, after), &v));
            const struct json *data = json_at(v, "data");
            for (size_t i = 0; i < json_len(data); i++)
                seen =
                    str_fmt(t_arena(), "%.*s %.*s", P(seen),
                            P(str_head(json_str_of(json_at(json_item(data, i), "id"), S("")), 5)));
            after = json_str_of(json_at(v, "last_id"), S(""));
            more = json_bool_of(json_at(v, "has_more"), false);
        }
        t_expect_int(pages, 3);
        t_expect_str(seen, newest ? S(" fco_0 msg_0 msg_1 rs_2 rs_1 msg_0")
                                  : S(" msg_0 rs_1 rs_2 msg_1 msg_0 fco_0"));
    }
    Str all = page(100, false, S(""));
    t_expect(str_find(all, S("\"type\":\"message\",\"status\":\"completed\",\"role\":\"user\","
                             "\"content\":[{\"type\":\"input_text\",\"text\":\"a \xc3\xa9\"}]")) !=
             SIZE_MAX);
    t_expect(str_find(all, S("mine")) == SIZE_MAX);
}

TEST(talk_items_that_are_named_are_put_in_their_place)
{
    AUTO(arena) *work = arena_new(MIB(1));
    AUTO_BUF(out, KIB(4));
    struct llm_talk_turn turns[] = {{{{1}}, {first.p, first.n}}, {{{2}}, {second.p, second.n}}};
    struct json *v;
    Id ids[2];
    size_t n;
    Str gone = S("");

#define REF(prefix, id, index)                                                                     \
    "{\"type\":\"item_reference\",\"id\":\"" prefix "_" id "000000000000000000000000000000" index  \
    "\"}"
    t_expect_ok(json_parse(
        t_arena(),
        S("[{\"role\":\"user\",\"content\":\"x\"}," REF("rs", "01", "0000") "," REF(
            "rs", "01", "0001") "," REF("msg", "01",
                                        "0002") "," REF("fco", "02",
                                                        "8001") ",{"
                                                                "\"type\":\"item_reference\","
                                                                "\"id\":\"msg_other\"}]"),
        &v));
    llm_talk_refs(v, ids, 2, &n);
    t_expect_int(n, 2);
    t_expect(id_eq(ids[0], turns[0].id) && id_eq(ids[1], turns[1].id));
    llm_talk_refs(v, ids, 1, &n);
    t_expect(n > 1);
    t_expect_ok(llm_talk_resolve(work, v, turns, 2, &out, &gone));
    t_expect_str(
        buf_str(&out),
        S("[{\"role\":\"user\",\"content\":\"x\"},{\"type\":\"reasoning\",\"summary\":[],"
          "\"encrypted_content\":\"x\"},{\"type\":\"message\",\"role\":\"assistant\","
          "\"content\":[]},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":"
          "\"o\"},{\"type\":\"item_reference\",\"id\":\"msg_other\"}]"));
    t_expect_ok(json_parse(t_arena(), S("[" REF("msg", "02", "0009") "]"), &v));
    t_expect_err(llm_talk_resolve(work, v, turns, 2, &out, &gone), E_NOT_FOUND);
    t_expect(str_ends(gone, S("0009")));
    t_expect_ok(json_parse(t_arena(), S("[" REF("msg", "03", "0000") "]"), &v));
    t_expect_err(llm_talk_resolve(work, v, turns, 2, &out, &gone), E_NOT_FOUND);
    t_expect_ok(json_parse(t_arena(), S("[" REF("msg", "01", "8000") "]"), &v));
    t_expect_err(llm_talk_resolve(work, v, turns, 2, &out, &gone), E_NOT_FOUND);
}
