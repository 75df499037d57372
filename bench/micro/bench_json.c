/* bench/micro/bench_json.c - how fast JSON is parsed and written, in MB of text per second.
 *
 * Two documents are made here: a chat request of 10 KB (long strings with some escapes) and a file
 * of 1 MB of records (short strings, numbers, nesting). Each figure is the best of several rounds,
 * since on a shared machine the others only add noise. Where Debian's libcjson-dev is installed,
 * the build defines BENCH_CJSON and cJSON is measured in the same run.
 */
#include "base/crypto.h"
#include "base/json.h"
#include "base/time.h"

#ifdef BENCH_CJSON
#include <cjson/cJSON.h>
#endif

enum { ROUNDS = 15 };

struct subject {
    const char *name;
    Str text;
    struct arena *a;   /* for the runs, reset by each */
    struct json *root; /* lives elsewhere */
    struct buf out;
};

static void chat_request(struct buf *b)
{
    static const char words[] =
        "The quarterly report shows that revenue grew by twelve percent while "
        "costs stayed flat; see section 4.\\n\\nPlease answer in \\\"plain\\\" "
        "words and name your sources. ";

    buf_add(b, S("{\"model\":\"gpt-4o\",\"temperature\":0.7,\"max_tokens\":1024,\"stream\":true,"
                 "\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful analyst.\"}"));
    for (int i = 0; i < 10; i++) {
        buf_add_fmt(b, ",{\"role\":\"%s\",\"content\":\"", i % 2 ? "assistant" : "user");
        for (int j = 0; j < 6; j++)
            buf_add_c(b, words);
        buf_add_c(b, "\"}");
    }
    buf_add(
        b, S("],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"lookup\",\"parameters\":"
             "{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"string\"}}}}}]}"));
}

static void records(struct buf *b)
{
    buf_add_char(b, '[');
    for (int i = 0; b->n < MIB(1) - 300; i++)
        buf_add_fmt(b,
                    "%s{\"id\":%d,\"name\":\"Person %d\",\"email\":\"person%d@example.org\","
                    "\"score\":%d.%02d,\"active\":%s,\"tags\":[\"alpha\",\"beta\",\"gamma\"],"
                    "\"address\":{\"street\":\"%d Main St\",\"zip\":\"%05d\",\"lat\":%d.%06d,"
                    "\"lon\":-%d.%06d},\"note\":null}",
                    i ? "," : "", 100000 + i, i, i, i % 100, i % 97, i % 3 ? "true" : "false",
                    i % 900, i % 99999, i % 90, i * 7919 % 1000000, i % 180, i * 104729 % 1000000);
    buf_add_char(b, ']');
}

/* Doubles with all their digits, as embeddings have. */
static void numbers(struct buf *b)
{
    buf_add_char(b, '[');
    for (int i = 0; b->n < KIB(64); i++) {
        if (i)
            buf_add_char(b, ',');
        json_write_double(b, (double)(int64_t)crypto_random_u64() / 0x1p63);
    }
    buf_add_char(b, ']');
}

/* ---- what is measured ---- */

static void run_parse(struct subject *s)
{
    struct json *v;
    arena_reset(s->a);
    if (json_parse(s->a, s->text, &v) != OK)
        DIE("%s: %s", s->name, err_text(E_SYNTAX));
}

static void run_write(struct subject *s)
{
    buf_reset(&s->out);
    json_write(&s->out, s->root);
}

static void run_both(struct subject *s)
{
    struct json *v;
    arena_reset(s->a);
    if (json_parse(s->a, s->text, &v) != OK)
        DIE("%s: %s", s->name, err_text(E_SYNTAX));
    buf_reset(&s->out);
    json_write(&s->out, v);
}

static void run_canonical(struct subject *s)
{
    buf_reset(&s->out);
    json_write_canonical(&s->out, s->root);
}

static void run_dup(struct subject *s)
{
    arena_reset(s->a);
    (void)json_dup(s->a, s->root); /* the copy itself is of no use */
}

static void run_hash(struct subject *s)
{
    if (json_hash(s->root) == 0)
        printf("a rare hash\n");
}

#ifdef BENCH_CJSON
static void run_cjson_parse(struct subject *s)
{
    cJSON_Delete(cJSON_ParseWithLength(s->text.p, s->text.n));
}

static void run_cjson_both(struct subject *s)
{
    cJSON *v = cJSON_ParseWithLength(s->text.p, s->text.n);
    cJSON_free(cJSON_PrintUnformatted(v));
    cJSON_Delete(v);
}
#endif

static void measure(struct subject *s, const char *what, void (*run)(struct subject *s))
{
    Usec best = USEC_NEVER;
    int times = (int)(MIB(4) / s->text.n) + 1;

    for (int round = 0; round < ROUNDS; round++) {
        Usec start = time_mono();
        for (int i = 0; i < times; i++)
            run(s);
        best = usec_min(best, time_mono() - start);
    }
    printf("%-10s %-18s %8.0f MB/s %10.2f us\n", s->name, what,
           (double)s->text.n * times / (double)usec_max(best, 1), (double)best / times);
}

static void bench(const char *name, void (*make)(struct buf *b))
{
    AUTO(arena) *own = arena_new(MIB(64)), *a = arena_new(MIB(64));
    AUTO_BUF(text, MIB(4));

    make(&text);
    struct subject s = {.name = name, .text = buf_str(&text), .a = a, .out = BUF(MIB(16))};
    if (json_parse(own, s.text, &s.root) != OK)
        DIE("%s: %s", name, err_text(E_SYNTAX));
    printf("%s: %zu bytes\n", name, text.n);
    measure(&s, "parse", run_parse);
    measure(&s, "write", run_write);
    measure(&s, "parse+write", run_both);
    measure(&s, "canonical", run_canonical);
    measure(&s, "dup", run_dup);
    measure(&s, "hash", run_hash);
#ifdef BENCH_CJSON
    measure(&s, "cJSON parse", run_cjson_parse);
    measure(&s, "cJSON parse+write", run_cjson_both);
#endif
    buf_done(&s.out);
}

int main(void)
{
    crypto_init();
    bench("chat", chat_request);
    bench("records", records);
    bench("numbers", numbers);
}
