/* src/llm/dialects/dialects_test.c - there and back keeps the meaning, however bytes are cut. */
#include "llm/dialects/dialect_gemini.h"

#include "base/test.h"

static struct llm_chat *chat_new(void)
{
    struct llm_chat *c = arena_new_of(t_arena(), struct llm_chat);

    c->a = c->text = t_arena();
    c->ask_usage = true;
    return c;
}

/* The request @text of @from as one of @to, or the detail of the refusal. */
static Str translate(const struct llm_dialect *from, const struct llm_dialect *to, Str text,
                     struct llm_chat **ret_chat)
{
    struct llm_chat *c = chat_new();
    struct json *v, *body;
    Err e = json_parse(c->text, text, &v);

    if (e == OK)
        e = from->read_request(c, v);
    if (e == OK)
        e = to->write_request(c, S("m"), true, &body);
    if (ret_chat)
        *ret_chat = c;
    return e == OK ? json_text(t_arena(), body) : str_dup(t_arena(), str_c(err_client_text(e)));
}

#define OPENAI_REQUEST                                                                             \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},"               \
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What?\"},{\"type\":"            \
    "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]},"                     \
    "{\"role\":\"assistant\",\"content\":\"I look.\",\"tool_calls\":[{\"id\":\"c1\",\"type\":"     \
    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":[1,null]}\"}},"          \
    "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"  \
    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"rain\"},"                            \
    "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"sun\"},"                             \
    "{\"role\":\"user\",\"content\":\"So?\"}],"                                                    \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","        \
    "\"parameters\":{\"type\":\"object\"},\"strict\":true}}],\"tool_choice\":{\"type\":"           \
    "\"function\",\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":false,"                   \
    "\"max_completion_tokens\":9,\"temperature\":0.5,\"top_p\":1,\"stop\":[\"A\",\"B\"],"          \
    "\"user\":\"u\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"

TEST(dialects_a_request_goes_there_and_back)
{
    struct json *before, *after;
    Str there = translate(&llm_dialect_openai, &llm_dialect_anthropic, S(OPENAI_REQUEST), NULL);
    Str back = translate(&llm_dialect_anthropic, &llm_dialect_openai, there, NULL);

    t_expect_ok(json_parse(t_arena(), S(OPENAI_REQUEST), &before));
    t_expect_ok(json_parse(t_arena(), back, &after));
    if (!json_equal(before, after))
        t_fail(__FILE__, __LINE__, "there: %.*s\nback: %.*s", P(there), P(back));
}

#define ANTHROPIC_REQUEST                                                                          \
    "{\"model\":\"m\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"Be kind.\"}],"    \
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What?\"},"        \
    "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x.y/z\"}}]},"              \
    "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\","     \
    "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"   \
    "\"c\",\"content\":\"ok\"}]}],\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":"          \
    "\"object\"}}],\"tool_choice\":{\"type\":\"any\"},\"stop_sequences\":[\"X\"],"                 \
    "\"metadata\":{\"user_id\":\"u\"}}"

TEST(dialects_a_request_of_anthropic_goes_there_and_back)
{
    struct json *before, *after;
    Str there = translate(&llm_dialect_anthropic, &llm_dialect_openai, S(ANTHROPIC_REQUEST), NULL);
    Str back = translate(&llm_dialect_openai, &llm_dialect_anthropic, there, NULL);

    t_expect_ok(json_parse(t_arena(), S(ANTHROPIC_REQUEST), &before));
    t_expect_ok(json_parse(t_arena(), back, &after));
    if (!json_equal(before, after))
        t_fail(__FILE__, __LINE__, "there: %.*s\nback: %.*s", P(there), P(back));
}

TEST(dialects_fields_without_translation_are_noted_by_name_or_refused)
{
    struct llm_chat *c;
    Str text = translate(&llm_dialect_openai, &llm_dialect_anthropic,
                         S("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\","
                           "\"name\":\"n\"}],\"seed\":1,\"logit_bias\":{},\"verbosity\":null,"
                           "\"a b\":1,\"presence_penalty\":0,\"temperature\":2}"),
                         &c);

    t_expect(str_find(text, S("\"temperature\":1")) != SIZE_MAX);
    t_expect_int(c->dropped.n, 4);
    t_expect_str(c->dropped.at[0], S("messages.name"));
    t_expect_str(c->dropped.at[1], S("logit_bias"));
    t_expect_str(c->dropped.at[2], S("other"));
    t_expect_str(c->dropped.at[3], S("seed"));
    t_expect_str(c->changed.at[0], S("temperature"));
    text = translate(&llm_dialect_openai, &llm_dialect_anthropic,
                     S("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":2}"), NULL);
    t_expect(str_find(text, S("\"n\" cannot be translated")) != SIZE_MAX);
}

TEST(dialects_a_conversation_of_too_many_parts_is_refused)
{
    AUTO(arena) *a = arena_new(MIB(512));
    AUTO_BUF(b, MIB(16));
    struct llm_chat *c = arena_new_of(a, struct llm_chat);
    struct json *v;

    buf_add_c(&b, "{\"messages\":[{\"role\":\"user\",\"content\":[");
    for (int i = 0; i < LLM_PARTS_MAX; i++)
        buf_add_c(&b, "{\"type\":\"text\",\"text\":\"a\"},");
    buf_add_c(&b, "{\"type\":\"text\",\"text\":\"a\"}]}]}");
    c->a = c->text = a;
    t_expect_ok(json_parse(a, buf_str(&b), &v));
    t_expect_err(llm_dialect_openai.read_request(c, v), E_TOO_LARGE);
}

/* ---- streams ---- */

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define DELTA(i, type, rest)                                                                       \
    EVENT("content_block_delta", ",\"index\":" i ",\"delta\":{\"type\":\"" type "\"," rest "}")
#define STOP(i) EVENT("content_block_stop", ",\"index\":" i)
#define ANTHROPIC_STREAM                                                                           \
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"model\":\"c\",\"usage\":{"            \
                           "\"input_tokens\":10,\"cache_read_input_tokens\":5,"                    \
                           "\"output_tokens\":1}}")                                                \
    EVENT("ping", "")                                                                              \
    EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"thinking\","          \
                                 "\"thinking\":\"\",\"signature\":\"\"}")                          \
    DELTA("0", "thinking_delta", "\"thinking\":\"Hm\"")                                            \
    DELTA("0", "signature_delta", "\"signature\":\"c2ln\"")                                        \
    STOP("0")                                                                                      \
    EVENT("content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"text\","              \
                                 "\"text\":\"\"}")                                                 \
    DELTA("1", "text_delta", "\"text\":\"Gr\xc3\xbc\xc3\x9f \\u00e9\"")                            \
    STOP("1")                                                                                      \
    EVENT("content_block_start", ",\"index\":2,\"content_block\":{\"type\":\"tool_use\","          \
                                 "\"id\":\"t1\",\"name\":\"f\",\"input\":{}}")                     \
    DELTA("2", "input_json_delta", "\"partial_json\":\"{\\\"a\\\":\"")                             \
    DELTA("2", "input_json_delta", "\"partial_json\":\"1}\"")                                      \
    STOP("2")                                                                                      \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},"     \
                           "\"usage\":{\"output_tokens\":7}")                                      \
    EVENT("message_stop", "")

/* All that goes out for @text, cut at @cut; what the stream learned is in *s. */
static Str pass(struct llm_stream *s, Str text, size_t cut)
{
    struct buf out = BUF(MIB(1));

    s->created = 7;
    s->nonce = 7;
    buf_add(&out, llm_stream_feed(s, str_dup(t_arena(), str_head(text, cut))));
    buf_add(&out, llm_stream_feed(s, str_dup(t_arena(), str_skip(text, cut))));
    buf_add(&out, llm_stream_end(s));
    Str all = str_dup(t_arena(), buf_str(&out));
    buf_done(&out);
    return all;
}

static Str once(const struct llm_dialect *from, const struct llm_dialect *to, Str text, size_t cut)
{
    AUTO(llm_stream) *s = llm_stream_new(from, to, S("m"), true);
    Str out = pass(s, text, cut);

    if (!s->done || s->failed || s->fault != OK || s->usage.prompt != 15 ||
        s->usage.completion != 7 || s->usage.cached != 5)
        t_fail(__FILE__, __LINE__, "cut at %zu the stream was not understood: %.*s", cut, P(out));
    return out;
}

#define OUT(rest)                                                                                  \
    "data: {\"id\":\"msg_1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"c\","  \
    "\"choices\":[" rest "}\n\n"
#define CHUNK(delta, finish)                                                                       \
    OUT("{\"index\":0,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":" finish           \
        "}],\"usage\":null")
#define OPENAI_STREAM                                                                              \
    CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null")                                       \
    ": ping\n\n" CHUNK("\"reasoning_content\":\"Hm\"", "null")                                     \
        CHUNK("\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"Hm\",\"signature\":"     \
              "\"c2ln\"}]",                                                                        \
              "null") CHUNK("\"content\":\"Gr\xc3\xbc\xc3\x9f \xc3\xa9\"", "null")                 \
            CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":" \
                  "{\"name\":\"f\",\"arguments\":\"\"}}]",                                         \
                  "null")                                                                          \
                CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}" \
                      "]",                                                                         \
                      "null")                                                                      \
                    CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]",    \
                          "null") CHUNK("", "\"tool_calls\"")                                      \
                        OUT("],\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":7,"           \
                            "\"total_tokens\":22,\"prompt_tokens_details\":{\"cached_tokens\":5,"  \
                            "\"cache_write_tokens\":0},\"completion_tokens_details\":{"            \
                            "\"reasoning_tokens\":0}}") "data: [DONE]\n\n"

TEST(dialects_a_stream_of_anthropic_is_one_of_openai_wherever_it_is_cut)
{
    Str text = S(ANTHROPIC_STREAM), want = S(OPENAI_STREAM);

    for (size_t cut = 0; cut <= text.n; cut++) {
        Str out = once(&llm_dialect_anthropic, &llm_dialect_openai, text, cut);
        if (!str_eq(out, want)) {
            t_fail(__FILE__, __LINE__, "cut at %zu:\n%.*s\ninstead of\n%.*s", cut, P(out), P(want));
            return;
        }
    }
}

TEST(dialects_a_stream_of_openai_is_one_of_anthropic_wherever_it_is_cut)
{
    Str text = S(OPENAI_STREAM);
    Str want = once(&llm_dialect_openai, &llm_dialect_anthropic, text, 0);

    t_expect(str_starts(want, S("event: message_start\n")));
    t_expect(str_ends(want, S(EVENT("message_stop", ""))));
    t_expect(str_find(want, S("\"stop_reason\":\"tool_use\"")) != SIZE_MAX);
    for (size_t cut = 0; cut <= text.n; cut++)
        t_expect_str(once(&llm_dialect_openai, &llm_dialect_anthropic, text, cut), want);
    /* And back: the ping was a comment, and the signature is of no use to others. */
    Str back = once(&llm_dialect_anthropic, &llm_dialect_openai, want, 100);
    t_expect(str_find(back, S("\"reasoning_content\":\"Hm\"")) != SIZE_MAX);
    t_expect(str_find(back, S("\"arguments\":\"1}\"")) != SIZE_MAX);
}

#define CALL(i, rest) "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{" i rest "}]}}]}\n\n"

TEST(dialects_calls_that_come_in_turns_go_out_one_after_the_other)
{
    AUTO(llm_stream) *s =
        llm_stream_new(&llm_dialect_openai, &llm_dialect_anthropic, S("m"), false);
    Str out = pass(
        s,
        S(CALL("\"index\":0,", "\"id\":\"a\",\"function\":{\"name\":\"f\","
                               "\"arguments\":\"{\"}")
              CALL("\"index\":1,", "\"id\":\"b\",\"function\":{\"name\":\"g\","
                                   "\"arguments\":\"[\"}")
                  CALL("\"index\":0,", "\"function\":{\"arguments\":\"}\"}")
                      CALL("\"index\":1,",
                           "\"function\":{\"arguments\":\"]\"}") "data: "
                                                                 "{\"choices\":[{\"delta\":{},"
                                                                 "\"finish_reason\":\"stop\"}]}\n\n"
                                                                 "data: [DONE]\n\n"),
        0);

    t_expect(s->done && s->fault == OK);
    size_t first = str_find(out, S("\"partial_json\":\"}\""));
    size_t second = str_find(out, S("\"id\":\"b\""));
    t_expect(first != SIZE_MAX && second != SIZE_MAX && first < second);
    t_expect(str_find(out, S("\"partial_json\":\"[]\"")) != SIZE_MAX);
    t_expect(str_find(out, S("\"stop_reason\":\"tool_use\"")) != SIZE_MAX);
}

TEST(dialects_calls_without_an_index_are_told_apart)
{
    AUTO(llm_stream) *s =
        llm_stream_new(&llm_dialect_openai, &llm_dialect_anthropic, S("m"), false);
    Str out = pass(s,
                   S(CALL("", "\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}")
                         CALL("", "\"function\":{\"name\":\"g\",\"arguments\":\"{\"}")
                             CALL("", "\"function\":{\"arguments\":\"}\"}") "data: [DONE]\n\n"),
                   9);

    t_expect(s->done);
    t_expect(str_find(out, S("\"id\":\"call_2\",\"name\":\"g\"")) != SIZE_MAX);
    t_expect(str_find(out, S("\"partial_json\":\"{}\"")) != SIZE_MAX);
}

TEST(dialects_a_stream_that_is_none_is_a_fault_and_a_cut_one_has_no_end)
{
    AUTO(llm_stream) *cut =
        llm_stream_new(&llm_dialect_anthropic, &llm_dialect_openai, S("m"), true);
    AUTO(llm_stream) *bad =
        llm_stream_new(&llm_dialect_anthropic, &llm_dialect_openai, S("m"), true);
    AUTO(llm_stream) *err =
        llm_stream_new(&llm_dialect_anthropic, &llm_dialect_openai, S("m"), true);
    Str text = S(ANTHROPIC_STREAM);

    Str out = pass(cut, str_head(text, str_find(text, S("partial_json"))), 0);
    t_expect(!cut->done && !cut->failed && cut->fault == OK);
    t_expect(str_find(out, S("[DONE]")) == SIZE_MAX);
    (void)pass(bad, S("data: {\"type\":\n\n"), 0);
    t_expect(bad->fault == E_UPSTREAM && !bad->done);
    out = pass(err,
               S("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
                 "\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n" ANTHROPIC_STREAM),
               0);
    t_expect(err->failed && !err->done);
    t_expect_str(out, S("data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\","
                        "\"param\":null,\"code\":\"overloaded_error\"}}\n\n"));
}

/* ---- Gemini ---- */

#define GEMINI_STREAM                                                                              \
    "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hm\","         \
    "\"thought\":true}]}}],\"usageMetadata\":{\"promptTokenCount\":15},\"responseId\":\"r\","      \
    "\"modelVersion\":\"g\"}\r\n\r\n"                                                              \
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Gr\xc3\xbc\xc3\x9f\"},"           \
    "{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":[1]}},\"thoughtSignature\":\"c2ln\"},"      \
    "{\"functionCall\":{\"name\":\"g\"}}]}}]}\r\n\r\n"                                             \
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\",\"thoughtSignature\":"         \
    "\"eA==\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":15,"          \
    "\"cachedContentTokenCount\":5,\"candidatesTokenCount\":4,\"thoughtsTokenCount\":3}}\r\n\r\n"

TEST(dialects_a_stream_of_gemini_is_one_of_the_others_wherever_it_is_cut)
{
    static const struct llm_dialect *const others[] = {&llm_dialect_openai, &llm_dialect_anthropic};
    Str text = S(GEMINI_STREAM);

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        Str want = once(&llm_dialect_gemini, others[i], text, 0);
        t_expect(str_find(want, S("c2ln")) != SIZE_MAX || i == 1);
        t_expect(str_find(want, S("\"{\\\"a\\\":[1]}\"")) != SIZE_MAX);
        t_expect(str_find(want, S("\"name\":\"g\"")) != SIZE_MAX);
        t_expect(str_find(want, i ? S("\"tool_use\",\"stop_sequence\"")
                                  : S("\"finish_reason\":\"tool_calls\"")) != SIZE_MAX);
        for (size_t cut = 0; cut <= text.n; cut++)
            t_expect_str(once(&llm_dialect_gemini, others[i], text, cut), want);
    }
}

TEST(dialects_a_request_for_gemini_has_the_names_of_calls_and_word_of_signatures)
{
    Str there = translate(&llm_dialect_openai, &llm_dialect_gemini, S(OPENAI_REQUEST), NULL);

    t_expect(str_find(there, S("\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":"
                               "\"rain\"}}")) != SIZE_MAX);
    t_expect(str_find(there, S("{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":[1,null]}},"
                               "\"thoughtSignature\":\"c2tpcF9")) != SIZE_MAX);
    t_expect(str_find(there, S("{\"functionCall\":{\"name\":\"f\",\"args\":{}}}")) != SIZE_MAX);
    t_expect(str_find(there, S("\"mode\":\"ANY\",\"allowedFunctionNames\":[\"f\"]")) != SIZE_MAX);
}

#define GEMINI_REQUEST                                                                             \
    "{\"systemInstruction\":{\"parts\":[{\"text\":\"Be kind.\"}]},\"contents\":["                  \
    "{\"role\":\"user\",\"parts\":[{\"text\":\"What?\"},{\"inlineData\":{\"mimeType\":"            \
    "\"image/png\",\"data\":\"AAAA\"}}]},{\"role\":\"model\",\"parts\":[{\"text\":\"I look.\"},"   \
    "{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":[1,null]}},\"thoughtSignature\":"           \
    "\"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=\"},{\"functionCall\":{\"name\":\"f\","         \
    "\"args\":{}}},{\"functionCall\":{\"name\":\"g\",\"args\":{}}}]},{\"role\":\"user\","          \
    "\"parts\":[{\"functionResponse\":{\"name\":\"g\",\"response\":{\"output\":\"third\"}}},"      \
    "{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"first\"}}},"                 \
    "{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"second\"}}},"                \
    "{\"text\":\"So?\"}]}],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\","                 \
    "\"description\":\"d\",\"parametersJsonSchema\":{\"type\":\"object\"}},{\"name\":\"g\"}]}],"   \
    "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\",\"allowedFunctionNames\":["       \
    "\"f\"]}},\"generationConfig\":{\"temperature\":0.5,\"topP\":1,\"maxOutputTokens\":9,"         \
    "\"stopSequences\":[\"A\",\"B\"],\"responseMimeType\":\"application/json\","                   \
    "\"responseJsonSchema\":{\"type\":\"object\"}"

TEST(dialects_a_request_of_gemini_goes_there_and_back)
{
    static const struct llm_dialect *const others[] = {&llm_dialect_openai, &llm_dialect_anthropic};
    static const Str own[] = {
        S_INIT(GEMINI_REQUEST ",\"seed\":3,\"presencePenalty\":1,\"frequencyPenalty\":0.5}}"),
        S_INIT(GEMINI_REQUEST ",\"topK\":4}}")};
    struct json *before, *after;

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        Str there = translate(&llm_dialect_gemini, others[i], own[i], NULL);
        Str back = translate(others[i], &llm_dialect_gemini, there, NULL);
        t_expect_ok(json_parse(t_arena(), own[i], &before));
        t_expect_ok(json_parse(t_arena(), back, &after));
        if (i == 1) /* what has no parameters takes none there */
            t_expect(json_remove(
                json_item(json_at(json_item(json_at(after, "tools"), 0), "functionDeclarations"),
                          1),
                S("parametersJsonSchema")));
        if (!json_equal(before, after))
            t_fail(__FILE__, __LINE__, "there: %.*s\nback: %.*s", P(there), P(back));
    }
}

TEST(dialects_results_of_gemini_find_their_calls_by_name_and_turn)
{
    Str there = translate(&llm_dialect_gemini, &llm_dialect_openai, S(GEMINI_REQUEST "}}"), NULL);

    /* The third call first, and those of f in their order. */
    t_expect(str_find(there, S("\"tool_call_id\":\"call_2\",\"content\":\"third\"")) != SIZE_MAX);
    t_expect(str_find(there, S("\"tool_call_id\":\"call_0\",\"content\":\"first\"")) != SIZE_MAX);
    t_expect(str_find(there, S("\"tool_call_id\":\"call_1\",\"content\":\"second\"")) != SIZE_MAX);
    there = translate(&llm_dialect_gemini, &llm_dialect_openai,
                      S("{\"contents\":[{\"parts\":[{\"functionResponse\":{\"name\":\"f\"}}]}]}"),
                      NULL);
    t_expect(str_find(there, S("answers no")) != SIZE_MAX);
}

TEST(dialects_both_forms_of_names_of_gemini_are_read)
{
    Str there = translate(&llm_dialect_gemini, &llm_dialect_openai,
                          S("{\"system_instruction\":{\"parts\":[{\"text\":\"S\"}]},\"contents\":["
                            "{\"parts\":[{\"inline_data\":{\"mime_type\":\"image/png\",\"data\":"
                            "\"AA==\"}}]}],\"generation_config\":{\"max_output_tokens\":\"7\"}}"),
                          NULL);

    t_expect(str_find(there, S("\"content\":\"S\"")) != SIZE_MAX);
    t_expect(str_find(there, S("data:image/png;base64,AA==")) != SIZE_MAX);
    t_expect(str_find(there, S("\"max_completion_tokens\":7")) != SIZE_MAX);
}

TEST(dialects_schemas_of_gemini_become_those_of_others)
{
    struct llm_chat *c = chat_new();
    struct json *v, *schema;
    static const Str text = S_INIT(
        "{\"type\":\"OBJECT\",\"nullable\":true,\"propertyOrdering\":[\"b\",\"a\",\"b\",\"z\"],"
        "\"properties\":{\"a\":{\"type\":\"INTEGER\",\"format\":\"int32\"},\"b\":{\"any_of\":["
        "{\"type\":\"STRING\",\"maxLength\":\"9\"}],\"nullable\":true}},\"required\":[\"a\"]}");

    t_expect_ok(json_parse(t_arena(), text, &v));
    t_expect_ok(llm_gemini_schema(c, v, "x", &schema));
    t_expect_str(
        json_text(t_arena(), schema),
        S("{\"type\":[\"object\",\"null\"],\"properties\":{\"b\":{\"anyOf\":[{\"type\":"
          "\"string\",\"maxLength\":9},{\"type\":\"null\"}]},\"a\":{\"type\":\"integer\"}},"
          "\"additionalProperties\":false,\"required\":[\"a\"]}"));
    t_expect_int(c->dropped.n, 1);
    t_expect_str(c->dropped.at[0], S("x.format"));
    t_expect(!llm_schema_is_strict(schema)); /* b is not required */
    t_expect_ok(json_parse(t_arena(),
                           S("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
                             "\"required\":[\"a\"],\"additionalProperties\":false}"),
                           &v));
    t_expect(llm_schema_is_strict(v));
    AUTO_BUF(deep, KIB(64));
    for (int i = 0; i < 100; i++)
        buf_add_c(&deep, "{\"items\":");
    buf_add_c(&deep, "{}");
    for (int i = 0; i < 100; i++)
        buf_add_char(&deep, '}');
    t_expect_ok(json_parse(t_arena(), buf_str(&deep), &v));
    t_expect_err(llm_gemini_schema(c, v, "x", &schema), E_BAD_INPUT);
}

TEST(dialects_streams_of_others_are_ones_of_gemini_wherever_they_are_cut)
{
    static const struct llm_dialect *const others[] = {&llm_dialect_openai, &llm_dialect_anthropic};
    static const Str texts[] = {S_INIT(OPENAI_STREAM), S_INIT(ANTHROPIC_STREAM)};

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        Str want = once(others[i], &llm_dialect_gemini, texts[i], 0);
        t_expect(str_find(want, S("{\"text\":\"Hm\",\"thought\":true}")) != SIZE_MAX);
        t_expect(str_find(want, S("{\"text\":\"Gr\xc3\xbc\xc3\x9f \xc3\xa9\"}")) != SIZE_MAX);
        t_expect(str_find(want, S("{\"functionCall\":{\"id\":\"t1\",\"name\":\"f\",\"args\":"
                                  "{\"a\":1}}}")) != SIZE_MAX);
        t_expect(str_find(want, S("\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{"
                                  "\"promptTokenCount\":15,\"candidatesTokenCount\":7,"
                                  "\"totalTokenCount\":22,\"cachedContentTokenCount\":5}")) !=
                 SIZE_MAX);
        for (size_t cut = 0; cut <= texts[i].n; cut++)
            t_expect_str(once(others[i], &llm_dialect_gemini, texts[i], cut), want);
        /* And back. */
        Str back = once(&llm_dialect_gemini, &llm_dialect_openai, want, 100);
        t_expect(str_find(back, S("\"content\":\"Gr\xc3\xbc\xc3\x9f \xc3\xa9\"")) != SIZE_MAX);
        t_expect(str_find(back, S("\"reasoning_content\":\"Hm\"")) != SIZE_MAX);
        t_expect(str_find(back, S("\"id\":\"t1\"")) != SIZE_MAX);
        t_expect(str_find(back, S("\"finish_reason\":\"tool_calls\"")) != SIZE_MAX);
    }
}

TEST(dialects_what_was_thought_in_pieces_goes_back_whole)
{
    Str there = translate(
        &llm_dialect_gemini, &llm_dialect_anthropic,
        S("{\"contents\":[{\"parts\":[{\"text\":\"q\"}]},"
          "{\"role\":\"model\",\"parts\":[{\"text\":\"Let \",\"thought\":true}]},"
          "{\"role\":\"model\",\"parts\":[{\"text\":\"me\",\"thought\":true}]},"
          "{\"role\":\"model\",\"parts\":[{\"text\":\"\",\"thought\":true,\"thoughtSignature\":"
          "\"c2ln\"}]},"
          "{\"role\":\"model\",\"parts\":[{\"text\":\"\",\"thought\":true,\"thoughtSignature\":"
          "\"aGlk\"}]},"
          "{\"role\":\"model\",\"parts\":[{\"text\":\"Two.\"}]},"
          "{\"role\":\"user\",\"parts\":[{\"text\":\"Sure?\"}]}]}"),
        NULL);

    t_expect(str_find(there, S("[{\"type\":\"thinking\",\"thinking\":\"Let me\",\"signature\":"
                               "\"c2ln\"},{\"type\":\"redacted_thinking\",\"data\":\"aGlk\"},"
                               "{\"type\":\"text\",\"text\":\"Two.\"}]")) != SIZE_MAX);
}

TEST(dialects_a_call_that_is_no_object_ends_a_stream_of_gemini_as_one)
{
    static const struct {
        const char *finish;
        Str says;
    } rows[] = {{"\"tool_calls\"", S_INIT("MALFORMED_FUNCTION_CALL")},
                {"\"length\"", S_INIT("MAX_TOKENS")}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(llm_stream) *s =
            llm_stream_new(&llm_dialect_openai, &llm_dialect_gemini, S("m"), false);
        Str out = pass(
            s,
            str_fmt(t_arena(),
                    CALL("\"index\":0,", "\"id\":\"a\",\"function\":{\"name\":\"f\","
                                         "\"arguments\":\"{\"}") "data: {\"choices\":[{\"delta\":"
                                                                 "{},\"finish_reason\":%s}]}\n\n"
                                                                 "data: [DONE]\n\n",
                    rows[i].finish),
            0);
        t_expect(s->done && s->fault == OK);
        t_expect(str_find(out, rows[i].says) != SIZE_MAX);
        t_expect(str_find(out, S("functionCall\"")) == SIZE_MAX);
    }
}
