/* src/wf/nodes/node_api_call_test.c - api-call and webhook against a server on a real socket. */
#include "base/crypto.h"
#include "net/http_client.h"
#include "net/signature.h"
#include "net/test_upstream.h"
#include "rt/test_rt.h"
#include "wf/test_node.h"

/* What the server does with each request. */
struct script {
    const char *answer; /* raw; NULL: 200 with the request shown */
    bool cut;           /* close after it */
    Usec wait;          /* before it */
};
/* What the server saw of the last request. */
static char seen_head[4096], seen_body[4096];

static void serve(struct t_conn *c)
{
    struct script *s = c->upstream->arg;

    while (t_conn_request(c)) {
        snprintf(seen_head, sizeof seen_head, "%.*s", P(c->head));
        snprintf(seen_body, sizeof seen_body, "%.*s", P(c->body));
        if (s->wait && t_conn_wait_end(c, s->wait))
            return;
        if (!t_conn_write_c(c, s->answer ? s->answer
                                         : "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                           "X-A: 1\r\nx-a: 2\r\nSet-Cookie: s=1\r\n"
                                           "Content-Length: 13\r\n\r\n{\"ok\":[1, 2]}"))
            return;
        if (s->cut)
            return;
    }
}

static struct t_upstream server;
static struct script script;
static struct wf_env env;

static void begin(struct script s)
{
    script = s;
    server.arg = &script;
    env = (struct wf_env){.max_output = MIB(8), .user_agent = S("heddle-test")};
    if (egress_new(S("private"), S(""), (struct egress **)(uintptr_t)&env.egress) != OK)
        t_fail(__FILE__, __LINE__, "no egress");
    t_upstream_start(&server, serve);
}

static void end(void)
{
    http_client_close_idle();
    t_upstream_stop(&server);
    egress_free((struct egress *)(uintptr_t)env.egress);
}

/* Run @type with @data, in which URL stands for the server's; the output, or "E_CODE: detail". */
static Str result(const char *type, const char *data, const char *scope)
{
    Str text = str_c(data), url = t_upstream_url(&server, "");
    struct wf_outcome out;
    size_t at = str_find(text, S("URL"));

    if (at != SIZE_MAX)
        text = str_fmt(t_arena(), "%.*s%.*s%.*s", P(str_head(text, at)), P(url),
                       P(str_skip(text, at + 3)));
    Err e = t_node_run(type, str_dup_c(t_arena(), text), scope, &env, &out);
    if (e != OK)
        return str_fmt(t_arena(), "%s: %s", err_name(e), err_client_text(e));
    return json_text(t_arena(), out.output);
}

static bool saw(const char *what)
{
    return str_find(str_c(seen_head), str_c(what)) != SIZE_MAX;
}

#define HAS(text, what) t_expect(str_find((text), S(what)) != SIZE_MAX)

TEST_FIBER(api_call_gives_status_headers_and_body)
{
    begin((struct script){0});
    Str out = result("api-call", "{'url':'URL/a?x=1#f','query':{'q':'{{ t.q }}','n':null,'m':5}}",
                     "{'t':{'q':'a b&c'}}");
    end();
    t_expect(saw("GET /a?x=1&q=a%20b%26c&m=5 HTTP/1.1"));
    t_expect(saw("User-Agent: heddle-test") || saw("user-agent: heddle-test"));
    t_expect(!saw("Idempotency-Key"));
    HAS(out, "{\"status\":200,\"headers\":{\"content-type\":\"application/json\",\"x-a\":\"1, 2\","
             "\"set-cookie\":[\"s=1\"]");
    HAS(out, "\"body\":{\"ok\":[1,2]}}");
}

TEST_FIBER(api_call_sends_json_forms_and_text)
{
    begin((struct script){0});
    (void)result("api-call", "{'url':'URL/','method':'POST','body':{'a':'{{ t.x }}','b':[1]}}",
                 "{'t':{'x':{'y':2}}}");
    Str json = str_dup(t_arena(), str_c(seen_body));
    bool typed = saw("Content-Type: application/json"), keyed = saw("Idempotency-Key: run-1:n");
    (void)result("api-call",
                 "{'url':'URL/','method':'PUT','body_type':'form','body':{'a':['1','x y'],'b':true,"
                 "'c':null}}",
                 "{}");
    Str form = str_dup(t_arena(), str_c(seen_body));
    (void)result("api-call",
                 "{'url':'URL/','method':'PATCH','body_type':'text','body':'hi {{ v }}'}",
                 "{'v':7}");
    Str text = str_dup(t_arena(), str_c(seen_body));
    Str wrong =
        result("api-call", "{'url':'URL/','method':'POST','body_type':'form','body':[1]}", "{}");
    end();
    t_expect_str(json, S("{\"a\":{\"y\":2},\"b\":[1]}"));
    t_expect(typed && keyed);
    t_expect_str(form, S("a=1&a=x%20y&b=true"));
    t_expect_str(text, S("hi 7"));
    t_expect(str_starts(wrong, S("E_INVALID: The body of node n must be an object")));
}

TEST_FIBER(api_call_authenticates)
{
    begin((struct script){0});
    (void)result("api-call",
                 "{'url':'URL/','auth':{'type':'basic','user':'ada','password':'p:{{ t }}'}}",
                 "{'t':'w'}");
    t_expect(saw("Authorization: Basic YWRhOnA6dw=="));
    (void)result("api-call", "{'url':'URL/','auth':{'type':'bearer','token':'tok'}}", "{}");
    t_expect(saw("Authorization: Bearer tok"));
    (void)result("api-call",
                 "{'url':'URL/','auth':{'type':'header','header':'X-Key','value':'k'},"
                 "'headers':{'X-Other':'{{ t }}'}}",
                 "{'t':1}");
    end();
    t_expect(saw("X-Key: k") && saw("X-Other: 1"));
}

TEST_FIBER(api_call_cannot_smuggle_headers)
{
    begin((struct script){0});
    Str out =
        result("api-call", "{'url':'URL/','headers':{'X-A':'{{ t }}'}}", "{'t':'a\\r\\nX-B: 1'}");
    unsigned n = atomic_load(&server.n_requests);
    end();
    t_expect_int(n, 0);
    HAS(out, "E_INVALID: The header \"X-A\" cannot be sent");
}

TEST_FIBER(api_call_statuses_become_errors_that_say_what_to_do)
{
    static const struct {
        const char *answer, *error;
    } cases[] = {
        {"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nsecret-42",
         "E_UNAUTHORIZED: 127.0.0.1 answered 401 Unauthorized to node n: check its credentials."},
        {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "E_FORBIDDEN: "},
        {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "E_NOT_FOUND: "},
        {"HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n", "E_CONFLICT: "},
        {"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n", "E_INVALID: "},
        {"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "E_RATE_LIMITED: "},
        {"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\noops", "E_UNAVAILABLE: "},
        {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "E_UNAVAILABLE: "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin((struct script){.answer = cases[i].answer});
        Str out = result("api-call", "{'url':'URL/'}", "{}");
        long long after = err_record()->retry_after_us;
        Str shown = result("api-call", "{'url':'URL/','fail_on_status':false}", "{}");
        end();
        t_expect(str_starts(out, str_c(cases[i].error)));
        t_expect(str_find(out, S("secret-42")) == SIZE_MAX);
        t_expect_int(after, str_find(out, S("429")) != SIZE_MAX ? 7 * USEC_S : 0);
        t_expect(str_starts(shown, S("{\"status\":")));
    }
}

TEST_FIBER(api_call_of_a_far_end_in_trouble)
{
    begin((struct script){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
                          .cut = true});
    Str cut = result("api-call", "{'url':'URL/'}", "{}");
    end();
    HAS(cut, "E_UPSTREAM_CUT: 127.0.0.1 broke off");

    begin((struct script){.answer = "SSH-2.0-x\r\n", .cut = true});
    Str ssh = result("api-call", "{'url':'URL/'}", "{}");
    end();
    t_expect(str_starts(ssh, S("E_UPSTREAM")));

    begin((struct script){.wait = 5 * USEC_S});
    Str slow = result("api-call", "{'url':'URL/','timeout':'200ms'}", "{}");
    end();
    HAS(slow, "E_TIMEOUT: 127.0.0.1 did not answer node n within 200ms.");

    begin(
        (struct script){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n", .cut = true});
    Str large = result("api-call", "{'url':'URL/','max_response':'1KiB'}", "{}");
    end();
    HAS(large, "E_TOO_LARGE: The answer of 127.0.0.1 is larger");
}

TEST_FIBER(api_call_to_nobody_cannot_be_reached)
{
    begin((struct script){0});
    Str url = t_upstream_url(&server, "/");
    t_upstream_stop(&server);
    Str out = result("api-call", str_dup_c(t_arena(), str_fmt(t_arena(), "{'url':'%.*s'}", P(url))),
                     "{}");
    egress_free((struct egress *)(uintptr_t)env.egress);
    HAS(out, "E_CONNECT: The host 127.0.0.1 that node n calls could not be reached.");
}

TEST_FIBER(api_call_of_private_addresses_is_refused_by_default)
{
    struct egress *strict;

    begin((struct script){0});
    t_expect_ok(egress_new(S(""), S(""), &strict));
    const struct egress *open = env.egress;
    env.egress = strict;
    Str out = result("api-call", "{'url':'URL/'}", "{}");
    env.egress = open;
    egress_free(strict);
    unsigned n = atomic_load(&server.n_conns);
    end();
    t_expect_int(n, 0);
    t_expect(str_starts(out, S("E_EGRESS: ")));
}

TEST_FIBER(api_call_follows_redirects_as_often_as_it_may)
{
    begin((struct script){
        .answer = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"});
    Str endless = result("api-call", "{'url':'URL/','redirects':3}", "{}");
    unsigned hops = atomic_load(&server.n_requests);
    Str none = result("api-call", "{'url':'URL/','redirects':0}", "{}");
    end();
    t_expect(str_starts(endless, S("E_UPSTREAM: ")));
    t_expect_int(hops, 4);
    t_expect(str_starts(none, S("{\"status\":302")));
}

TEST_FIBER(api_call_reads_bodies_as_asked)
{
#define ANSWER(type, length, body)                                                                 \
    begin((struct script){.answer = "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\n"                \
                                    "Content-Length: " length "\r\n\r\n" body})
    ANSWER("text/plain", "3", "{1}");
    Str text = result("api-call", "{'url':'URL/'}", "{}");
    Str bad = result("api-call", "{'url':'URL/','response':'json'}", "{}");
    end();
    HAS(text, "\"body\":\"{1}\"");
    HAS(bad,
        "E_UPSTREAM: The answer of 127.0.0.1 to node n should be JSON, but it is not well formed");

    ANSWER("application/problem+json", "7", "{\"a\":1}");
    Str problem = result("api-call", "{'url':'URL/'}", "{}");
    Str as_text = result("api-call", "{'url':'URL/','response':'text'}", "{}");
    end();
    HAS(problem, "\"body\":{\"a\":1}");
    HAS(as_text, "\"body\":\"{\\\"a\\\":1}\"");

    ANSWER("application/json", "0", "");
    Str empty = result("api-call", "{'url':'URL/'}", "{}");
    end();
    HAS(empty, "\"body\":null");

    ANSWER("text/html; charset=ISO-8859-1", "3", "\xe4\x80z");
    Str latin = result("api-call", "{'url':'URL/'}", "{}");
    end();
    HAS(latin, "\"body\":\"\xc3\xa4\xe2\x82\xac"
               "z\"");

    ANSWER("image/png", "4", "\x89PNG");
    Str binary = result("api-call", "{'url':'URL/'}", "{}");
    end();
    HAS(binary, "E_UPSTREAM: The answer of 127.0.0.1 to node n is neither JSON nor text");
}

TEST_FIBER(api_call_of_a_url_that_is_none)
{
    begin((struct script){0});
    Str out = result("api-call", "{'url':'{{ t }}'}", "{'t':'ftp://x/'}");
    Str space = result("api-call", "{'url':'http://127.0.0.1/{{ t }}'}", "{'t':'a b'}");
    end();
    HAS(out, "E_INVALID: The URL that node n would call is not valid");
    HAS(space, "E_INVALID: The URL that node n would call is not valid");
}

TEST(api_call_settings_are_checked)
{
#define CHECK(data, want) t_expect_str(t_node_problem("api-call", data), S(want))
    CHECK("{}", "required /nodes/1/data/url");
    CHECK("{'url':''}", "required /nodes/1/data/url");
    CHECK("{'url':'example.com'}", "bad_url /nodes/1/data/url");
    CHECK("{'url':'ftp://{{ t.x }}'}", "bad_url /nodes/1/data/url");
    CHECK("{'url':'https://{{ t.x }}/y'}", "");
    CHECK("{'url':'{{ t.x }}'}", "");
    CHECK("{'url':'http://a/','method':'OPTIONS'}", "one_of /nodes/1/data/method");
    CHECK("{'url':'http://a/','method':'HEAD','body':1}", "not_used /nodes/1/data/body");
    CHECK("{'url':'http://a/','headers':{'a b':'c'}}", "bad_name /nodes/1/data/headers");
    CHECK("{'url':'http://a/','headers':{'Host':'c'}}", "reserved /nodes/1/data/headers");
    CHECK("{'url':'http://a/','headers':{'A':[1]}}", "type /nodes/1/data/headers/A");
    CHECK("{'url':'http://a/','headers':7}", "type /nodes/1/data/headers");
    CHECK("{'url':'http://a/','auth':{'type':'bearer'}}", "required /nodes/1/data/auth/token");
    CHECK("{'url':'http://a/','auth':{'token':'x'}}", "not_used /nodes/1/data/auth/token");
    CHECK("{'url':'http://a/','auth':{'type':'header','header':'Host','value':'x'}}",
          "bad_name /nodes/1/data/auth/header");
    CHECK("{'url':'http://a/','redirects':11}", "range /nodes/1/data/redirects");
    CHECK("{'url':'http://a/','max_response':'1GiB'}", "range /nodes/1/data/max_response");
}

TEST(api_call_effects_go_by_its_method)
{
    WfProblems problems = {0};
    struct wf_def *def;

    t_expect_ok(t_node_def("api-call", "{'url':'http://a/'}", &problems, &def));
    t_expect_int(wf_node_effects(&def->nodes[1]), WF_IDEMPOTENT);
    t_expect_ok(t_node_def("api-call", "{'url':'http://a/','method':'POST'}", &problems, &def));
    t_expect_int(wf_node_effects(&def->nodes[1]), WF_EXTERNAL);
}

TEST_FIBER(webhook_is_signed_as_standard_webhooks)
{
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    Str key, id, at, signature, line, rest;

    begin((struct script){0});
    Str out = result("webhook",
                     "{'url':'URL/hook','secret':'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',"
                     "'payload':{'text':'{{ t }}'},'headers':{'X-Team':'a'}}",
                     "{'t':'\xc3\xa4'}");
    end();
    t_expect(saw("POST /hook HTTP/1.1") && saw("Content-Type: application/json") &&
             saw("X-Team: a"));
    t_expect_str(str_c(seen_body), S("{\"text\":\"\xc3\xa4\"}"));
    id = at = signature = S("");
    for (rest = str_c(seen_head); rest.p;) {
        rest = str_cut(rest, '\n', &line);
        if (str_starts_nocase(line, S("webhook-id:")))
            id = str_trim(str_skip(line, 11));
        if (str_starts_nocase(line, S("webhook-timestamp:")))
            at = str_trim(str_skip(line, 18));
        if (str_starts_nocase(line, S("webhook-signature:")))
            signature = str_trim(str_skip(line, 18));
    }
    t_expect_str(id, S("run-1:n"));
    t_expect_ok(signature_key(t_arena(), str_c(secret), &key));
    t_expect(signature_matches(t_arena(), key, id, at, str_c(seen_body), signature));
    HAS(out, "{\"status\":200,\"id\":\"run-1:n\",\"body\":{\"ok\":[1,2]}}");
}

TEST_FIBER(webhook_failures)
{
    begin((struct script){.answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"});
    Str down = result("webhook", "{'url':'URL/','payload':1}", "{}");
    bool unsigned_call = !saw("webhook-signature") && saw("webhook-id");
    end();
    t_expect(unsigned_call);
    t_expect(str_starts(down, S("E_UNAVAILABLE: ")));

    begin(
        (struct script){.answer = "HTTP/1.1 301 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"});
    Str moved = result("webhook", "{'url':'URL/','payload':1}", "{}");
    unsigned n = atomic_load(&server.n_requests);
    end();
    t_expect_int(n, 1);
    HAS(moved, "E_INVALID: 127.0.0.1 answered 301 Moved Permanently to node n: redirects are not");

    begin((struct script){.answer = "HTTP/1.1 204 No Content\r\n\r\n"});
    Str empty = result("webhook", "{'url':'URL/','payload':1}", "{}");
    end();
    HAS(empty, "{\"status\":204,\"id\":\"run-1:n\",\"body\":\"\"}");
}

TEST(webhook_settings_and_defaults)
{
    WfProblems problems = {0};
    struct wf_def *def;

    t_expect_str(t_node_problem("webhook", "{'url':'http://a/'}"),
                 S("required /nodes/1/data/payload"));
    t_expect_str(t_node_problem("webhook", "{'url':'http://a/','payload':1,'secret':'whsec_!'}"),
                 S("bad_secret /nodes/1/data/secret"));
    t_expect_str(
        t_node_problem("webhook", "{'url':'http://a/','payload':1,'headers':{'Webhook-Id':'x'}}"),
        S("reserved /nodes/1/data/headers"));
    t_expect_ok(t_node_def("webhook", "{'url':'http://a/','payload':null}", &problems, &def));
    const struct wf_node *node = &def->nodes[1];
    t_expect_int(node->retry.max_attempts, 5);
    t_expect(node->retry.exponential && node->retry.delay == USEC_S);
    t_expect_int(node->retry.on, WF_RETRY_USUAL);
    t_expect_int(node->timeout, 30 * USEC_S);
}
