/* src/llm/probe_test.c - when providers are asked, and what it takes them for. */
#include "llm/probe.h"

#include "base/test.h"

static Err read_probe(const char *text, struct llm_probe *ret_probe)
{
    struct json *v;

    TRY(json_parse(t_arena(), str_c(text), &v));
    return llm_probe_read(v, ret_probe);
}

TEST(a_probe_comes_back_as_it_was_written)
{
    struct llm_probe p = {0};

    t_expect_ok(read_probe("{\"every\": \"0.5m\"}", &p));
    t_expect(p.every == 30 * USEC_S && !p.model.n);
    t_expect_str(json_text(t_arena(), llm_probe_json(t_arena(), &p)),
                 S("{\"every\":\"30s\",\"kind\":\"models\",\"timeout\":\"10s\",\"down_after\":3,"
                   "\"up_after\":2}"));
    t_expect_ok(read_probe("{\"kind\": \"completion\", \"model\": \"m\", \"every\": \"1m\","
                           " \"timeout\": \"2s\", \"down_after\": 1, \"up_after\": 20}",
                           &p));
    t_expect_str(json_text(t_arena(), llm_probe_json(t_arena(), &p)),
                 S("{\"every\":\"1m\",\"kind\":\"completion\",\"model\":\"m\",\"timeout\":\"2s\","
                   "\"down_after\":1,\"up_after\":20}"));
    t_expect_ok(read_probe("null", &p));
    t_expect(!p.every && !llm_probe_json(t_arena(), &p));
}

TEST(a_probe_that_is_wrong_is_refused_by_name)
{
    static const char *const wrong[] = {
        "[]",
        "true",
        "{}",
        "{\"every\":30}",
        "{\"every\":\"0s\"}",
        "{\"every\":\"2d\"}",
        "{\"every\":\"1m\",\"timeout\":\"2m\"}",
        "{\"every\":\"1m\",\"down_after\":0}",
        "{\"every\":\"1m\",\"up_after\":21}",
        "{\"every\":\"1m\",\"kind\":\"ping\"}",
        "{\"every\":\"1m\",\"model\":\"m\"}",
        "{\"every\":\"1m\",\"kind\":\"completion\"}",
        "{\"every\":\"9s\",\"kind\":\"completion\",\"model\":\"m\"}",
        "{\"every\":\"1m\",\"colour\":1}"};
    struct llm_probe p = {0};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        t_expect_err(read_probe(wrong[i], &p), E_INVALID);
        t_expect(!p.every);
    }
}

TEST(probes_are_spread_over_a_fifth_of_their_span)
{
    struct llm_probe p = {.every = 10 * USEC_S};

    t_expect_int(llm_probe_next(&p, 100, 0), 100 + 9 * USEC_S);
    for (uint64_t chance = 1; chance; chance *= 3) {
        Usec next = llm_probe_next(&p, 0, chance);
        t_expect(next >= 9 * USEC_S && next <= 11 * USEC_S);
        if (chance > UINT64_MAX / 3)
            break;
    }
}

TEST(a_provider_goes_down_and_comes_back_after_so_many_probes)
{
    struct llm_probe rule = {.every = USEC_S, .down_after = 3, .up_after = 2};
    struct llm_probed p = {0};
    Str why = S("status 500");

    t_expect(!llm_probed_note(&p, &rule, S(""), 5, 1)); /* that it is there is nothing to tell */
    t_expect(p.state == LLM_PROBED_UP && p.since == 1 && p.took == 5);
    t_expect(!llm_probed_note(&p, &rule, why, 5, 2));
    t_expect(!llm_probed_note(&p, &rule, why, 5, 3));
    t_expect(!llm_probed_note(&p, &rule, S(""), 5, 4)); /* begins anew */
    t_expect(!llm_probed_note(&p, &rule, why, 5, 5));
    t_expect(!llm_probed_note(&p, &rule, why, 5, 6));
    t_expect(p.state == LLM_PROBED_UP);
    t_expect(llm_probed_note(&p, &rule, why, 5, 7));
    t_expect(p.state == LLM_PROBED_DOWN && p.since == 7);
    t_expect_str(str_c(p.why), why);
    t_expect(!llm_probed_note(&p, &rule, why, 5, 8)); /* told once */
    t_expect(!llm_probed_note(&p, &rule, S(""), 5, 9));
    t_expect(p.state == LLM_PROBED_DOWN && p.since == 7);
    t_expect(llm_probed_note(&p, &rule, S(""), 5, 10));
    t_expect(p.state == LLM_PROBED_UP && p.since == 10 && !p.why[0]);
}

TEST(a_probe_that_cannot_be_made_says_nothing_of_the_provider)
{
    struct llm_probe rule = {.every = USEC_S, .down_after = 2, .up_after = 1};
    struct llm_probed p = {0};

    t_expect(!llm_probed_note(&p, &rule, S("gone"), 5, 1));
    t_expect(llm_probed_failed(&p, S("no budget"), 2));
    t_expect(!llm_probed_failed(&p, S("no budget"), 3));
    t_expect(!llm_probed_note(&p, &rule, S("gone"), 5, 4)); /* begins anew */
    t_expect(llm_probed_note(&p, &rule, S("gone"), 5, 5));
}

TEST(a_call_that_is_answered_brings_a_provider_back)
{
    struct llm_probe rule = {.every = USEC_S, .down_after = 1, .up_after = 5};
    struct llm_probed p = {0};

    t_expect(!llm_probed_alive(&p, 1));
    t_expect(p.state == LLM_PROBED_UNKNOWN);
    t_expect(llm_probed_note(&p, &rule, S("gone"), 5, 2));
    t_expect(llm_probed_alive(&p, 3));
    t_expect(p.state == LLM_PROBED_UP && p.since == 3);
    t_expect(!llm_probed_alive(&p, 4));
    rule.down_after = 3; /* one that answers calls between its probes is not taken for down */
    for (int i = 0; i < 10; i++) {
        t_expect(!llm_probed_note(&p, &rule, S("gone"), 5, 5));
        t_expect(!llm_probed_note(&p, &rule, S("gone"), 5, 5));
        t_expect(!llm_probed_alive(&p, 5));
    }
    for (int i = 0; i < 100; i++)
        (void)llm_probed_note(&p, &rule, S("gone"), 5, 5);
    t_expect(p.state == LLM_PROBED_DOWN && p.in_a_row == LLM_PROBES_MAX);
}
