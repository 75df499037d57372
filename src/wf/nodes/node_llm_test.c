/* src/wf/nodes/node_llm_test.c - the llm node against a model server on a real socket, on good days
 * and bad ones.
 */
#include "net/http_client.h"
#include "net/test_upstream.h"
#include "rt/log.h"
#include "rt/test_rt.h"
#include "wf/test_node.h"

#include <unistd.h>

#define CHUNK(delta) "data: {\"id\":\"c\",\"model\":\"m-1\",\"choices\":[" delta "]}\n\n"
#define PIECE(text)                                                                                \
    CHUNK("{\"index\":0,\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}")
#define FINISH CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}")
#define USAGE                                                                                      \
    "data: {\"id\":\"c\",\"model\":\"m-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,"        \
    "\"completion_tokens\":3,\"total_tokens\":14}}\n\n"
#define DONE "data: [DONE]\n\n"
#define SSE_HEAD                                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: "            \
    "close\r\n\r\n"
#define GOOD SSE_HEAD PIECE("Hel") ": ping\n\n" PIECE("lo \xc3\xa4") FINISH USAGE DONE
#define GOOD_OUTPUT                                                                                \
    "{\"text\":\"Hello \xc3\xa4\",\"model\":\"m-1\",\"finish_reason\":\"stop\",\"usage\":"         \
    "{\"prompt_tokens\":11,\"completion_tokens\":3,\"total_tokens\":14}}"

struct script {
    const char *answer;
    size_t cut;   /* close after so many bytes; 0: all */
    size_t split; /* pause after so many bytes */
    Usec wait;    /* before the answer */
    Usec hang;    /* behind it */
};
/* What the server saw of the last request. */
static char seen_head[4096], seen_body[8192];

static void serve(struct t_conn *c)
{
    struct script *s = c->upstream->arg;

    while (t_conn_request(c)) {
        Str answer = str_c(s->answer);
        snprintf(seen_head, sizeof seen_head, "%.*s", P(c->head));
        snprintf(seen_body, sizeof seen_body, "%.*s", P(c->body));
        if (s->wait && t_conn_wait_end(c, s->wait))
            return;
        if (s->cut)
            answer = str_head(answer, s->cut);
        if (s->split) {
            t_conn_write(c, str_head(answer, s->split));
            usleep(300);
            answer = str_skip(answer, s->split);
        }
        t_conn_write(c, answer);
        if (s->hang)
            t_conn_wait_end(c, s->hang);
        if (s->cut || str_find(str_c(s->answer), S("Connection: close")) != SIZE_MAX)
            return;
    }
}

static struct t_upstream server;
static struct script script;
static struct wf_env env;

static void begin(const char *answer)
{
    script = (struct script){.answer = answer};
    server.arg = &script;
    t_upstream_start(&server, serve);
    env = (struct wf_env){.max_output = MIB(8),
                          .llm_base_url = t_upstream_url(&server, "/v1/"),
                          .llm_api_key = S("sk-platform")};
    if (egress_new(S("private"), S(""), (struct egress **)(uintptr_t)&env.egress) != OK)
        t_fail(__FILE__, __LINE__, "no egress");
}

static void end(void)
{
    http_client_close_idle();
    t_upstream_stop(&server);
    egress_free((struct egress *)(uintptr_t)env.egress);
}

/* Output or "E_CODE: detail" of a step with @more settings behind model and prompt. */
static Str result(const char *more)
{
    struct wf_outcome out;
    Str data =
        str_fmt(t_arena(), "{'model':'m-{{ t }}','prompt':'my secret prompt {{ t }}'%s}", more);
    Err e = t_node_run("llm", str_dup_c(t_arena(), data), "{'t':1}", &env, &out);

    if (e != OK)
        return str_fmt(t_arena(), "%s: %s", err_name(e), err_client_text(e));
    return json_text(t_arena(), out.output);
}

/* The same with a server that answers @answer. */
static Str answered(const char *answer, const char *more)
{
    begin(answer);
    Str out = result(more);
    end();
    return out;
}

#define HAS(text, what)                                                                            \
    do {                                                                                           \
        Str text_ = (text);                                                                        \
        if (str_find(text_, S(what)) == SIZE_MAX) {                                                \
            t_fail(__FILE__, __LINE__, "\"%.*s\" has no \"%s\"", P(text_), what);                  \
            return;                                                                                \
        }                                                                                          \
    } while (0)

static struct json *request(void)
{
    struct json *v = NULL;

    if (json_parse(t_arena(), str_dup(t_arena(), str_c(seen_body)), &v) != OK)
        t_fail(__FILE__, __LINE__, "the request is not JSON: %s", seen_body);
    return v;
}

static bool sent(const char *what)
{
    return str_find(str_c(seen_head), str_c(what)) != SIZE_MAX;
}

TEST_FIBER(llm_streams_an_answer)
{
    begin(GOOD);
    Str out = result(",'system':'be {{ t }}','temperature':0,'max_tokens':9,'stop':['x'],'seed':0");
    struct json *v = request();
    end();
    t_expect_str(out, S(GOOD_OUTPUT));
    t_expect_str(t_live(), S("Hel|lo \xc3\xa4"));
    t_expect(sent("POST /v1/chat/completions HTTP/1.1"));
    t_expect(sent("Authorization: Bearer sk-platform") ||
             sent("authorization: Bearer sk-platform"));
    t_expect(json_equal(v, t_json("{'model':'m-1','messages':[{'role':'system','content':'be 1'},"
                                  "{'role':'user','content':'my secret prompt 1'}],'temperature':0,"
                                  "'max_tokens':9,'stop':['x'],'seed':0,'stream':true,"
                                  "'stream_options':{'include_usage':true}}")));
}

TEST_FIBER(llm_takes_a_whole_answer)
{
    static const char whole[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
        "{\"model\":\"m-2\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},"
        "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}";

    begin(whole);
    Str out = result(",'stream':false");
    bool streamed = json_bool_of(json_at(request(), "stream"), true);
    end();
    t_expect(!streamed);
    t_expect_str(out, S("{\"text\":\"Hi\",\"model\":\"m-2\",\"finish_reason\":\"length\",\"usage\":"
                        "{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}"));
    /* A server that does not stream though it was asked to. */
    HAS(answered(whole, ""), "\"text\":\"Hi\"");
    t_expect_str(t_live(), S("Hi"));
    /* And one that streams though it was not. */
    t_expect_str(answered(GOOD, ",'stream':false"), S(GOOD_OUTPUT));
}

TEST_FIBER(llm_sends_messages_and_extra_members)
{
    struct wf_outcome out;

    begin(GOOD);
    t_expect_ok(t_node_run("llm",
                           "{'model':'m','messages':[{'role':'user','content':'a {{ t }}'},"
                           "{'role':'assistant','content':[{'type':'text','text':'{{ t }}'}]},"
                           "{'role':'user','content':{'k':'{{ t }}'}}],"
                           "'extra':{'max_completion_tokens':5,'user':'{{ t }}'}}",
                           "{'t':'x'}", &env, &out));
    struct json *v = request();
    end();
    t_expect(json_equal(json_at(v, "messages"),
                        t_json("[{'role':'user','content':'a x'},{'role':'assistant','content':"
                               "[{'type':'text','text':'x'}]},{'role':'user','content':"
                               "'{\\u0022k\\u0022:\\u0022x\\u0022}'}]")));
    t_expect_int(json_int_of(json_at(v, "max_completion_tokens"), 0), 5);
    t_expect_str(json_str_of(json_at(v, "user"), S("")), S("x"));
}

TEST_FIBER(llm_sends_the_platforms_key_to_the_platforms_server_only)
{
    begin(GOOD);
    Str own = t_upstream_url(&server, "/v1"), other = t_upstream_url(&server, "/other");
    (void)result(str_dup_c(t_arena(), str_fmt(t_arena(), ",'base_url':'%.*s'", P(own))));
    bool same = sent("sk-platform");
    (void)result(str_dup_c(t_arena(), str_fmt(t_arena(), ",'base_url':'%.*s/'", P(other))));
    bool leaked = sent("sk-platform"), none = !sent("uthorization");
    (void)result(str_dup_c(
        t_arena(), str_fmt(t_arena(), ",'base_url':'%.*s','api_key':'sk-{{ t }}'", P(other))));
    bool given = sent("Bearer sk-1");
    end();
    t_expect(same);
    t_expect(!leaked && none);
    t_expect(given);
}

TEST_FIBER(llm_answer_split_anywhere_is_the_same)
{
    begin(GOOD);
    for (size_t i = 1; i < sizeof GOOD - 1; i++) {
        script.split = i;
        Str out = result("");
        if (!str_eq(out, S(GOOD_OUTPUT))) {
            t_fail(__FILE__, __LINE__, "split at %zu: %.*s", i, P(out));
            break;
        }
    }
    end();
}

TEST_FIBER(llm_answer_cut_anywhere_is_an_error_until_it_is_whole)
{
    Str good = S(GOOD);
    size_t whole = str_find(good, S("\"stop\"")) + 9; /* behind the line of finish_reason */

    begin(GOOD);
    for (size_t i = 1; i < good.n; i++) {
        script.cut = i;
        Str out = result("");
        bool ok = out.n && out.p[0] == '{';
        bool fair = ok ? i >= whole && str_find(out, S("Hello \xc3\xa4")) != SIZE_MAX
                       : i <= whole + 2 && (str_starts(out, S("E_UPSTREAM_CUT: ")) ||
                                            str_starts(out, S("E_UPSTREAM: ")));
        if (!fair) {
            t_fail(__FILE__, __LINE__, "cut at %zu of %zu (whole at %zu): %.*s", i, good.n, whole,
                   P(out));
            break;
        }
    }
    end();
}

TEST_FIBER(llm_connection_is_used_again)
{
    static const char chunked[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

    begin(chunked);
    for (int i = 0; i < 3; i++)
        (void)result("");
    unsigned conns = atomic_load(&server.n_conns), requests = atomic_load(&server.n_requests);
    end();
    t_expect_int(requests, 3);
    t_expect_int(conns, 1);
}

TEST_FIBER(llm_statuses_become_errors_that_say_what_to_do)
{
#define ERROR(status, body)                                                                        \
    "HTTP/1.1 " status " X\r\nRetry-After: 3\r\nConnection: close\r\n\r\n" body
    static const struct {
        const char *answer, *error;
    } cases[] = {
        {ERROR("401", "{\"error\":{\"message\":\"Incorrect API key provided: sk-platform\","
                      "\"code\":\"invalid_api_key\"}}"),
         "E_UNAUTHORIZED: The model server at 127.0.0.1 answered 401 (invalid_api_key): check the "
         "API "
         "key of node n."},
        {ERROR("403", ""), "E_FORBIDDEN: The model server at 127.0.0.1 answered 403: check what "
                           "the API key may use, and "
                           "the model of node n."},
        {ERROR("404", "{\"error\":{\"message\":\"x\",\"code\":\"model_not_found\"}}"),
         "E_NOT_FOUND: The model server at 127.0.0.1 does not know what was asked for (404, "
         "model_not_found): check model and base_url of node n."},
        {ERROR("404", "<html>my secret prompt</html>"), "E_NOT_FOUND: "},
        {ERROR("429", "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}"),
         "E_RATE_LIMITED: The model server at 127.0.0.1 is asked too often (429, "
         "rate_limit_exceeded, "
         "tokens)"},
        {ERROR("429", "{\"error\":{\"code\":\"insufficient_quota\"}}"), "E_FORBIDDEN: "},
        {ERROR("400", "{\"error\":{\"message\":\"This model's maximum context length is 8192\","
                      "\"type\":\"invalid_request_error\",\"code\":null}}"),
         "E_INVALID: The model server at 127.0.0.1 cannot take so long a prompt (400, "
         "invalid_request_error): shorten what goes into node n."},
        {ERROR("400", "{\"error\":{\"code\":\"context_length_exceeded\"}}"), "E_INVALID: "},
        {ERROR("400",
               "{\"error\":{\"message\":\"my secret prompt\",\"type\":\"invalid_request_error\","
               "\"param\":\"temperature\",\"code\":\"has spaces in it\"}}"),
         "E_INVALID: The model server at 127.0.0.1 refused the request (400, "
         "invalid_request_error, "
         "parameter temperature): check the settings of node n."},
        {ERROR("400", "{\"error\":\"just a text\"}"), "E_INVALID: "},
        {ERROR("500", "<html>"),
         "E_UNAVAILABLE: The model server at 127.0.0.1 is in trouble (500)"},
        {ERROR("503", ""), "E_UNAVAILABLE: "},
        {ERROR("529", "{\"error\":{\"type\":\"overloaded_error\"}}"), "E_UNAVAILABLE: "},
        {ERROR("301", ""), "E_INVALID: 127.0.0.1 answered 301: the base_url of node n has moved"},
        {ERROR("204", ""), "E_UPSTREAM: "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Str out = answered(cases[i].answer, "");
        if (!str_starts(out, str_c(cases[i].error))) {
            t_fail(__FILE__, __LINE__, "%.*s; expected %s", P(out), cases[i].error);
            return;
        }
        t_expect(str_find(out, S("secret")) == SIZE_MAX && str_find(out, S("sk-")) == SIZE_MAX);
        if (str_starts(out, S("E_RATE_LIMITED")) || str_starts(out, S("E_UNAVAILABLE")))
            t_expect_int(err_record()->retry_after_us, 3 * USEC_S);
    }
}

TEST_FIBER(llm_errors_inside_the_stream)
{
#define IN_STREAM(error) SSE_HEAD PIECE("Hel") "data: {\"error\":" error "}\n\n"
    HAS(answered(IN_STREAM("{\"message\":\"boom\",\"type\":\"server_error\"}"), ""),
        "E_UNAVAILABLE: The model server at 127.0.0.1 is in trouble (server_error)");
    HAS(answered(IN_STREAM("{\"message\":\"x\",\"code\":429}"), ""), "E_RATE_LIMITED: ");
    HAS(answered(IN_STREAM("{\"message\":\"the context window is full\"}"), ""), "E_INVALID: ");
    HAS(answered(IN_STREAM("\"overloaded\""), ""), "E_UNAVAILABLE: ");
    HAS(answered(SSE_HEAD "event: error\n"
                          "data: {\"error\":{\"type\":\"rate_limit_error\"}}\n\n",
                 ""),
        "E_RATE_LIMITED: ");
    HAS(answered(SSE_HEAD PIECE("Hel") "data: {\"choices\":[{\n\n" DONE, ""),
        "E_UPSTREAM: The model server at 127.0.0.1 sent something that is not JSON in the middle");
}

TEST_FIBER(llm_answers_that_are_none)
{
#define HEAD(type) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
    HAS(answered(HEAD("text/html") "<html>sign in</html>", ""),
        "E_UPSTREAM: 127.0.0.1 answered node n "
        "with a web page");
    HAS(answered(HEAD("application/json") "{\"object\":\"list\"}", ""),
        "E_UPSTREAM: 127.0.0.1 answered node n with other JSON");
    HAS(answered(HEAD("application/json") "{\"choices\":[]}", ""), "E_UPSTREAM: ");
    HAS(answered(HEAD("application/json") "{", ""),
        "E_UPSTREAM: 127.0.0.1 answered node n with something that is not JSON");
    HAS(answered(HEAD("application/json") "{\"error\":{\"code\":\"invalid_api_key\"}}", ""),
        "E_UNAUTHORIZED: ");
    HAS(answered(SSE_HEAD, ""), "E_UPSTREAM: 127.0.0.1 answered node n with an empty stream");
    HAS(answered(SSE_HEAD "garbage\n\nmore: garbage\n\n", ""), "E_UPSTREAM: ");
    HAS(answered("garbage\r\n\r\n", ""), "E_UPSTREAM");
    HAS(answered(SSE_HEAD PIECE("Hel") DONE, ""), "\"text\":\"Hel\"");
    HAS(answered(SSE_HEAD PIECE("Hel") FINISH, ""), "\"text\":\"Hel\"");
    HAS(answered(SSE_HEAD PIECE("Hel"), ""),
        "E_UPSTREAM_CUT: The model server at 127.0.0.1 broke off");
}

TEST_FIBER(llm_silence_ends_a_stream_and_so_does_the_timeout)
{
    begin(SSE_HEAD PIECE("Hel"));
    script.hang = 5 * USEC_S;
    Usec began = time_mono();
    Str silent = result(",'silence':'150ms'");
    Str late = result(",'timeout':'150ms'");
    Usec took = time_mono() - began;
    end();
    HAS(silent, "E_TIMEOUT: The model server at 127.0.0.1 was silent for 150ms (node n).");
    HAS(late,
        "E_TIMEOUT: The model server at 127.0.0.1 did not end its answer to node n within 150ms.");
    t_expect(took < 3 * USEC_S);

    begin(GOOD);
    script.wait = 5 * USEC_S;
    Str no_head = result(",'silence':'150ms'");
    end();
    HAS(no_head, "E_TIMEOUT: ");
}

TEST_FIBER(llm_answer_is_bounded)
{
    AUTO_BUF(huge, MIB(16));
    char text[3001];

    memset(text, 'x', 3000);
    text[3000] = 0;
    buf_add_c(&huge, SSE_HEAD);
    for (int i = 0; i < 1500; i++)
        buf_add_fmt(&huge, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", text);
    buf_add_c(&huge, DONE);
    buf_add_char(&huge, 0);
    HAS(answered(huge.p, ""), "E_TOO_LARGE: The model's answer to node n is longer than 4 MiB.");
}

TEST_FIBER(llm_json_answers_are_read_and_checked)
{
#define JSON_ANSWER(json)                                                                          \
    SSE_HEAD PIECE(json)                                                                           \
    FINISH DONE
#define SCHEMA                                                                                     \
    ",'response_format':'json_schema','schema':{'type':'object','properties':{'n':{'type':"        \
    "'integer'}},'required':['n']}"
    begin(JSON_ANSWER("{\\\"n\\\": 5}"));
    Str out = result(SCHEMA);
    struct json *v = request();
    end();
    HAS(out, "\"json\":{\"n\":5}");
    t_expect(json_equal(json_at(json_at(json_at(v, "response_format"), "json_schema"), "schema"),
                        t_json("{'type':'object','properties':{'n':{'type':'integer'}},'required':"
                               "['n']}")));
    HAS(answered(JSON_ANSWER("```json\\n{\\\"n\\\": 6}\\n```"), ",'response_format':'json'"),
        "\"json\":{\"n\":6}");
    HAS(answered(JSON_ANSWER("{\\\"n\\\": \\\"secret\\\"}"), SCHEMA),
        "E_UPSTREAM: The model's answer to node n does not meet the schema at /n (type).");
    HAS(answered(JSON_ANSWER("Sure! here"), SCHEMA),
        "E_UPSTREAM: The model's answer to node n is not the JSON it was asked for.");
    HAS(answered(SSE_HEAD PIECE("{") CHUNK("{\"delta\":{},\"finish_reason\":\"length\"}") DONE,
                 SCHEMA),
        "raise max_tokens.");
    HAS(answered(JSON_ANSWER("{}"), ""), "{\"text\":\"{}\",\"model\"");
}

TEST_FIBER(llm_cancelled_closes_the_call)
{
    struct wf_outcome out;

    begin(SSE_HEAD PIECE("Hel"));
    script.hang = 5 * USEC_S;
    (void)fiber_deadline_set(usec_in(200 * USEC_MS));
    Usec began = time_mono();
    Err e = t_node_run("llm", "{'model':'m','prompt':'p'}", "{}", &env, &out);
    Usec took = time_mono() - began;
    (void)fiber_deadline_set(USEC_NEVER);
    end();
    t_expect_int(e, E_TIMEOUT);
    t_expect(took < 2 * USEC_S);
}

TEST(llm_settings_are_checked)
{
#define CHECK(data, want) t_expect_str(t_node_problem("llm", data), S(want))
    CHECK("{'prompt':'x'}", "required /nodes/1/data/model");
    CHECK("{'model':'m'}", "required /nodes/1/data/prompt");
    CHECK("{'model':'m','prompt':'x','messages':[{'role':'user','content':'x'}]}",
          "not_used /nodes/1/data/messages");
    CHECK("{'model':'m','messages':[{'role':'tool','content':'x'}]}",
          "one_of /nodes/1/data/messages/0/role");
    CHECK("{'model':'m','messages':[{'role':'user'}]}",
          "required /nodes/1/data/messages/0/content");
    CHECK("{'model':'m','prompt':'x','temperature':3}", "range /nodes/1/data/temperature");
    CHECK("{'model':'m','prompt':'x','max_tokens':0}", "range /nodes/1/data/max_tokens");
    CHECK("{'model':'m','prompt':'x','base_url':'localhost'}", "bad_url /nodes/1/data/base_url");
    CHECK("{'model':'m','prompt':'x','schema':{}}", "not_used /nodes/1/data/schema");
    CHECK("{'model':'m','prompt':'x','response_format':'json_schema'}",
          "required /nodes/1/data/schema");
    CHECK("{'model':'m','prompt':'x','response_format':'json_schema','schema':{'type':7}}",
          "schema /nodes/1/data/schema");
    CHECK("{'model':'m','prompt':'x','extra':{'stream':false}}", "reserved /nodes/1/data/extra");
    CHECK("{'model':'m','prompt':'x','extra':[]}", "type /nodes/1/data/extra");
    CHECK("{'model':'m','prompt':'{{ nobody.x }}'}", "unknown_name /nodes/1/data/prompt");
}

TEST(llm_fixed_key_is_kept_out_of_the_log)
{
    WfProblems problems = {0};
    struct wf_def *def;
    int pipe_fds[2];
    char line[512];

    t_expect(pipe(pipe_fds) == 0);
    t_expect_ok(
        t_node_def("llm", "{'model':'m','prompt':'p','api_key':'sk-fixed-123'}", &problems, &def));
    log_fd_set(pipe_fds[1]);
    LOG_ERROR("a key", L_CSTR("key", "it is sk-fixed-123"));
    log_fd_set(2);
    ssize_t n = read(pipe_fds[0], line, sizeof line);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    t_expect(n > 0);
    t_expect(str_find((Str){line, (size_t)n}, S("sk-fixed")) == SIZE_MAX);
    t_expect(str_find((Str){line, (size_t)n}, S("***")) != SIZE_MAX);
}
