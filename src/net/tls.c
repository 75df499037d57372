/* src/net/tls.c - TLS for struct sock with OpenSSL, over a BIO of our own.
 *
 * The BIO reads straight from the shard's read buffer and writes into the shard's scratch, so that
 * a quiet connection holds nothing but OpenSSL's own state (its record buffers are released when
 * empty).
 */
#include "net/tls.h"

#include "base/arena.h"
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

struct tls {
    SSL *ssl;
    struct sock *s;
    const char *in; /* ciphertext not yet taken by the BIO */
    size_t in_n;
    char *error; /* on the heap, NULL until something failed */
    bool ready, failed, ended;
};

/* The settings are OpenSSL's own object: it counts references safely on any thread. */
static SSL_CTX *ctx_ssl(struct tls_ctx *ctx)
{
    return (SSL_CTX *)(void *)ctx;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx)
{
    SSL_CTX_up_ref(ctx_ssl(ctx));
    return ctx;
}

void tls_ctx_unref(struct tls_ctx *ctx)
{
    SSL_CTX_free(ctx_ssl(ctx));
}

/* The first reason in OpenSSL's queue, which is emptied. */
static const char *ssl_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text ? text : "unknown failure";
}

/* ---- settings ---- */

static const unsigned char alpn_http11[] = "\x08http/1.1";

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    (void)ssl, (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_n, alpn_http11, sizeof alpn_http11 - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301: no protocol in common */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_ctx(const SSL_METHOD *method)
{
    SSL_CTX *c = SSL_CTX_new(method);
    if (!c)
        DIE("SSL_CTX_new: %s", ssl_reason());
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(c, 0);
    return c;
}

/* That @file can be read; OpenSSL itself does not say why it cannot. */
static Err check_file(const char *what, const char *file)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return err_detail(
            E_INVALID, "The %s file %.200s cannot be opened: %s. %s", what, file, strerror(errno),
            errno == EACCES ? "Let the user that runs Heddle read it." : "Check the path.");
    bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    close(fd);
    return is_file ? OK
                   : err_detail(E_INVALID, "The %s file %.200s is no file. Check the path.", what,
                                file);
}

static Err no_pem(const char *what, const char *file, const char *label)
{
    return err_detail(
        E_INVALID,
        "The %s file %.200s is not in PEM form (%s). It must hold a block that begins "
        "with \"-----BEGIN %s-----\".",
        what, file, ssl_reason(), label);
}

static Err load_cert(SSL_CTX *c, const char *file)
{
    TRY(check_file("certificate", file));
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(c, file) != 1)
        return no_pem("certificate", file, "CERTIFICATE");
    return OK;
}

/* Nobody is there to be asked for a passphrase. */
static int no_passphrase(char *out, int size, int writing, void *asked)
{
    (void)out, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static Err load_key(SSL_CTX *c, const char *file, const char *cert_file)
{
    bool asked = false;

    TRY(check_file("private key", file));
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(c, &asked);
    int loaded = SSL_CTX_use_PrivateKey_file(c, file, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(c, NULL);
    if (loaded == 1)
        return OK;
    if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH)
        return err_detail(E_INVALID,
                          "The private key %.120s does not belong to the certificate %.120s. Name "
                          "the key that the certificate was made with; the certificate must stand "
                          "first in its file.",
                          file, cert_file);
    if (asked)
        return err_detail(
            E_INVALID,
            "The private key file %.120s is locked by a passphrase. Write it without: "
            "openssl pkey -in %.120s -out unlocked.pem",
            file, file);
    return no_pem("private key", file, "PRIVATE KEY");
}

static Err load_pair(SSL_CTX *c, Str cert_file, Str key_file, bool *ret_of_key)
{
    AUTO(arena) *a = arena_new(KIB(16));
    const char *cert = str_dup_c(a, cert_file);

    *ret_of_key = false;
    TRY(load_cert(c, cert));
    *ret_of_key = true;
    return load_key(c, str_dup_c(a, key_file), cert);
}

Err tls_pair_check(Str cert_file, Str key_file, bool *ret_of_key)
{
    SSL_CTX *c = new_ctx(TLS_server_method());
    Err e = load_pair(c, cert_file, key_file, ret_of_key);

    SSL_CTX_free(c);
    return e;
}

Err tls_ctx_server(Str cert_file, Str key_file, struct tls_ctx **ret_ctx)
{
    SSL_CTX *c = new_ctx(TLS_server_method());
    bool of_key;
    Err e = load_pair(c, cert_file, key_file, &of_key);
    if (e != OK) {
        SSL_CTX_free(c);
        return e;
    }
    SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
    SSL_CTX_set_num_tickets(c, 1);
    *ret_ctx = (struct tls_ctx *)(void *)c;
    return OK;
}

static Err load_anchors(SSL_CTX *c, Str ca_file)
{
    AUTO(arena) *a = arena_new(KIB(16));
    ERR_clear_error();
    if (SSL_CTX_set_default_verify_paths(c) != 1)
        return err_set(E_INVALID, "system trust anchors: %s", ssl_reason());
    if (ca_file.n && SSL_CTX_load_verify_locations(c, str_dup_c(a, ca_file), NULL) != 1)
        return err_detail(E_INVALID, "The authority file %.*s cannot be used: %s.", P(ca_file),
                          ssl_reason());
    return OK;
}

Err tls_ctx_client(Str ca_file, bool insecure, struct tls_ctx **ret_ctx)
{
    SSL_CTX *c = new_ctx(TLS_client_method());

    if (!insecure) {
        Err e = load_anchors(c, ca_file);
        if (e != OK) {
            SSL_CTX_free(c);
            return e;
        }
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    }
    SSL_CTX_set_alpn_protos(c, alpn_http11, sizeof alpn_http11 - 1);
    *ret_ctx = (struct tls_ctx *)(void *)c;
    return OK;
}

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *out, int n)
{
    struct tls *t = BIO_get_data(bio);
    size_t part = (size_t)n < t->in_n ? (size_t)n : t->in_n;

    BIO_clear_retry_flags(bio);
    if (part == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, t->in, part);
    t->in += part;
    t->in_n -= part;
    return (int)part;
}

static void flush(struct tls *t)
{
    struct sock_scratch *x = sock_scratch();
    size_t n = x->out_n;
    x->out_n = 0;
    sock_write_raw(t->s, x->out, n);
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct tls *t = BIO_get_data(bio);
    struct sock_scratch *x = sock_scratch();

    if (x->out_n + (size_t)n > sizeof x->out)
        flush(t);
    if ((size_t)n > sizeof x->out) {
        sock_write_raw(t->s, p, (size_t)n);
        return n;
    }
    memcpy(x->out + x->out_n, p, (size_t)n);
    x->out_n += (size_t)n;
    return n;
}

static long bio_ctrl(BIO *bio, int cmd, long larg, void *parg)
{
    (void)bio, (void)larg, (void)parg;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "heddle sock");
    if (!method || !BIO_meth_set_read(method, bio_read) || !BIO_meth_set_write(method, bio_write) ||
        !BIO_meth_set_ctrl(method, bio_ctrl) || !BIO_meth_set_create(method, bio_create))
        DIE("BIO_meth_new: %s", ssl_reason());
}

/* ---- a connection ---- */

static void expect_host(SSL *ssl, const char *host)
{
    unsigned char address[16];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
            DIE("cannot expect address %s", host);
        return;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
        DIE("cannot expect host %s", host);
}

struct tls *tls_new(struct tls_ctx *ctx, struct sock *s, const char *host)
{
    pthread_once(&method_once, make_method);
    struct tls *t = calloc(1, sizeof *t);
    BIO *bio = BIO_new(method);
    if (!t || !bio || !(t->ssl = SSL_new(ctx_ssl(ctx))))
        DIE("out of memory");
    t->s = s;
    BIO_set_data(bio, t);
    SSL_set_bio(t->ssl, bio, bio);
    if (host) {
        expect_host(t->ssl, host);
        SSL_set_connect_state(t->ssl);
    } else {
        SSL_set_accept_state(t->ssl);
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t->error);
    free(t);
}

static void keep_error(struct tls *t)
{
    char text[256];
    long verify = SSL_get_verify_result(t->ssl);
    const char *reason = ssl_reason();

    if (t->error)
        return;
    if (!t->ready && verify != X509_V_OK)
        snprintf(text, sizeof text, "the certificate was refused: %s",
                 X509_verify_cert_error_string(verify));
    else
        snprintf(text, sizeof text, "TLS: %s", reason);
    t->error = strdup(text);
}

/* Fatal: tell the owner by the event it waits for. */
static void fail(struct tls *t)
{
    struct sock *s = t->s;

    keep_error(t);
    t->failed = true;
    flush(t); /* the alert */
    if (t->ready) {
        sock_tell_end(s, E_CLOSED);
    } else if (!s->closing) {
        s->broken = true;
        sock_read_stop(s);
        if (s->ops->on_ready)
            s->ops->on_ready(s, E_CONNECT);
    }
}

static void handshake(struct tls *t)
{
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        flush(t);
        t->ready = true;
        if (!t->s->closing && t->s->ops->on_ready)
            t->s->ops->on_ready(t->s, OK);
        return;
    }
    int why = SSL_get_error(t->ssl, r);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        fail(t);
        return;
    }
    flush(t);
}

void tls_start(struct tls *t)
{
    handshake(t);
}

/* The kernel has no more bytes for us. */
static void input_end(struct tls *t)
{
    if (!t->error && !t->ended)
        t->error = strdup(t->ready ? "the peer closed the connection without TLS close_notify"
                                   : "the peer closed the connection during the TLS handshake");
    if (t->ready)
        sock_tell_end(t->s, t->ended ? E_EOF : E_CLOSED);
    else if (!t->failed)
        fail(t);
}

void tls_input(struct tls *t, const char *p, size_t n)
{
    struct sock_scratch *x = sock_scratch();
    struct sock *s = t->s;

    if (!p) {
        input_end(t);
        return;
    }
    t->in = p;
    t->in_n = n;
    if (!t->ready && !t->failed)
        handshake(t);
    while (t->ready && !t->failed && !t->ended && !s->closing) {
        ERR_clear_error();
        int r = SSL_read(t->ssl, x->plain, sizeof x->plain);
        if (r > 0) {
            s->ops->on_read(s, x->plain, (size_t)r);
            continue;
        }
        int why = SSL_get_error(t->ssl, r);
        if (why == SSL_ERROR_ZERO_RETURN) {
            t->ended = true;
            sock_tell_end(s, E_EOF);
        } else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            fail(t);
        }
        break;
    }
    t->in = NULL;
    t->in_n = 0;
    flush(t); /* answers to key updates */
}

Err tls_write(struct tls *t, const char *p, size_t n, size_t *ret_taken)
{
    struct sock_scratch *x = sock_scratch();
    size_t taken = 0;

    if (!t->ready || t->failed)
        return err_set(E_CLOSED, "write without a TLS session");
    while (taken < n && sock_queued(t->s) + x->out_n < SOCK_QUEUE_MAX) {
        size_t part = n - taken < sizeof x->plain ? n - taken : sizeof x->plain;
        ERR_clear_error();
        int r = SSL_write(t->ssl, p + taken, (int)part);
        if (r <= 0) {
            keep_error(t);
            t->failed = t->s->broken = true;
            flush(t);
            return err_set(E_CLOSED, "%s", t->error);
        }
        taken += (size_t)r;
        if (x->out_n >= sizeof x->out / 2)
            flush(t);
    }
    flush(t);
    if (t->s->broken)
        return err_set(E_CLOSED, "write: %s", sock_error(t->s));
    *ret_taken = taken;
    return OK;
}

void tls_shutdown(struct tls *t)
{
    if (!t->ready || t->failed)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl); /* sends close_notify; the peer's is not waited for */
    flush(t);
}

bool tls_ended(const struct tls *t)
{
    return t->ended;
}

const char *tls_error(const struct tls *t)
{
    return t->error;
}
