/* src/llm/assemble_test.c - streams as the messages that they are. */
#include "llm/assemble.h"

#include "base/test.h"

static Str assembled(enum llm_events kind, const char *events)
{
    const struct json *v = llm_assemble(t_arena(), kind, str_c(events));
    return v ? json_text(t_arena(), v) : S("nothing");
}

TEST(chunks_make_a_chat_completion)
{
    t_expect_str(
        assembled(
            LLM_EVENTS_CHUNKS,
            "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
            "\"delta\":{\"role\":\"assistant\",\"content\":\"He\"}}]}\n\n"
            "data: "
            "{\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\r\n\r\n"
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
            "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\ndata: [DONE]\n\n"),
        S("{\"id\":\"c1\",\"object\":\"chat.completion\",\"usage\":{\"total_tokens\":3},"
          "\"choices\":[{"
          "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"},"
          "\"finish_reason\":\"stop\"}]}"));
}

TEST(calls_of_tools_come_together)
{
    Str got = assembled(
        LLM_EVENTS_CHUNKS,
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\"\"}}]}}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\","
        "\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
        "\"function\":{\"arguments\":\":1}\"}}]}}]}\n\n");
    t_expect_str(got,
                 S("{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                   "null,\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{"
                   "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"b\",\"type\":"
                   "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},"
                   "\"finish_reason\":null}]}"));
}

TEST(blocks_make_a_message)
{
    Str got = assembled(
        LLM_EVENTS_MESSAGES,
        "event: message_start\ndata: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":"
        "\"message\",\"role\":\"assistant\",\"usage\":{\"input_tokens\":4,\"output_tokens\":1}}}"
        "\n\n"
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
        "\"text\":\"\"}}\n\n"
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"Hi\"}}\n\n"
        "data: "
        "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\","
        "\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n"
        "data: "
        "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"partial_json\":\"{\\\"a\\\":\"}"
        "}\n\n"
        "data: "
        "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"partial_json\":\"2}\"}}\n\n"
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"
        "\"output_tokens\":9}}\n\n");
    t_expect_str(got, S("{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"usage\":{"
                        "\"input_tokens\":4,\"output_tokens\":9},\"stop_reason\":\"tool_use\","
                        "\"content\":[{\"type\":\"text\",\"text\":\"Hi\"},{\"type\":\"tool_use\","
                        "\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":2}}]}"));
}

TEST(a_response_is_what_its_last_event_says)
{
    t_expect_str(assembled(LLM_EVENTS_RESPONSES,
                           "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n"
                           "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
                           "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\","
                           "\"output\":[1]}}\n\n"),
                 S("{\"id\":\"r\",\"output\":[1]}"));
    t_expect_str(assembled(LLM_EVENTS_RESPONSES,
                           "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n"
                           "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"),
                 S("{\"response\":{\"id\":\"r\"},\"output_text\":\"a\"}"));
}

TEST(a_stream_that_was_cut_is_what_came_of_it)
{
    t_expect_str(
        assembled(LLM_EVENTS_CHUNKS, "data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\n\n"
                                     "data: {\"error\":{\"message\":\"gone\"}}\n\ndata: {\"choi"),
        S("{\"error\":{\"message\":\"gone\"},\"choices\":[{\"index\":0,\"message\":{\"role\":"
          "\"assistant\",\"content\":\"He\"},\"finish_reason\":null}]}"));
    t_expect_str(assembled(LLM_EVENTS_MESSAGES,
                           "data: {\"type\":\"content_block_start\",\"content_block\":null}\n\n"),
                 S("{\"content\":[{\"type\":\"text\",\"text\":\"\"}]}"));
    t_expect_str(assembled(LLM_EVENTS_CHUNKS, ""), S("nothing"));
    t_expect_str(assembled(LLM_EVENTS_MESSAGES, "data: [DONE]\n\n"), S("nothing"));
}

TEST(usage_that_is_said_many_times_takes_memory_for_its_last_values)
{
    enum { EVENTS = 9000 };
    AUTO_BUF(b, MIB(1));
    AUTO(arena) *a = arena_new(MIB(32));

    for (int i = 0; i < EVENTS; i++)
        buf_add_fmt(
            &b,
            "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":%d,\"m%d\":null,"
            "\"n%d\":1}}\n\n",
            i, i, i);
    const struct json *usage = json_at(llm_assemble(a, LLM_EVENTS_MESSAGES, buf_str(&b)), "usage");
    t_expect_int(json_int_of(json_at(usage, "output_tokens"), 0), EVENTS - 1);
    t_expect_int(json_len(usage), EVENTS + 1);
}

TEST(answers_of_gemini_come_together)
{
    t_expect_str(
        assembled(LLM_EVENTS_GEMINI,
                  "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hm\",\"thought\":"
                  "true},{\"text\":\"He\"}]}}],\"responseId\":\"r\"}\r\n\r\n"
                  "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"llo\"},{"
                  "\"functionCall\":{\"name\":\"f\"}},{\"functionCall\":{\"name\":\"g\"}}]},"
                  "\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"totalTokenCount\":3}}\r\n\r\n"),
        S("{\"responseId\":\"r\",\"usageMetadata\":{\"totalTokenCount\":3},\"candidates\":[{"
          "\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hm\",\"thought\":true},{"
          "\"text\":\"Hello\"},{\"functionCall\":{\"name\":\"f\"}},{\"functionCall\":{\"name\":"
          "\"g\"}}]},\"finishReason\":\"STOP\"}]}"));
}
