/* src/net/static_test.c - embedded files: forms, validators, ranges. */
#include "net/static.h"
#include "net/test_talk.h"

static const struct static_file files[] = {
    {"/index.html", "text/html; charset=utf-8", "i1", false, S_INIT("<html>index</html>"),
     S_INIT("gz-index"), S_INIT("br-index")},
    {"/assets/app-abc.js", "text/javascript", "a1", true, S_INIT("0123456789"), {0}, {0}},
    {"/empty.txt", "text/plain", "e1", false, S_INIT(""), {0}, {0}},
    {0},
};

static Err get_file(struct req *req, struct res *res)
{
    return static_serve(files, "/index.html", req, res);
}

static const struct route routes[] = {{0}};

static Str get(const struct t_site *site, const char *method, const char *path, const char *fields)
{
    return t_talk(site,
                  str_fmt(t_arena(), "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n",
                          method, path, fields));
}

static void start(struct t_site *site)
{
    t_site_start(site, routes, &(struct http_server_options){.fallback = get_file});
}

TEST_FIBER(static_files_come_in_the_form_the_client_likes)
{
    struct t_site site;
    start(&site);
    Str a = get(&site, "GET", "/index.html", "");
    t_expect_str(t_body(a), S("<html>index</html>"));
    t_expect_str(t_field(a, "etag"), S("\"i1\""));
    t_expect_str(t_field(a, "vary"), S("Accept-Encoding"));
    t_expect_str(t_field(a, "cache-control"), S("no-cache"));
    t_expect(str_find(t_field(a, "content-security-policy"), S("default-src 'self'")) != SIZE_MAX);
    t_expect(str_find(t_field(a, "content-security-policy"), S("unsafe-inline")) == SIZE_MAX);
    t_expect(t_field(a, "content-encoding").p == NULL);
    a = get(&site, "GET", "/index.html", "Accept-Encoding: gzip, br\r\n");
    t_expect_str(t_field(a, "content-encoding"), S("br"));
    t_expect_str(t_field(a, "etag"), S("\"i1-br\""));
    t_expect_str(t_body(a), S("br-index"));
    a = get(&site, "GET", "/index.html", "Accept-Encoding: br;q=0.5, gzip\r\n");
    t_expect_str(t_field(a, "content-encoding"), S("gzip"));
    a = get(&site, "GET", "/index.html", "Accept-Encoding: br;q=0, gzip;q=0\r\n");
    t_expect_str(t_body(a), S("<html>index</html>"));
    a = get(&site, "GET", "/index.html", "Accept-Encoding: gzip;q=0.2, identity\r\n");
    t_expect_str(t_body(a), S("<html>index</html>"));
    a = get(&site, "GET", "/index.html", "Accept-Encoding: *\r\n");
    t_expect_str(t_field(a, "content-encoding"), S("br"));
    a = get(&site, "GET", "/assets/app-abc.js", "Accept-Encoding: gzip, br\r\n");
    t_expect_str(t_body(a), S("0123456789"));
    t_expect_str(t_field(a, "cache-control"), S("public, max-age=31536000, immutable"));
    t_expect(t_field(a, "vary").p == NULL);
    t_site_stop(&site);
}

TEST_FIBER(static_files_stand_in_for_pages_of_the_console)
{
    struct t_site site;
    start(&site);
    t_expect_int(t_status(get(&site, "GET", "/", "")), 200);
    t_expect_str(t_body(get(&site, "GET", "/runs/some-id", "")), S("<html>index</html>"));
    t_expect_int(t_status(get(&site, "GET", "/assets/none.js", "")), 404);
    t_expect_int(t_status(get(&site, "GET", "/a.b/page", "")), 200);
    Str a = get(&site, "POST", "/index.html", "Content-Length: 0\r\n");
    t_expect_int(t_status(a), 405);
    t_expect_str(t_field(a, "allow"), S("GET, HEAD"));
    a = get(&site, "HEAD", "/empty.txt", "");
    t_expect_int(t_status(a), 200);
    t_expect_str(t_field(a, "content-length"), S("0"));
    a = get(&site, "HEAD", "/assets/app-abc.js", "");
    t_expect_str(t_field(a, "content-length"), S("10"));
    t_expect_str(t_body(a), S(""));
    t_site_stop(&site);
}

TEST_FIBER(static_files_are_not_sent_again_to_who_has_them)
{
    struct t_site site;
    start(&site);
    Str a = get(&site, "GET", "/index.html", "If-None-Match: \"x\", W/\"i1\"\r\n");
    t_expect_int(t_status(a), 304);
    t_expect_str(t_body(a), S(""));
    t_expect_str(t_field(a, "etag"), S("\"i1\""));
    t_expect(t_field(a, "content-length").p == NULL);
    t_expect_int(t_status(get(&site, "GET", "/index.html", "If-None-Match: *\r\n")), 304);
    t_expect_int(t_status(get(&site, "GET", "/index.html",
                              "If-None-Match: \"i1\"\r\nAccept-Encoding: br\r\n")),
                 200);
    t_expect_int(t_status(get(&site, "GET", "/index.html", "If-None-Match: i1\r\n")), 200);
    t_site_stop(&site);
}

TEST_FIBER(static_files_are_served_in_single_ranges)
{
    static const struct {
        const char *fields;
        int status;
        const char *body, *range;
    } cases[] = {
        {"Range: bytes=2-4\r\n", 206, "234", "bytes 2-4/10"},
        {"Range: bytes=7-\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=-3\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=-30\r\n", 206, "0123456789", "bytes 0-9/10"},
        {"Range: bytes=0-0\r\n", 206, "0", "bytes 0-0/10"},
        {"Range: bytes=5-500\r\n", 206, "56789", "bytes 5-9/10"},
        {"Range: bytes=10-\r\n", 416, NULL, "bytes */10"},
        {"Range: bytes=-0\r\n", 416, NULL, "bytes */10"},
        {"Range: bytes=4-2\r\n", 200, "0123456789", NULL},
        {"Range: bytes=0-1,3-4\r\n", 200, "0123456789", NULL},
        {"Range: bytes=x-\r\n", 200, "0123456789", NULL},
        {"Range: bytes=-\r\n", 200, "0123456789", NULL},
        {"Range: bytes=99999999999999999999-\r\n", 200, "0123456789", NULL},
        {"Range: lines=1-2\r\n", 200, "0123456789", NULL},
        {"Range: bytes=2-4\r\nIf-Range: \"a1\"\r\n", 206, "234", "bytes 2-4/10"},
        {"Range: bytes=2-4\r\nIf-Range: \"a0\"\r\n", 200, "0123456789", NULL},
        {"Range: bytes=2-4\r\nIf-Range: W/\"a1\"\r\n", 200, "0123456789", NULL},
    };
    struct t_site site;
    start(&site);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Str a = get(&site, "GET", "/assets/app-abc.js", cases[i].fields);
        if (t_status(a) != cases[i].status ||
            (cases[i].body && !str_eq(t_body(a), str_c(cases[i].body))) ||
            (t_field(a, "content-range").p != NULL) != (cases[i].range != NULL) ||
            (cases[i].range && !str_eq(t_field(a, "content-range"), str_c(cases[i].range))))
            t_fail(__FILE__, __LINE__, "%s gave %.*s", cases[i].fields, P(a));
    }
    t_expect_int(t_status(get(&site, "GET", "/empty.txt", "Range: bytes=0-\r\n")), 416);
    t_expect_int(t_status(get(&site, "HEAD", "/assets/app-abc.js", "Range: bytes=0-1\r\n")), 200);
    t_site_stop(&site);
}
