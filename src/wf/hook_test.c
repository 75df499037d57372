/* src/wf/hook_test.c - who may call a webhook, what bodies become, what templates see of the
 * request. */
#include "base/buf.h"
#include "base/crypto.h"
#include "net/signature.h"
#include "wf/hook.h"
#include "wf/test_node.h"

static const Usec NOW = 1795000000 * USEC_S;

/* A definition whose trigger has @webhook. */
static struct wf_def *hook_def(const char *webhook)
{
    WfProblems problems = {0};
    struct wf_def *def = NULL;
    Str text = str_fmt(t_arena(),
                       "{'heddle':1,'name':'x','nodes':[{'id':'t','type':'trigger','data':"
                       "{'trigger':'webhook','webhook':%s}}]}",
                       webhook);

    if (t_def(str_dup_c(t_arena(), text), &problems, &def) != OK)
        t_fail(__FILE__, __LINE__, "%s: %s", webhook, err_client_text(E_INVALID));
    return def;
}

struct call {
    HttpHeaders headers;
    const char *method, *query, *body;
};

static void header(struct call *c, const char *name, Str value)
{
    http_header_add(t_arena(), &c->headers, str_c(name), value);
}

static Err call(const char *webhook, const struct call *c, struct json **ret_input,
                struct json **ret_request)
{
    const struct wf_def *def = hook_def(webhook);
    const struct wf_hook_request in = {str_c(c->method ? c->method : "POST"), &c->headers,
                                       str_c(c->query), str_c(c->body), NOW};
    struct json *input, *request;

    TRY(wf_hook_read(t_arena(), def, &in, ret_input ? ret_input : &input,
                     ret_request ? ret_request : &request));
    return OK;
}

TEST(hook_method_must_be_the_one_set)
{
    struct call get = {.method = "GET"}, post = {.method = "POST"};

    t_expect_ok(call("{}", &post, NULL, NULL));
    t_expect_err(call("{}", &get, NULL, NULL), E_METHOD);
    t_expect_ok(call("{'method':'GET'}", &get, NULL, NULL));
    t_expect_ok(call("{'method':'ANY'}", &get, NULL, NULL));
    t_expect_int(wf_hook_answer(hook_def("{}")), WF_HOOK_AT_ONCE);
    t_expect_int(wf_hook_answer(hook_def("{'respond':'result'}")), WF_HOOK_RESULT);
    t_expect_int(wf_hook_answer(hook_def("{'respond':'stream'}")), WF_HOOK_STREAM);
    t_expect(wf_hook_is_set(hook_def("{}")));
}

TEST(hook_header_secret_is_checked)
{
    static const char hook[] = "{'auth':'header','header':'X-My-Key','secret':'s3cret'}";
    struct call right = {0}, wrong = {0}, none = {0};

    header(&right, "x-my-key", S("s3cret"));
    header(&wrong, "x-my-key", S("s3creT"));
    t_expect_ok(call(hook, &right, NULL, NULL));
    t_expect_err(call(hook, &wrong, NULL, NULL), E_UNAUTHORIZED);
    t_expect_err(call(hook, &none, NULL, NULL), E_UNAUTHORIZED);
    char detail[ERR_TEXT_MAX];
    snprintf(detail, sizeof detail, "%s", err_record()->detail);
    t_expect_err(call(hook, &wrong, NULL, NULL), E_UNAUTHORIZED);
    t_expect_str(str_c(err_record()->detail), str_c(detail)); /* wrong or missing: the same words */
    t_expect(!strstr(detail, "s3c") && detail[0]);
}

TEST(hook_bearer_and_basic_are_checked)
{
    static const char bearer[] = "{'auth':'bearer','secret':'tok en'}",
                      basic[] = "{'auth':'basic','user':'ada','secret':'p:w'}";
    struct call c = {0};

    header(&c, "Authorization", S("bearer tok en"));
    t_expect_ok(call(bearer, &c, NULL, NULL));
    t_expect_err(call(basic, &c, NULL, NULL), E_UNAUTHORIZED);
    c.headers.at[0].value = S("Bearer");
    t_expect_err(call(bearer, &c, NULL, NULL), E_UNAUTHORIZED);
    c.headers.at[0].value = S("Basic YWRhOnA6dw==");
    t_expect_ok(call(basic, &c, NULL, NULL));
    c.headers.at[0].value = S("Basic YWRhOnA6dw");
    t_expect_err(call(basic, &c, NULL, NULL), E_UNAUTHORIZED);
    c.headers.at[0].value = S("Basic YWRhOnB3");
    t_expect_err(call(basic, &c, NULL, NULL), E_UNAUTHORIZED);
}

/* A call signed at @offset from now. */
static struct call signed_call(Str key, const char *body, Usec offset)
{
    struct call c = {.body = body};
    Str at = str_fmt(t_arena(), "%lld", (long long)((NOW + offset) / USEC_S));

    header(&c, "webhook-id", S("msg_1"));
    header(&c, "webhook-timestamp", at);
    header(&c, "webhook-signature", signature_make(t_arena(), key, S("msg_1"), at, str_c(body)));
    return c;
}

TEST(hook_standard_webhooks_signature_is_checked)
{
    static const char hook[] = "{'auth':'hmac','secret':'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'}";
    struct json *input;
    Str key;

    t_expect_ok(signature_key(t_arena(), S("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key));
    struct call c = signed_call(key, "{\"a\":1}", 0);
    header(&c, "content-type", S("application/json"));
    t_expect_ok(call(hook, &c, &input, NULL));
    t_expect(json_equal(input, t_json("{'a':1}")));
    c.body = "{\"a\":2}";
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
    c = signed_call(key, "x", 299 * USEC_S);
    t_expect_ok(call(hook, &c, NULL, NULL));
    c = signed_call(key, "x", 302 * USEC_S);
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
    c = signed_call(key, "x", -302 * USEC_S);
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
    c = signed_call(key, "x", 0);
    c.headers.at[1].value = S("soon");
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
    c = signed_call(key, "x", 0);
    c.headers.at[0].value = S("");
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
    c = signed_call(S("other"), "x", 0);
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
}

TEST(hook_tells_deliveries_by_the_id_that_is_signed)
{
    const struct wf_def *plain = hook_def("{}");
    const struct wf_def *svix = hook_def("{'auth':'hmac','secret':'s','signature_header':"
                                         "'svix-signature','timestamp_header':'svix-timestamp'}");
    struct call c = {0};

    t_expect_str(wf_hook_delivery(t_arena(), plain, &c.headers), S(""));
    header(&c, "idempotency-key", S("key"));
    t_expect_str(wf_hook_delivery(t_arena(), plain, &c.headers), S("key"));
    t_expect_str(wf_hook_delivery(t_arena(), svix, &c.headers), S(""));
    header(&c, "webhook-id", S("made up"));
    header(&c, "svix-id", S("signed"));
    t_expect_str(wf_hook_delivery(t_arena(), plain, &c.headers), S("made up"));
    t_expect_str(wf_hook_delivery(t_arena(), svix, &c.headers), S("signed"));
}

TEST(hook_body_signature_is_checked_as_github_sends_it)
{
    /* The example of GitHub's documents. */
    static const char hook[] = "{'auth':'hmac','secret':'It\\u0027s a Secret to Everybody',"
                               "'signature_header':'X-Hub-Signature-256','timestamp_header':''}";
    struct call c = {.body = "Hello, World!"};

    header(&c, "x-hub-signature-256",
           S("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"));
    header(&c, "content-type", S("text/plain"));
    t_expect_ok(call(hook, &c, NULL, NULL));
    c.headers.at[0].value = str_skip(c.headers.at[0].value, 7);
    t_expect_ok(call(hook, &c, NULL, NULL));
    c.headers.at[0].value = S("sha256=757107ea");
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
    c.headers.at[0].value = S("sha256=zz");
    t_expect_err(call(hook, &c, NULL, NULL), E_UNAUTHORIZED);
}

/* The input made of @body of @type, as text; or the error. */
static Str input_of(const char *type, const char *body)
{
    struct call c = {.body = body, .query = "q=1&q=2&r=%C3%A4"};
    struct json *input;

    if (type)
        header(&c, "Content-Type", str_c(type));
    Err e = call("{}", &c, &input, NULL);
    return e == OK ? json_text(t_arena(), input) : str_c(err_name(e));
}

TEST(hook_bodies_become_the_input)
{
    t_expect_str(input_of("application/json", "{\"a\":[1]}"), S("{\"a\":[1]}"));
    t_expect_str(input_of("application/vnd.x+json; charset=UTF-8", "7"), S("7"));
    t_expect_str(input_of("application/x-www-form-urlencoded", "a=1&b=x+y&a=%32&c"),
                 S("{\"a\":[\"1\",\"2\"],\"b\":\"x y\",\"c\":\"\"}"));
    t_expect_str(input_of("text/plain", "hi {"), S("\"hi {\""));
    t_expect_str(input_of("application/xml", "<a/>"), S("\"<a/>\""));
    t_expect_str(input_of(NULL, "{\"a\":1}"), S("{\"a\":1}"));
    t_expect_str(input_of(NULL, "plain"), S("\"plain\""));
    t_expect_str(input_of(NULL, ""), S("{\"q\":[\"1\",\"2\"],\"r\":\"\xc3\xa4\"}"));
}

#define PART(name, data) "--x\r\ncontent-disposition: form-data; name=" name "\r\n\r\n" data "\r\n"

TEST(hook_multipart_fields_and_files_become_the_input)
{
    static const char type[] = "multipart/form-data; boundary=x";

    t_expect_str(
        input_of(type, PART("a", "1") PART("\"b c\"", "x=%20") PART("a", "\xc3\xa4") "--x--"),
        S("{\"a\":[\"1\",\"\xc3\xa4\"],\"b c\":\"x=%20\"}"));
    t_expect_str(input_of(type,
                          PART("f; filename=\"C:\\\\a.bin\"\r\nContent-Type: x/y", "\xff\xfe")
                              PART("f; filename=two", "hi") PART("g; filename=\"\"", "") "--x--"),
                 S("{\"f\":[{\"name\":\"a.bin\",\"type\":\"x/y\",\"size\":2,\"data\":\"//4=\"},"
                   "{\"name\":\"two\",\"type\":\"application/octet-stream\",\"size\":2,\"data\":"
                   "\"aGk=\"}]}"));
    t_expect_str(input_of(type, "--x--"), S("{}"));
}

/* @n times @part. */
static const char *times(int n, const char *part)
{
    AUTO_BUF(b, MIB(1));

    for (int i = 0; i < n; i++)
        buf_add_c(&b, part);
    buf_add_c(&b, "--x--");
    return str_dup_c(t_arena(), buf_str(&b));
}

TEST(hook_multipart_bodies_have_a_bounded_number_of_parts_and_files)
{
    static const char type[] = "multipart/form-data; boundary=x";

    t_expect(str_starts(input_of(type, times(1000, PART("a", "1"))), S("{\"a\":[\"1\",")));
    t_expect_str(input_of(type, times(1001, PART("a", "1"))), S("E_TOO_LARGE"));
    t_expect(str_starts(input_of(type, times(100, PART("f;filename=n", "1"))), S("{\"f\":[{")));
    t_expect_str(input_of(type, times(101, PART("f;filename=n", "1"))), S("E_TOO_LARGE"));
}

TEST(hook_bodies_that_cannot_be_read_are_refused)
{
    t_expect_str(input_of("application/json", "{"), S("E_SYNTAX"));
    t_expect_str(input_of("application/json; charset=utf-16", "{}"), S("E_MEDIA_TYPE"));
    t_expect_str(input_of("application/x-www-form-urlencoded", "a=%zz"), S("E_SYNTAX"));
    t_expect_str(input_of("multipart/mixed; boundary=x", "--x--"), S("E_MEDIA_TYPE"));
    t_expect_str(input_of("multipart/form-data", "--x--"), S("E_SYNTAX"));
    t_expect_str(input_of("multipart/form-data; boundary=x", "--x"), S("E_SYNTAX"));
    t_expect_str(input_of("multipart/form-data; boundary=x", PART("'a'", "\xff") "--x--"),
                 S("E_BAD_INPUT"));
    t_expect_str(input_of("image/png", "x"), S("E_MEDIA_TYPE"));
    t_expect_str(input_of("text/plain", "\xff"), S("E_BAD_INPUT"));
    t_expect_str(input_of(NULL, "\xff"), S("E_BAD_INPUT"));
}

TEST(hook_json_that_is_too_deep_is_refused)
{
    char deep[301];

    memset(deep, '[', 150);
    memset(deep + 150, ']', 150);
    deep[300] = 0;
    t_expect_str(input_of("application/json", deep), S("E_TOO_LARGE"));
}

TEST(hook_request_shows_no_credentials)
{
    struct call c = {.query = "token=public", .body = "{}"};
    struct json *request;

    header(&c, "Authorization", S("Bearer x"));
    header(&c, "X-My-Key", S("s3cret"));
    header(&c, "Cookie", S("a=b"));
    header(&c, "X-Gitlab-Token", S("x"));
    header(&c, "X-API-Key", S("x"));
    header(&c, "Webhook-Signature", S("x"));
    header(&c, "Content-Type", S("application/json"));
    header(&c, "X-Trace", S("1"));
    header(&c, "x-trace", S("2"));
    t_expect_ok(
        call("{'auth':'header','header':'X-My-Key','secret':'s3cret'}", &c, NULL, &request));
    t_expect_str(json_text(t_arena(), request),
                 S("{\"method\":\"POST\",\"headers\":{\"content-type\":\"application/json\","
                   "\"x-trace\":\"1, 2\"},\"query\":{\"token\":\"public\"}}"));
}
