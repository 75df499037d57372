/* src/llm/hooks/guard_test.c - what is a verdict, and which calls a guard is for. */
#include "llm/hooks/guard.h"

#include "base/test.h"

static struct llm_said two_parts(void)
{
    struct llm_said said = {.a = t_arena()};

    vec_push(t_arena(), &said.parts, (struct llm_said_part){.text = S("one")});
    vec_push(t_arena(), &said.parts, (struct llm_said_part){.text = S("two")});
    return said;
}

TEST(guard_verdicts_are_read)
{
    struct llm_said said = two_parts();
    struct llm_hook_verdict v;

    t_expect_ok(
        llm_verdict_read(t_arena(), S("{\"action\":\"allow\"}"), LLM_ON_REQUEST, &said, &v));
    t_expect(v.action == LLM_ALLOW && !v.reason.n);
    t_expect_ok(llm_verdict_read(t_arena(), S("{\"action\":\"refuse\",\"reason\":\" no\\nway \"}"),
                                 LLM_ON_CHUNK, &said, &v));
    t_expect(v.action == LLM_REFUSE);
    t_expect_str(v.reason, S("no way"));
    t_expect_ok(llm_verdict_read(
        t_arena(), S("{\"action\":\"replace\",\"parts\":[{\"part\":1,\"text\":\"\"}]}"),
        LLM_ON_RESPONSE, &said, &v));
    t_expect(v.action == LLM_REPLACE && !said.parts.at[0].with.p && said.parts.at[1].with.p);
}

TEST(guard_rubbish_is_no_verdict)
{
    static const char *const texts[] = {
        "",
        "allow",
        "[]",
        "{}",
        "{\"action\":\"maybe\"}",
        "{\"action\":true}",
        "{\"action\":\"allow\",\"colour\":1}",
        "{\"action\":\"allow\",\"parts\":[{\"part\":0,\"text\":\"x\"}]}",
        "{\"action\":\"refuse\",\"reason\":1}",
        "{\"action\":\"replace\"}",
        "{\"action\":\"replace\",\"parts\":[]}",
        "{\"action\":\"replace\",\"parts\":[{\"part\":2,\"text\":\"x\"}]}",
        "{\"action\":\"replace\",\"parts\":[{\"part\":-1,\"text\":\"x\"}]}",
        "{\"action\":\"replace\",\"parts\":[{\"part\":0}]}",
        "{\"action\":\"replace\",\"parts\":[{\"part\":0,\"text\":1}]}",
        "{\"action\":\"replace\",\"parts\":[{\"part\":0,\"text\":\"x\",\"why\":1}]}",
        "{\"results\":[]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct llm_said said = two_parts();
        struct llm_hook_verdict v;
        t_expect_err(llm_verdict_read(t_arena(), str_c(texts[i]), LLM_ON_REQUEST, &said, &v),
                     E_UPSTREAM);
    }
    struct llm_said said = two_parts();
    struct llm_hook_verdict v;
    Str twice = str_fmt(t_arena(), "{\"action\":\"replace\",\"parts\":[%s,%s]}",
                        "{\"part\":0,\"text\":\"x\"}", "{\"part\":0,\"text\":\"y\"}");
    t_expect_err(llm_verdict_read(t_arena(), twice, LLM_ON_REQUEST, &said, &v), E_UPSTREAM);
}

TEST(guard_results_of_moderation_are_one_for_each_text)
{
    struct llm_said said = two_parts();
    struct llm_hook_verdict v;
    static const char one[] =
        "{\"flagged\":true,\"categories\":{\"hate\":true},\"category_scores\":"
        "{\"hate\":0.9}}";
    Str good = str_fmt(t_arena(), "{\"results\":[%s,%s]}", one, one);
    Str few = str_fmt(t_arena(), "{\"results\":[%s]}", one);

    t_expect_ok(llm_verdict_read(t_arena(), good, LLM_ON_MODERATION, &said, &v));
    t_expect_int(json_len(v.results), 2);
    t_expect_err(llm_verdict_read(t_arena(), few, LLM_ON_MODERATION, &said, &v), E_UPSTREAM);
    t_expect_err(
        llm_verdict_read(t_arena(), S("{\"results\":[{},{}]}"), LLM_ON_MODERATION, &said, &v),
        E_UPSTREAM);
    t_expect_err(
        llm_verdict_read(t_arena(), S("{\"action\":\"allow\"}"), LLM_ON_MODERATION, &said, &v),
        E_UPSTREAM);
}

TEST(guard_is_for_the_models_and_keys_that_it_names)
{
    Str routes[] = {S("gpt-*"), S("mine")};
    char text[ID_TEXT_SIZE];
    Id tenant = id_new(), key = id_new();
    struct llm_guard g = {.tenant = tenant, .enabled = true, .events = 1u << LLM_ON_REQUEST};
    struct llm_hook_call call = {.tenant = tenant, .key = key, .model = S("gpt-5")};

    t_expect_int(llm_guard_wants(&g, &call), 1);
    g.routes = (LlmGuardNames){routes, 2, 2};
    t_expect_int(llm_guard_wants(&g, &call), 1);
    call.model = S("mine2");
    t_expect_int(llm_guard_wants(&g, &call), 0);
    call.called = S("mine");
    t_expect_int(llm_guard_wants(&g, &call), 1);
    Str keys[] = {str_dup(t_arena(), id_text(key, text))};
    g.except = (LlmGuardNames){keys, 1, 1};
    t_expect_int(llm_guard_wants(&g, &call), 0);
    g.except.n = 0;
    g.keys = (LlmGuardNames){keys, 1, 1};
    t_expect_int(llm_guard_wants(&g, &call), 1);
    call.key = id_new();
    t_expect_int(llm_guard_wants(&g, &call), 0);
    call.key = key;
    call.tenant = id_new();
    t_expect_int(llm_guard_wants(&g, &call), 0);
}
