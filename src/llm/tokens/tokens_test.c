/* src/llm/tokens/tokens_test.c - counts by a vocabulary, and estimates. */
#include "llm/tokens/tokens.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/test.h"
#include "base/utf8.h"
#include "llm/tokens/request.h"

#define ENGLISH "[A-Za-z]+| ?[^A-Za-z]+"

/* The 256 bytes by their order, and then @merges, in theirs. */
static Str vocabulary(const char *const *merges)
{
    AUTO_BUF(b, MIB(1));
    int rank = 0;

    for (; rank < 256; rank++) {
        char c = (char)rank;
        buf_add_fmt(&b, "%.*s %d\n", P(crypto_base64(t_arena(), str_from(&c, 1))), rank);
    }
    for (; *merges; merges++)
        buf_add_fmt(&b, "%.*s %d\n", P(crypto_base64(t_arena(), str_c(*merges))), rank++);
    return str_dup(t_arena(), buf_str(&b));
}

TEST(bpe_merges_the_lowest_rank_first)
{
    static const char *const merges[] = {"ab", "bc", "abc", "cd", NULL};
    AUTO(bpe) *b = NULL;

    t_expect_ok(bpe_new(vocabulary(merges), ENGLISH, &b));
    t_expect_int((int64_t)bpe_size(b), 260);
    t_expect_int(bpe_count(b, S("")), 0);
    t_expect_int(bpe_count(b, S("ab")), 1);
    t_expect_int(bpe_count(b, S("abcd")), 2); /* ab, then abc: before cd */
    t_expect_int(bpe_count(b, S("bcd")), 2);
    t_expect_int(bpe_count(b, S("xbcdx")), 4);
    t_expect_int(bpe_count(b, S("ab ab")), 3);
    t_expect_int(bpe_count(b, S("\xff\xfe")), 6); /* two times U+FFFD */
}

/* Both ways of merging give the same, for pieces on both sides of where they change. */
TEST(bpe_counts_long_pieces_as_short_ones)
{
    static const char *const merges[] = {"aa", "ab", "aaaa", "ba", "aab", "abab", NULL};
    AUTO(bpe) *b = NULL;
    AUTO_BUF(text, MIB(1));
    uint64_t seed = 7;

    t_expect_ok(bpe_new(vocabulary(merges), ENGLISH, &b));
    for (int i = 0; i < 400; i++) {
        buf_reset(&text);
        for (int k = 0; k < 60; k++) {
            seed = seed * 6364136223846793005u + 1;
            buf_add_char(&text, seed >> 60 & 3 ? 'a' : 'b');
        }
        int64_t one = bpe_count(b, buf_str(&text));
        /* "c" is in no merge, so that what is on both sides of it is counted by itself. */
        buf_add_char(&text, 'c');
        Str part = str_dup(t_arena(), buf_str(&text));
        buf_add(&text, part);
        buf_add(&text, part);
        t_expect_int(bpe_count(b, buf_str(&text)), 3 * one + 3);
    }
}

TEST(bpe_takes_a_million_letters_without_a_break)
{
    static const char *const merges[] = {"aa", "aaaa", NULL};
    AUTO(bpe) *b = NULL;
    size_t n = 1 << 20;
    char *text = arena_bytes(t_arena(), n);

    memset(text, 'a', n);
    t_expect_ok(bpe_new(vocabulary(merges), ENGLISH, &b));
    t_expect_int(bpe_count(b, str_from(text, n)), (int64_t)n / 4);
    memset(text, ' ', n);
    t_expect_int(bpe_count(b, str_from(text, n)), (int64_t)n);
}

TEST(bpe_refuses_what_is_no_vocabulary)
{
    static const char *const none[] = {NULL}, *const twice[] = {"ab", "ab", NULL};
    Str good = vocabulary(none);
    struct bpe *b;

    t_expect_err(bpe_new(S(""), ENGLISH, &b), E_SYNTAX);
    t_expect_err(bpe_new(str_head(good, good.n / 2), ENGLISH, &b), E_SYNTAX);
    t_expect_err(bpe_new(vocabulary(twice), ENGLISH, &b), E_SYNTAX);
    t_expect_err(bpe_new(str_fmt(t_arena(), "%.*sYWI= x\n", P(good)), ENGLISH, &b), E_SYNTAX);
    t_expect_err(bpe_new(str_fmt(t_arena(), "%.*sY!I= 300\n", P(good)), ENGLISH, &b), E_SYNTAX);
    t_expect_err(bpe_new(str_fmt(t_arena(), "%.*sYWI= 99999999999\n", P(good)), ENGLISH, &b),
                 E_SYNTAX);
}

static int64_t estimate(Str model, Str text)
{
    struct llm_tally t;

    llm_tally_init(&t, NULL, model);
    llm_tally_add(&t, text);
    return llm_tally_exact(&t) || strcmp(llm_tally_method(&t, NULL), "estimate") != 0
               ? -1
               : llm_tally_total(&t);
}

/* Against the true counts of o200k_base. */
TEST(estimates_are_near_the_true_counts)
{
    static const struct {
        const char *text;
        int64_t tokens;
    } rows[] = {
        {"The quick brown fox jumps over the lazy dog, and then it sleeps under the old tree.", 19},
        {"{\"id\": 12345, \"name\": \"Ada\", \"tags\": [\"a\", \"b\"], \"price\": 19.99}", 30},
        {"for (size_t i = 0; i < n; i++)\n    sum += values[i] * weights[i];\n", 25},
        {"Сегодня хорошая погода, и мы идём гулять в парк вместе с детьми.", 18},
        {"今天天气很好，我们和孩子们一起去公园散步。", 15},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t n = estimate(S("gpt-4o"), str_c(rows[i].text));
        if (n * 100 < rows[i].tokens * 70 || n * 100 > rows[i].tokens * 140)
            t_fail(__FILE__, __LINE__, "%s: %lld for %lld", rows[i].text, (long long)n,
                   (long long)rows[i].tokens);
    }
}

TEST(estimates_never_fail_whatever_the_bytes)
{
    char text[4] = {0};

    for (int i = 0; i < 256; i++)
        for (int k = 0; k < 256; k++) {
            text[0] = (char)i;
            text[1] = (char)k;
            text[2] = (char)(i ^ k);
            int64_t n = estimate(S("x"), str_from(text, 3));
            t_expect(n >= 0 && n <= 30);
        }
}

TEST(models_are_counted_by_their_family)
{
    static const struct {
        const char *model;
        const struct llm_weights *weights;
    } rows[] = {{"gpt-4o-mini", &llm_weights_gpt},
                {"openai/gpt-5.1", &llm_weights_gpt},
                {"o3-mini", &llm_weights_gpt},
                {"GPT-4-turbo", &llm_weights_gpt4},
                {"us.anthropic.claude-sonnet-5", &llm_weights_claude},
                {"models/gemini-3-pro", &llm_weights_gemini},
                {"meta-llama/Llama-3.1-8B-Instruct", &llm_weights_llama},
                {"DeepSeek-R1-Distill-Llama-70B", &llm_weights_deepseek},
                {"open-mixtral-8x7b", &llm_weights_mistral},
                {"Qwen/Qwen3-32B", &llm_weights_qwen},
                {"foo3", &llm_weights_gpt}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct llm_tally t;
        llm_tally_init(&t, NULL, str_c(rows[i].model));
        t_expect(t.weights == rows[i].weights);
    }
}

static struct llm_tally tally(Str body)
{
    struct llm_tally t;
    struct json *v = NULL;

    if (json_parse(t_arena(), body, &v) != OK)
        t_fail(__FILE__, __LINE__, "no JSON: %.*s", P(body));
    llm_tally_init(&t, NULL, S("gpt-4o"));
    llm_tally_request(&t, t_arena(), v);
    return t;
}

TEST(requests_of_all_dialects_are_counted_alike)
{
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"one two three four\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"one two three four\"}]}],\"max_tokens\":5}",
        "{\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
        "\"text\":\"one two three four\"}]}]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct llm_tally t = tally(str_c(bodies[i]));
        t_expect_int(t.features.n[LLM_F_PLAIN] + t.features.n[LLM_F_WORDS], 4);
    }
}

TEST(pictures_count_by_a_usual_number_and_not_by_their_bytes)
{
    AUTO_BUF(b, MIB(4));

    buf_add_c(&b, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                  "\"image_url\":{\"url\":\"data:image/png;base64,");
    for (int i = 0; i < 100000; i++)
        buf_add_c(&b, "QUJDREVG");
    buf_add_c(&b, "\"}}]}]}");
    struct llm_tally t = tally(buf_str(&b));
    int64_t n = llm_tally_total(&t);
    t_expect(n > 1000 && n < 2000);
    t_expect(t.guessed);
}

TEST(a_missing_folder_of_vocabularies_is_told)
{
    struct llm_vocabularies *v;

    t_expect_err(llm_vocabularies_load(S("/nonexistent/x"), &v), E_NOT_FOUND);
    t_expect_ok(llm_vocabularies_load(S(""), &v));
    llm_vocabularies_free(v);
}
