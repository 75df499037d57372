/* src/net/test_upstream.c - a server for tests: threads that speak raw bytes, over TCP or TLS. */
#include "net/test_upstream.h"
#include "base/arena.h"
#include "base/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 << 20 };

static void conn_close(struct t_conn *c)
{
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    shutdown(c->fd, SHUT_WR);
}

static void *conn_main(void *arg)
{
    struct t_conn *c = arg;

    if (c->upstream->ssl_ctx) {
        c->ssl = SSL_new(c->upstream->ssl_ctx);
        SSL_set_fd(c->ssl, c->fd);
    }
    if (!c->ssl || SSL_accept(c->ssl) == 1)
        c->upstream->serve(c);
    conn_close(c);
    atomic_fetch_add(&c->upstream->n_ended, 1);
    return NULL;
}

static void *accept_main(void *arg)
{
    struct t_upstream *u = arg;
    int one = 1;

    for (;;) {
        int fd = accept4(u->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return NULL;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct t_conn *c = calloc(1, sizeof *c);
        if (!c)
            DIE("out of memory");
        c->upstream = u;
        c->fd = fd;
        c->a = arena_new(MIB(64));
        c->index = atomic_fetch_add(&u->n_conns, 1);
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, KIB(256));
        pthread_mutex_lock(&u->lock);
        c->next = u->conns;
        u->conns = c;
        if (pthread_create(&c->thread, &attr, conn_main, c) != 0)
            DIE("no thread for a test connection");
        pthread_mutex_unlock(&u->lock);
        pthread_attr_destroy(&attr);
    }
}

static void listen_and_run(struct t_upstream *u)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;

    pthread_mutex_init(&u->lock, NULL);
    u->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (u->fd < 0 || bind(u->fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        listen(u->fd, 1024) != 0 || getsockname(u->fd, (struct sockaddr *)&sa, &n) != 0)
        DIE("cannot listen for a test");
    u->port = ntohs(sa.sin_port);
    if (pthread_create(&u->thread, NULL, accept_main, u) != 0)
        DIE("no thread for a test server");
}

void t_upstream_start(struct t_upstream *u, t_serve_fn *serve)
{
    *u = (struct t_upstream){.serve = serve, .arg = u->arg};
    listen_and_run(u);
}

void t_upstream_stop(struct t_upstream *u)
{
    struct t_conn *next;

    shutdown(u->fd, SHUT_RDWR);
    pthread_join(u->thread, NULL);
    close(u->fd);
    for (struct t_conn *c = u->conns; c; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
    for (struct t_conn *c = u->conns; c; c = next) {
        next = c->next;
        pthread_join(c->thread, NULL);
        close(c->fd);
        free(c->buf);
        arena_free(c->a);
        free(c);
    }
    SSL_CTX_free(u->ssl_ctx);
    pthread_mutex_destroy(&u->lock);
}

Str t_upstream_url(const struct t_upstream *u, const char *path)
{
    return str_fmt(t_arena(), "%s://127.0.0.1:%u%s", u->ssl_ctx ? "https" : "http", u->port, path);
}

/* ---- bytes ---- */

static ssize_t conn_read(struct t_conn *c, char *p, size_t n)
{
    return c->ssl ? SSL_read(c->ssl, p, (int)n) : recv(c->fd, p, n, 0);
}

bool t_conn_write(struct t_conn *c, Str s)
{
    while (s.n) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, s.p, (int)s.n) : send(c->fd, s.p, s.n, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        atomic_fetch_add(&c->upstream->bytes, n);
        s = str_skip(s, (size_t)n);
    }
    return true;
}

bool t_conn_write_c(struct t_conn *c, const char *s)
{
    return t_conn_write(c, str_c(s));
}

static bool more(struct t_conn *c)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 8192;
        if (c->cap > REQUEST_MAX || !(c->buf = realloc(c->buf, c->cap)))
            DIE("a test request is too large");
    }
    ssize_t n = conn_read(c, c->buf + c->n, c->cap - c->n);
    if (n <= 0)
        return false;
    c->n += (size_t)n;
    return true;
}

Str t_conn_header(const struct t_conn *c, const char *name)
{
    Str rest = c->head, line, key;

    while (rest.p) {
        rest = str_cut(rest, '\n', &line);
        Str value = str_cut(line, ':', &key);
        if (value.p && str_eq_nocase(key, str_c(name)))
            return str_trim(value);
    }
    return S("");
}

bool t_conn_request(struct t_conn *c)
{
    size_t used = c->head.n + c->body.n, end;
    int64_t length = 0;

    arena_reset(c->a);
    c->n -= used;
    if (c->n)
        memmove(c->buf, c->buf + used, c->n);
    c->head = c->body = (Str){0};
    while ((end = str_find((Str){c->buf, c->n}, S("\r\n\r\n"))) == SIZE_MAX)
        if (!more(c))
            return false;
    size_t head_n = end + 4;
    c->head = (Str){c->buf, head_n};
    if (str_to_i64(t_conn_header(c, "content-length"), &length) != OK)
        length = 0;
    c->head = (Str){0};
    while (c->n < head_n + (size_t)length)
        if (!more(c))
            return false;
    c->head = (Str){c->buf, head_n};
    c->body = (Str){c->buf + head_n, (size_t)length};
    atomic_fetch_add(&c->upstream->n_requests, 1);
    return true;
}

bool t_conn_answer(struct t_conn *c, int status, Str body)
{
    char head[128];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d OK\r\nContent-Length: %zu\r\n\r\n", status,
                     body.n);

    return t_conn_write(c, (Str){head, (size_t)n}) && t_conn_write(c, body);
}

bool t_conn_wait_end(struct t_conn *c, Usec span)
{
    Usec end = usec_in(span);
    char waste[1024];

    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        Usec left = end - time_mono();
        if (left <= 0 || poll(&p, 1, (int)(left / USEC_MS) + 1) <= 0)
            return false;
        if (recv(c->fd, waste, sizeof waste, 0) <= 0)
            return true;
    }
}

/* ---- certificates ---- */

static X509 *make_cert(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    char alt[256];
    uint8_t address[16];
    bool is_ip = inet_pton(AF_INET, name, address) == 1;

    snprintf(alt, sizeof alt, "%s:%s", is_ip ? "IP" : "DNS", name);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
    X509_EXTENSION *ext =
        issuer ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt)
               : X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    X509_sign(cert, issuer_key, EVP_sha256());
    return cert;
}

void t_upstream_start_tls(struct t_upstream *u, t_serve_fn *serve, const char *name,
                          const char *ca_file)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = make_cert(ca_key, "Test Authority", NULL, ca_key);
    X509 *cert = make_cert(key, name, ca, ca_key);
    FILE *f = fopen(ca_file, "w");

    if (!f || !PEM_write_X509(f, ca))
        DIE("cannot write %s", ca_file);
    fclose(f);
    *u = (struct t_upstream){.serve = serve, .arg = u->arg};
    u->ssl_ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(u->ssl_ctx, cert);
    SSL_CTX_use_PrivateKey(u->ssl_ctx, key);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    listen_and_run(u);
}
