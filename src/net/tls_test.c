/* src/net/tls_test.c - the server under TLS: answers, certificate reload, what is refused. */
#include "net/http_client.h"
#include "net/test_talk.h"
#include "net/tls.h"
#include "rt/work.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

static Str in_dir(const char *name)
{
    return str_fmt(t_arena(), "%s/%s", t_dir(), name);
}

static void write_pem(Str path, X509 *cert, EVP_PKEY *key)
{
    FILE *f = fopen(str_dup_c(t_arena(), path), "w");
    if (!f || (cert && !PEM_write_X509(f, cert)) ||
        (key && !PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)) || fclose(f))
        DIE("cannot write %.*s", P(path));
}

/* A certificate of its own authority for 127.0.0.1 with serial number @serial. */
static void make_pair(Str cert_file, Str key_file, long serial)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_EXTENSION *alt =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(cert, alt, -1);
    X509_add_ext(cert, ca, -1);
    X509_EXTENSION_free(alt);
    X509_EXTENSION_free(ca);
    X509_sign(cert, key, EVP_sha256());
    write_pem(cert_file, cert, NULL);
    write_pem(key_file, NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static Err get_hello(struct req *req, struct res *res)
{
    return res_send(res, 200, S("text/plain"), req->tls ? S("hello over TLS") : S("plain"));
}

static Err get_large(struct req *req, struct res *res)
{
    char *p = arena_bytes(req->a, 2000000);
    memset(p, 'L', 2000000);
    TRY(res_begin(res, 200, S("text/plain")));
    TRY(res_write(res, str_from(p, 2000000)));
    return res_end(res);
}

static Err post_echo(struct req *req, struct res *res)
{
    Str body;
    TRY(req_body(req, &body));
    return res_send(res, 200, S("text/plain"), body);
}

static const struct route routes[] = {
    {HTTP_GET, "/hello", get_hello},
    {HTTP_GET, "/large", get_large},
    {HTTP_POST, "/echo", post_echo, .max_body = 4 << 20},
    {0},
};

static void start(struct t_site *site)
{
    make_pair(in_dir("cert.pem"), in_dir("key.pem"), 1);
    t_site_start(site, routes,
                 &(struct http_server_options){.tls_cert = in_dir("cert.pem"),
                                               .tls_key = in_dir("key.pem"),
                                               .header_timeout = 300 * USEC_MS});
}

static Err fetch(const struct t_site *site, const char *path, Str body, Str ca,
                 struct http_reply *ret)
{
    struct http_call call = {
        .method = body.p ? HTTP_POST : HTTP_GET,
        .url = str_fmt(t_arena(), "https://127.0.0.1:%d%s", site->port, path),
        .body = body,
        .ca_file = ca,
    };
    return http_fetch(t_arena(), &call, ret);
}

TEST_FIBER(tls_server_answers_its_clients)
{
    struct t_site site;
    struct http_reply reply;
    start(&site);
    t_expect_ok(fetch(&site, "/hello", (Str){0}, in_dir("cert.pem"), &reply));
    t_expect_int(reply.status, 200);
    t_expect_str(reply.body, S("hello over TLS"));
    t_expect_ok(fetch(&site, "/large", (Str){0}, in_dir("cert.pem"), &reply));
    t_expect_int(reply.body.n, 2000000);
    char *p = arena_bytes(t_arena(), 3000000);
    memset(p, 'E', 3000000);
    t_expect_ok(fetch(&site, "/echo", str_from(p, 3000000), in_dir("cert.pem"), &reply));
    t_expect(str_eq(reply.body, str_from(p, 3000000)));
    t_expect_err(fetch(&site, "/hello", (Str){0}, S(""), &reply), E_CONNECT);
    http_client_close_idle();
    t_site_stop(&site);
}

TEST_FIBER(tls_server_drops_what_is_no_handshake)
{
    struct t_site site;
    start(&site);
    int plain = t_fd_open(&site), silent = t_fd_open(&site);
    t_fd_send(plain, S("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"));
    t_expect(t_fd_closed(plain, 2000));
    t_expect(t_fd_closed(silent, 2000)); /* the header deadline */
    t_fd_close(plain);
    t_fd_close(silent);
    t_site_stop(&site);
}

/* ---- a blocking client that tells which certificate it saw ---- */

struct look {
    uint16_t port;
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    long serial;
    char alpn[16];
    char answer[900];
};

static Err look_open(void *arg)
{
    struct look *l = arg;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(l->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const unsigned char *alpn;
    unsigned n;

    l->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(l->fd, (struct sockaddr *)&sa, sizeof sa))
        return err_set(E_CONNECT, "connect");
    l->ctx = SSL_CTX_new(TLS_client_method());
    l->ssl = SSL_new(l->ctx);
    SSL_set_fd(l->ssl, l->fd);
    SSL_set_alpn_protos(l->ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    if (SSL_connect(l->ssl) != 1)
        return err_set(E_CONNECT, "handshake");
    X509 *cert = SSL_get1_peer_certificate(l->ssl);
    l->serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
    X509_free(cert);
    SSL_get0_alpn_selected(l->ssl, &alpn, &n);
    snprintf(l->alpn, sizeof l->alpn, "%.*s", (int)n, alpn ? (const char *)alpn : "");
    return OK;
}

static Err look_ask(void *arg)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";
    struct look *l = arg;
    int n;

    if (SSL_write(l->ssl, request, sizeof request - 1) <= 0)
        return err_set(E_CLOSED, "write");
    n = SSL_read(l->ssl, l->answer, sizeof l->answer - 1);
    l->answer[n > 0 ? n : 0] = 0;
    return OK;
}

static void look_close(struct look *l)
{
    SSL_free(l->ssl);
    SSL_CTX_free(l->ctx);
    close(l->fd);
}

TEST_FIBER_ON(2, tls_server_takes_a_new_certificate_for_new_connections)
{
    struct t_site site;
    start(&site);
    struct look old = {.port = site.port}, young = old, last = old;
    t_expect_ok(work_run(look_open, &old));
    t_expect_int(old.serial, 1);
    t_expect_str(str_c(old.alpn), S("http/1.1"));
    make_pair(in_dir("cert.pem"), in_dir("key.pem"), 2);
    t_expect_ok(http_server_reload_tls(site.server));
    t_expect_ok(work_run(look_open, &young));
    t_expect_int(young.serial, 2);
    t_expect_ok(work_run(look_ask, &old));
    t_expect(strstr(old.answer, "hello over TLS") != NULL);

    /* A pair that does not fit leaves everything as it is. */
    make_pair(in_dir("cert.pem"), in_dir("other.pem"), 3);
    t_expect_err(http_server_reload_tls(site.server), E_INVALID);
    t_expect_ok(work_run(look_open, &last));
    t_expect_int(last.serial, 2);
    look_close(&old);
    look_close(&young);
    look_close(&last);
    t_site_stop(&site);
}

TEST_FIBER(tls_server_names_the_file_that_is_wrong)
{
    struct http_server *s;
    struct http_server_options o = {.host = S("127.0.0.1"), .tls_cert = in_dir("none.pem")};
    t_expect_err(http_server_new(&o, &s), E_INVALID);
    o.tls_key = in_dir("none.pem");
    t_expect_err(http_server_new(&o, &s), E_INVALID);
    t_expect(strstr(err_client_text(E_INVALID), "none.pem") != NULL);
    make_pair(in_dir("cert.pem"), in_dir("key.pem"), 1);
    make_pair(in_dir("cert2.pem"), in_dir("key2.pem"), 2);
    o.tls_cert = in_dir("cert.pem");
    o.tls_key = in_dir("key2.pem");
    t_expect_err(http_server_new(&o, &s), E_INVALID);
    t_expect(strstr(err_client_text(E_INVALID), "does not belong") != NULL);
}

static void write_locked_key(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(str_dup_c(t_arena(), in_dir(name)), "w");

    if (!f ||
        !PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"pass", 4, NULL,
                              NULL) ||
        fclose(f))
        DIE("cannot write %s", name);
    EVP_PKEY_free(key);
}

TEST(tls_pair_check_tells_what_is_wrong_with_which_file)
{
    static const struct {
        const char *cert, *key;
        bool of_key;
        const char *why;
    } cases[] = {
        {"none.pem", "key.pem", false, "cannot be opened: No such file or directory. Check the"},
        {"cert.pem", "none.pem", true, "private key file"},
        {".", "key.pem", false, "is no file"},
        {"key.pem", "key.pem", false, "is not in PEM form"},
        {"cert.pem", "cert.pem", true, "\"-----BEGIN PRIVATE KEY-----\""},
        {"cert.pem", "key2.pem", true, "does not belong to the certificate"},
        {"cert.pem", "locked.pem", true, "is locked by a passphrase"},
    };
    bool of_key;

    make_pair(in_dir("cert.pem"), in_dir("key.pem"), 1);
    make_pair(in_dir("cert2.pem"), in_dir("key2.pem"), 2);
    write_locked_key("locked.pem");
    t_expect_ok(tls_pair_check(in_dir("cert.pem"), in_dir("key.pem"), &of_key));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        t_expect_err(tls_pair_check(in_dir(cases[i].cert), in_dir(cases[i].key), &of_key),
                     E_INVALID);
        t_expect(of_key == cases[i].of_key);
        t_expect(strstr(err_client_text(E_INVALID), cases[i].why) != NULL);
    }
}
