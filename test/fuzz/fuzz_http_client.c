/* test/fuzz/fuzz_http_client.c - however the bytes of an answer are cut into reads, the thin client
 * sees the same answer, or the same error, and never more than it asked for. */
#include "net/http_answer.h"

#include <assert.h>

enum { HEADER_MAX = 4096, BODY_MAX = 8192 };

struct outcome {
    struct http_answer x;
    struct buf body; /* all that was taken */
};

static void take(struct outcome *o)
{
    buf_add(&o->body, buf_str(&o->x.body));
    buf_reset(&o->x.body);
}

/* Feed @in in steps that @cuts tells, and end it in order or not. */
static void run(struct outcome *o, struct arena *a, Str in, Str cuts, uint8_t flags)
{
    struct http_answer_wants wants = {.a = a,
                                      .max_header = HEADER_MAX,
                                      .max_body = BODY_MAX,
                                      .is_head = flags & 1,
                                      .collect = flags & 2};
    size_t at = 0;

    *o = (struct outcome){.x.body = BUF(BODY_MAX), .body = BUF(BODY_MAX)};
    http_answer_begin(&o->x, &wants);
    for (size_t i = 0; at < in.n; i++) {
        size_t step = cuts.n ? (size_t)(uint8_t)cuts.p[i % cuts.n] + 1 : in.n;
        Str part = str_head(str_skip(in, at), step);
        /* A copy of its own, so that reading beyond it is seen. */
        char *copy = malloc(part.n);
        memcpy(copy, part.p, part.n);
        http_answer_feed(&o->x, copy, part.n);
        free(copy);
        at += part.n;
        if (!wants.collect)
            take(o);
    }
    http_answer_end(&o->x, !(flags & 4), "end");
    if (wants.collect && !o->x.direct)
        take(o);
    else if (o->x.direct)
        buf_add(&o->body, (Str){o->x.direct, o->x.body_n});
}

static void check(const struct outcome *o)
{
    assert(o->x.complete || o->x.error != OK);
    assert(!o->body.failed && o->x.body_n <= BODY_MAX + 65536);
    if (o->x.error == OK)
        assert(o->x.status >= 200 && o->x.status <= 999 && o->body.n == o->x.body_n);
    size_t text = 0;
    for (size_t i = 0; i < o->x.headers.n; i++)
        text += o->x.headers.at[i].name.n + o->x.headers.at[i].value.n;
    assert(text <= HEADER_MAX + 65536);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, parts;

    if (size < 4 || size > 65536)
        return 0;
    uint8_t flags = data[0];
    Str cuts = {(const char *)data + 1, 3}, in = {(const char *)data + 4, size - 4};
    AUTO(arena) *a = arena_new(MIB(4));

    run(&whole, a, in, (Str){0}, flags);
    run(&parts, a, in, cuts, flags);
    check(&whole);
    check(&parts);
    /* Which of two faults is met first may depend on the cuts, whether there is one may not. */
    assert((whole.x.error == OK) == (parts.x.error == OK));
    assert(whole.x.complete == parts.x.complete);
    if (whole.x.error == OK) {
        assert(whole.x.status == parts.x.status && whole.x.keep == parts.x.keep);
        assert(whole.x.more == parts.x.more && whole.x.keep_span == parts.x.keep_span);
        assert(whole.x.headers.n == parts.x.headers.n);
        for (size_t i = 0; i < whole.x.headers.n; i++) {
            assert(str_eq(whole.x.headers.at[i].name, parts.x.headers.at[i].name));
            assert(str_eq(whole.x.headers.at[i].value, parts.x.headers.at[i].value));
        }
        assert(str_eq(buf_str(&whole.body), buf_str(&parts.body)));
    }
    buf_done(&whole.body);
    buf_done(&parts.body);
    buf_done(&whole.x.body);
    buf_done(&parts.x.body);
    return 0;
}
