/* bench/micro/bench_gateway.c - the programs around the model gateway in its measurement
 * (bench/gateway.py).
 *
 *   bench_gateway upstream PORT                        a model server; "m-N-MS" says N tokens, one
 *                                                      every MS ms, and "hang" nothing; by
 *                                                      Anthropic's messages half a text, half a
 * call bench_gateway streams PORT KEY MODEL N             N streams at once to their ends
 *   bench_gateway leave PORT KEY MODEL UPSTREAM N      N calls that are left while they run
 *
 * Both clients print one line of JSON. The clock is that of the machine, so that one process can
 * tell how long after another's act something came.
 */
#include "base/crypto.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "rt/fiber.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static Str args[6];

static int64_t number(int i)
{
    uint64_t n = 0;
    return str_to_u64(args[i], &n) == OK ? (int64_t)n : 0;
}

/* ---- upstream ---- */

static int64_t n_begun, n_closed;
static Usec closed_at;

static Err hang(void)
{
    n_begun++;
    Err e = fiber_sleep(USEC_DAY); /* until the caller leaves */
    closed_at = time_mono();
    n_closed++;
    return e;
}

/* "m-8-20": 8 tokens, 20 ms. */
static void read_model(Str model, uint64_t *tokens, uint64_t *ms)
{
    Str rest = str_skip(model, 2), first;

    rest = str_cut(rest, '-', &first);
    if (str_to_u64(first, tokens) != OK || str_to_u64(rest, ms) != OK)
        *tokens = *ms = 0;
}

/* A model that takes its time: *model is what it says when it says something. *ret_answered:
 * nothing is left to say. */
static Err be_slow(struct res *res, Str *model, bool *ret_answered)
{
    Str rest = str_skip(*model, 2), first, second;
    uint64_t from, to;
    int chance = (int)(crypto_random_u64() % 100);

    rest = str_cut(rest, '-', &first);
    rest = str_cut(rest, '-', &second);
    if (str_to_u64(first, &from) != OK || str_to_u64(second, &to) != OK || from > to)
        return err_set(E_BAD_INPUT, "no such model");
    if (chance < 2) {
        *ret_answered = true;
        res_header(res, S("Retry-After"), S("1"));
        return res_send(res, 429, S("application/json"), S("{\"error\":{\"message\":\"slow\"}}"));
    }
    from += to > from ? crypto_random_u64() % (to - from) : 0;
    TRY(fiber_sleep((Usec)from * USEC_MS));
    if (chance < 3) {
        TRY(res_begin(res, 200, S("text/event-stream")));
        TRY(res_write(res, S("data: {\"choices\":[]}\n\n")));
        return err_set(E_CLOSED, "dropped");
    }
    *model = str_from(rest.p - 2, rest.n + 2); /* as "m-N-MS" */
    return OK;
}

static Err say_stream(struct res *res, uint64_t tokens, uint64_t ms)
{
    static const Str token =
        S_INIT("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":"
               "1790000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
               "\" token\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");

    res_header(res, S("Cache-Control"), S("no-cache"));
    TRY(res_begin(res, 200, S("text/event-stream")));
    Usec at = time_mono();
    for (uint64_t i = 0; i < tokens; i++) {
        TRY(res_write(res, token));
        at += (Usec)ms * USEC_MS;
        Usec now = time_mono();
        if (at > now)
            TRY(fiber_sleep(at - now));
    }
    TRY(res_write(res, S("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
                         "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":200,"
                         "\"completion_tokens\":200}}\n\ndata: [DONE]\n\n")));
    return res_end(res);
}

static Err post_chat(struct req *req, struct res *res)
{
    Str body;

    TRY(req_body(req, &body));
    size_t at = str_find(body, S("\"model\":\""));
    if (at == SIZE_MAX)
        return err_set(E_BAD_INPUT, "no model");
    Str model;
    (void)str_cut(str_skip(body, at + 9), '"', &model); /* what is behind it does not matter */
    bool stream = str_find(body, S("\"stream\":true")) != SIZE_MAX, answered = false;
    if (str_starts(model, S("w-")))
        TRY(be_slow(res, &model, &answered));
    if (answered)
        return OK;
    uint64_t tokens, ms;
    read_model(model, &tokens, &ms);
    if (stream && tokens)
        return say_stream(res, tokens, ms);
    if (!tokens && stream) {
        TRY(res_begin(res, 200, S("text/event-stream")));
        TRY(res_write(res, S("data: {\"choices\":[]}\n\n")));
    }
    if (!tokens)
        return hang();
    return res_send(
        res, 200, S("application/json"),
        S("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1790000000,"
          "\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
          "\"content\":\"Eight tokens of an answer as it may be.\"},\"logprobs\":null,"
          "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":200,"
          "\"completion_tokens\":8,\"total_tokens\":208}}"));
}

/* Write @event with @ms between it and the next. */
static Err say_event(struct res *res, Str event, Usec *at, uint64_t ms)
{
    TRY(res_write(res, event));
    *at += (Usec)ms * USEC_MS;
    Usec now = time_mono();
    return *at > now ? fiber_sleep(*at - now) : OK;
}

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"," rest "}\n\n"
#define DELTA(index, rest) EVENT("content_block_delta", "\"index\":" index ",\"delta\":{" rest "}")

static Err post_messages(struct req *req, struct res *res)
{
    static const Str begin = S_INIT(
        EVENT("message_start", "\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"
                               "\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,"
                               "\"usage\":{\"input_tokens\":200,\"output_tokens\":1}}")
            EVENT("content_block_start",
                  "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"));
    static const Str call = S_INIT(
        EVENT("content_block_stop", "\"index\":0")
            EVENT("content_block_start", "\"index\":1,\"content_block\":{\"type\":\"tool_use\","
                                         "\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}")
                DELTA("1", "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\\\"\""));
    static const Str end = S_INIT(
        DELTA("1", "\"type\":\"input_json_delta\",\"partial_json\":\"\\\"}\"")
            EVENT("content_block_stop", "\"index\":1")
                EVENT("message_delta", "\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"
                                       "\"output_tokens\":200}") EVENT("message_stop", "\"x\":0"));
    static const Str words = S_INIT(DELTA("0", "\"type\":\"text_delta\",\"text\":\" token\""));
    static const Str arguments =
        S_INIT(DELTA("1", "\"type\":\"input_json_delta\",\"partial_json\":\" token\""));
    uint64_t tokens, ms;
    Usec at = time_mono();
    Str body, model;

    TRY(req_body(req, &body));
    size_t from = str_find(body, S("\"model\":\""));
    if (from == SIZE_MAX)
        return err_set(E_BAD_INPUT, "no model");
    (void)str_cut(str_skip(body, from + 9), '"', &model);
    read_model(model, &tokens, &ms);
    TRY(res_begin(res, 200, S("text/event-stream")));
    TRY(res_write(res, begin));
    for (uint64_t i = 0; i < tokens; i++) {
        if (i == tokens / 2)
            TRY(res_write(res, call));
        TRY(say_event(res, i < tokens / 2 ? words : arguments, &at, ms));
    }
    TRY(res_write(res, end));
    return res_end(res);
}

static Err get_left(struct req *req, struct res *res)
{
    return res_json(res, 200,
                    json_obj(req->a, "begun", json_int(req->a, n_begun), "closed",
                             json_int(req->a, n_closed), "at", json_int(req->a, closed_at), NULL));
}

static const struct route routes[] = {{HTTP_POST, "/v1/chat/completions", post_chat,
                                       .kind = ROUTE_STREAM, .rate = RATE_NONE, .max_body = MIB(1)},
                                      {HTTP_POST, "/v1/messages", post_messages,
                                       .kind = ROUTE_STREAM, .rate = RATE_NONE, .max_body = MIB(1)},
                                      {HTTP_GET, "/left", get_left, .rate = RATE_NONE},
                                      {0}};

static Err upstream(void *arg)
{
    AUTO(router) *router = router_new();
    struct http_server *server;
    struct http_server_options options = {
        .host = S("127.0.0.1"), .port = (uint16_t)number(0), .router = router};

    (void)arg;
    router_add(router, routes);
    TRY(http_server_new(&options, &server));
    printf("ready\n");
    fflush(stdout);
    Err e = fiber_sleep(USEC_DAY);
    http_server_free(server);
    return e;
}

/* ---- clients ---- */

static Err open_call(struct arena *a, bool stream, struct http_stream **ret_stream)
{
    struct http_call call = {
        .method = HTTP_POST,
        .url = str_fmt(a, "http://127.0.0.1:%.*s/v1/chat/completions", P(args[0])),
        .body = str_fmt(a,
                        "{\"model\":\"%.*s\",\"stream\":%s,\"messages\":[{\"role\":\"user\","
                        "\"content\":\"hello\"}]}",
                        P(args[2]), stream ? "true" : "false"),
        .deadline = USEC_NEVER,
        .max_body = MIB(64)};

    http_header_add(a, &call.headers, S("Authorization"), str_fmt(a, "Bearer %.*s", P(args[1])));
    http_header_add(a, &call.headers, S("Content-Type"), S("application/json"));
    return http_open(a, &call, ret_stream);
}

static Usec *first_after;
static int64_t n_streams, n_tokens, n_failed;

static int64_t count_tokens(Str piece)
{
    int64_t n = 0;

    for (size_t at; (at = str_find(piece, S("\" token\""))) != SIZE_MAX; n++)
        piece = str_skip(piece, at + 8);
    return n;
}

static Err read_stream(void *arg)
{
    AUTO(arena) *a = arena_new(KIB(256));
    AUTO(http_stream) *s = NULL;
    Usec from = time_mono();
    bool any = false;
    Str piece;
    Err e = open_call(a, true, &s);

    (void)arg;
    while (e == OK && http_stream_status(s) == 200 && (e = http_read(s, &piece)) == OK) {
        if (!any)
            first_after[n_streams++] = time_mono() - from;
        any = true;
        n_tokens += count_tokens(piece);
    }
    if (e != E_EOF)
        n_failed++;
    return OK;
}

static int compare(const void *x, const void *y)
{
    Usec a = *(const Usec *)x, b = *(const Usec *)y;
    return a < b ? -1 : a > b;
}

static Err streams(void *arg)
{
    FIBER_GROUP(g, 0, false);
    int64_t n = number(3);
    Usec from = time_mono();

    (void)arg;
    first_after = calloc((size_t)n + 1, sizeof *first_after);
    if (!first_after)
        return err_set(E_INTERNAL, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        TRY(fiber_group_start(&g, "client", read_stream, NULL));
        if (i % 10 == 9)
            TRY(fiber_sleep(5 * USEC_MS)); /* 2,000 a second */
    }
    TRY(fiber_group_join(&g));
    qsort(first_after, (size_t)n_streams, sizeof *first_after, compare);
    printf("{\"streams\":%lld,\"failed\":%lld,\"tokens\":%lld,\"seconds\":%.3f,"
           "\"first_p50_us\":%lld,\"first_p99_us\":%lld}\n",
           (long long)n_streams, (long long)n_failed, (long long)n_tokens,
           (double)(time_mono() - from) / USEC_S, (long long)first_after[n_streams / 2],
           (long long)first_after[n_streams * 99 / 100]);
    return OK;
}

struct left {
    int64_t begun, closed, at;
};

static Err ask_left(struct left *left)
{
    AUTO(arena) *a = arena_new(KIB(256));
    struct http_call call = {.url = str_fmt(a, "http://127.0.0.1:%.*s/left", P(args[3])),
                             .deadline = usec_in(5 * USEC_S),
                             .max_body = KIB(64)};
    struct http_reply reply;
    struct json *v;

    TRY(http_fetch(a, &call, &reply));
    TRY(json_parse(a, reply.body, &v));
    *left = (struct left){json_int_of(json_at(v, "begun"), 0), json_int_of(json_at(v, "closed"), 0),
                          json_int_of(json_at(v, "at"), 0)};
    return OK;
}

/* The half of a call that waits for an answer that never comes. */
static Err wait_whole(void *arg)
{
    AUTO(arena) *a = arena_new(KIB(256));
    AUTO(http_stream) *s = NULL;

    (void)arg;
    return open_call(a, false, &s);
}

static Err leave_one(bool stream, Usec *ret_after)
{
    AUTO(arena) *a = arena_new(KIB(256));
    AUTO(http_stream) *s = NULL;
    struct left before, left;
    struct fiber *whole = NULL;

    TRY(ask_left(&before));
    if (stream)
        TRY(open_call(a, true, &s));
    else
        whole = fiber_start_ref("whole", wait_whole, NULL);
    do {
        TRY(fiber_sleep(USEC_MS));
        TRY(ask_left(&left));
    } while (left.begun == before.begun);
    TRY(fiber_sleep(20 * USEC_MS));
    Usec from = time_mono();
    if (whole)
        fiber_cancel(whole);
    http_stream_free(s);
    s = NULL;
    do {
        TRY(fiber_sleep(5 * USEC_MS));
        TRY(ask_left(&left));
    } while (left.closed == before.closed);
    fiber_unref(whole);
    *ret_after = left.at - from;
    return OK;
}

static Err leave(void *arg)
{
    enum { MOST = 1000 };
    static Usec after[2][MOST];
    int64_t n = number(4);

    (void)arg;
    if (n < 1 || n > MOST)
        return err_set(E_INVALID, "from 1 to %d calls", MOST);
    for (int64_t i = 0; i < 2 * n; i++)
        TRY(leave_one(i % 2, &after[i % 2][i / 2]));
    for (int i = 0; i < 2; i++)
        qsort(after[i], (size_t)n, sizeof after[i][0], compare);
    printf("{\"whole\":[%lld,%lld],\"stream\":[%lld,%lld]}\n", (long long)after[0][n / 2],
           (long long)after[0][n - 1], (long long)after[1][n / 2], (long long)after[1][n - 1]);
    return OK;
}

/* ---- */

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        Err (*fn)(void *arg);
    } programs[] = {{"upstream", 1, upstream}, {"streams", 4, streams}, {"leave", 5, leave}};
    struct rt_options rt = {.shards = 1, .workers = 1};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        if (argc != programs[i].args + 2 || strcmp(argv[1], programs[i].name) != 0)
            continue;
        for (int k = 2; k < argc; k++)
            args[k - 2] = str_c(argv[k]);
        return rt_main(&rt, programs[i].fn, NULL);
    }
    fprintf(stderr, "see the head of bench_gateway.c\n");
    return 2;
}
