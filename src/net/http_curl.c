/* src/net/http_curl.c - calls through libcurl: for what users configure.
 *
 * One multi handle for each shard, driven by the loop (multi_socket). libcurl neither resolves nor
 * follows redirects by itself: each hop is a call of its own, to addresses that egress.h has
 * checked, and every connection, new or reused, is checked once more where libcurl opens it or
 * sends on it. Only the fiber adds and removes its handle; the callbacks note what happened and
 * wake it. Since the fiber leaves only after the handle is removed, a call's state lives on its
 * stack.
 */
#include "net/http_client_private.h"
#include "rt/inject.h"
#include "rt/timer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>

enum { EASY_KEPT_MAX = 32, CONNS_KEPT = 64, ADDRS_MAX = 8, PROXY_MAX = 1024 };

/* Of one shard. */
struct engine {
    CURLM *multi;
    struct timer timer;
    CURL *easy[EASY_KEPT_MAX];
    size_t n_easy;
    size_t n_calls;
};

struct curl_socket {
    uv_poll_t poll;
    curl_socket_t fd;
};

struct curl_call {
    const struct http_job *j;
    CURL *easy;
    struct curl_slist *headers, *resolve;
    struct wait *waiter;
    bool done, via_proxy, headers_done, decoded;
    CURLcode result;
    unsigned sends; /* how often a request was about to go out */
    Usec last_byte;
    HttpHeaders reply_headers;
    size_t header_bytes;
    struct buf body;
    Err error; /* ours; before libcurl's */
    char why[256];
    char curl_text[CURL_ERROR_SIZE];
};

static _Thread_local struct engine *engine;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        DIE("curl_global_init failed");
}

/* ---- proxies ---- */

static pthread_mutex_t proxy_lock = PTHREAD_MUTEX_INITIALIZER;
static char proxy_url[PROXY_MAX], proxy_except[PROXY_MAX];

Err http_client_proxy(Str proxy, Str no_proxy)
{
    if (proxy.n >= PROXY_MAX || no_proxy.n >= PROXY_MAX)
        return err_detail(E_INVALID, "The proxy settings are longer than %d bytes.", PROXY_MAX);
    pthread_mutex_lock(&proxy_lock);
    snprintf(proxy_url, sizeof proxy_url, "%.*s", P(proxy));
    snprintf(proxy_except, sizeof proxy_except, "%.*s", P(no_proxy));
    pthread_mutex_unlock(&proxy_lock);
    return OK;
}

/* "*", "example.com" and ".example.com" (with all below), an address. */
static bool no_proxy_has(Str list, Str host)
{
    Str item;

    while (http_list_next(&list, &item)) {
        if (str_starts(item, S(".")))
            item = str_skip(item, 1);
        if (str_eq(item, S("*")) || str_eq_nocase(item, host))
            return true;
        if (host.n > item.n && host.p[host.n - item.n - 1] == '.' &&
            str_eq_nocase(str_skip(host, host.n - item.n), item))
            return true;
    }
    return false;
}

/* The proxy for @host in @a; "" for none, which also keeps libcurl from reading the environment. */
static const char *proxy_for(struct arena *a, Str host)
{
    const char *url = "";

    pthread_mutex_lock(&proxy_lock);
    if (proxy_url[0] && !no_proxy_has(str_c(proxy_except), host))
        url = str_dup_c(a, str_c(proxy_url));
    pthread_mutex_unlock(&proxy_lock);
    return url;
}

/* ---- the loop's side ---- */

static void collect_done(struct engine *g)
{
    struct CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(g->multi, &left))) {
        struct curl_call *c = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode result = m->data.result; /* the next call frees the message */
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
        c->done = true;
        c->result = result;
        if (c->waiter)
            wait_end(c->waiter, OK);
    }
}

static void drive(struct engine *g, curl_socket_t fd, int flags)
{
    int running;

    curl_multi_socket_action(g->multi, fd, flags, &running);
    collect_done(g);
}

static void on_timer(struct timer *t)
{
    drive((struct engine *)((char *)t - offsetof(struct engine, timer)), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wish(CURLM *multi, long ms, void *ctx)
{
    struct engine *g = ctx;

    (void)multi;
    if (ms < 0)
        timer_stop(&g->timer);
    else
        timer_start(&g->timer, usec_in(ms * USEC_MS), on_timer);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct curl_socket *s = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;

    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    if (engine)
        drive(engine, s->fd, flags); /* may close s */
}

static void on_poll_closed(uv_handle_t *h)
{
    free(h->data);
}

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct engine *g = ctx;
    struct curl_socket *s = socket_ctx;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            curl_multi_assign(g->multi, fd, NULL);
            uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, on_poll_closed);
        }
        return 0;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s || uv_poll_init_socket(shard_loop(), &s->poll, fd) != 0) {
            free(s);
            return -1;
        }
        s->poll.data = s;
        s->fd = fd;
        curl_multi_assign(g->multi, fd, s);
    }
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    uv_poll_start(&s->poll, events, on_poll);
    return 0;
}

static void engine_stop(void *arg)
{
    struct engine *g = arg;

    while (g->n_easy)
        curl_easy_cleanup(g->easy[--g->n_easy]);
    curl_multi_cleanup(g->multi);
    timer_stop(&g->timer);
    free(g);
    engine = NULL;
}

static void multi_init(struct engine *g)
{
    g->multi = curl_multi_init();
    if (!g->multi)
        DIE("out of memory");
    curl_multi_setopt(g->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    curl_multi_setopt(g->multi, CURLMOPT_SOCKETDATA, g);
    curl_multi_setopt(g->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(g->multi, CURLMOPT_TIMERDATA, g);
    curl_multi_setopt(g->multi, CURLMOPT_MAXCONNECTS, (long)CONNS_KEPT);
}

static struct engine *engine_get(void)
{
    if (!engine) {
        pthread_once(&curl_once, curl_start);
        engine = calloc(1, sizeof *engine);
        if (!engine)
            DIE("out of memory");
        multi_init(engine);
        shard_on_stop(engine_stop, engine);
    }
    return engine;
}

/* The only way to close libcurl's kept connections is to drop the multi handle. Calls that are
 * under way need it; then the kept ones stay, bounded in number and age. */
void http_curl_close_idle(void)
{
    if (!engine || engine->n_calls)
        return;
    curl_multi_cleanup(engine->multi);
    timer_stop(&engine->timer);
    multi_init(engine);
}

/* ---- a call's callbacks ---- */

static void fail(struct curl_call *c, Err e, const char *why)
{
    if (c->error != OK)
        return;
    c->error = e;
    snprintf(c->why, sizeof c->why, "%s", why);
}

static bool is_refused(struct curl_call *c, const struct sockaddr *sa)
{
    const struct http_job *j = c->j;

    if (c->via_proxy) /* the operator's own; the target was checked by name */
        return false;
    Err e = egress_check(j->call->egress, j->host, j->url.port, sa);
    if (e != OK)
        fail(c, e, err_client_text(e));
    return e != OK;
}

/* Each connection goes through the door, whatever libcurl believes the name to mean. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)purpose;
    if (is_refused(ctx, &to->addr))
        return CURL_SOCKET_BAD;
    return socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
}

/* A request is about to go out, maybe on a connection that another call's rules opened. */
static int on_send(void *ctx, char *peer, char *own, int peer_port, int own_port)
{
    struct curl_call *c = ctx;
    union dns_addr addr = {0};

    (void)own, (void)peer_port, (void)own_port;
    if (c->sends++ && !c->j->idempotent) {
        /* libcurl repeats what a kept connection swallowed; it cannot know what that does. */
        fail(c, E_UPSTREAM_CUT, "the connection closed before an answer came");
        return CURL_PREREQFUNC_ABORT;
    }
    if (inet_pton(AF_INET, peer, &addr.v4.sin_addr) == 1)
        addr.v4.sin_family = AF_INET;
    else if (inet_pton(AF_INET6, peer, &addr.v6.sin6_addr) == 1)
        addr.v6.sin6_family = AF_INET6;
    return is_refused(c, &addr.sa) ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool header_add(struct curl_call *c, Str name, Str value)
{
    struct arena *a = c->j->a;
    char *p = arena_try(a, name.n + value.n + 1);

    if (!p || c->reply_headers.n * sizeof(struct http_header) > c->j->max_header)
        return false;
    for (size_t i = 0; i < name.n; i++)
        p[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
    if (value.n)
        memcpy(p + name.n, value.p, value.n);
    http_header_add(a, &c->reply_headers, (Str){p, name.n}, (Str){p + name.n, value.n});
    return true;
}

/* libcurl takes the last of several lengths; two that differ are an attempt at smuggling. */
static bool lengths_differ(const HttpHeaders *h)
{
    Str first = http_header_get(h, S("content-length"));

    for (size_t i = 0; i < h->n; i++)
        if (str_eq(h->at[i].name, S("content-length")) && !str_eq(h->at[i].value, first))
            return true;
    return false;
}

static void headers_end(struct curl_call *c)
{
    Str length = http_header_get(&c->reply_headers, S("content-length"));
    Str coding = http_header_get(&c->reply_headers, S("content-encoding"));
    uint64_t n;

    c->headers_done = true;
    if (lengths_differ(&c->reply_headers))
        fail(c, E_UPSTREAM, "it announced two lengths");
    c->decoded = coding.n && !str_eq_nocase(coding, S("identity"));
    if (!c->decoded && c->j->method != HTTP_HEAD && length.p && str_to_u64(length, &n) == OK &&
        n > c->j->max_body)
        fail(c, E_TOO_LARGE, "its body is larger than allowed");
}

/* One line at a time; a status line begins the header of another answer (after 1xx). */
static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct curl_call *c = ctx;
    Str line = str_trim((Str){p, size * n}), name;

    c->last_byte = shard_now();
    c->header_bytes += size * n;
    if (c->header_bytes > c->j->max_header) {
        fail(c, E_TOO_LARGE, "its header is too large");
    } else if (str_starts((Str){p, size * n}, S("HTTP/"))) {
        c->reply_headers.n = 0;
        c->headers_done = false;
    } else if (line.n == 0 && !c->headers_done) {
        headers_end(c);
    } else if (!c->headers_done) { /* else a trailer */
        Str value = str_cut(line, ':', &name);
        if (value.p && http_is_token(name) && !header_add(c, name, str_trim(value)))
            fail(c, E_TOO_LARGE, "its header is too large");
    }
    return c->error == OK ? size * n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct curl_call *c = ctx;

    c->last_byte = shard_now();
    buf_add(&c->body, (Str){p, size * n}); /* decompressed: a bomb ends here too */
    if (c->body.failed)
        fail(c, E_TOO_LARGE, "its body is larger than allowed");
    return c->error == OK ? size * n : 0;
}

/* ---- setting up ---- */

static void add_line(void *ctx, Str name, Str value)
{
    struct curl_call *c = ctx;
    /* An empty value is sent only if a semicolon stands for it. */
    Str line = value.n ? str_fmt(c->j->a, "%.*s: %.*s", P(name), P(value))
                       : str_fmt(c->j->a, "%.*s;", P(name));
    struct curl_slist *list = curl_slist_append(c->headers, str_dup_c(c->j->a, line));

    if (!list)
        DIE("out of memory");
    c->headers = list;
}

static void set_headers(struct curl_call *c)
{
    http_job_headers(c->j, add_line, c);
    /* What libcurl would add by itself and nobody asked for. */
    c->headers = curl_slist_append(c->headers, "Expect:");
    if (!http_header_get(&c->j->headers, S("content-type")).p)
        c->headers = curl_slist_append(c->headers, "Content-Type:");
    if (!http_header_get(&c->j->headers, S("accept")).p)
        c->headers = curl_slist_append(c->headers, "Accept:");
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

static void set_method(struct curl_call *c)
{
    const struct http_job *j = c->j;
    bool body = j->body[0].p || (j->method & (HTTP_POST | HTTP_PUT | HTTP_PATCH));

    if (j->method == HTTP_HEAD)
        curl_easy_setopt(c->easy, CURLOPT_NOBODY, 1L);
    if (body && j->method != HTTP_HEAD) {
        curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)j->body[0].n);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, j->body[0].n ? j->body[0].p : "");
    }
    if (j->method != HTTP_HEAD && j->method != (body ? HTTP_POST : HTTP_GET))
        curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, http_method_name(j->method));
}

static void set_url(struct curl_call *c)
{
    const struct http_job *j = c->j;
    char text[300];
    Str host = http_job_authority(j, text, sizeof text);
    Str url = str_fmt(j->a, "%s://%.*s%.*s%s%.*s", j->url.tls ? "https" : "http", P(host),
                      P(j->url.path), j->url.query.p ? "?" : "", P(j->url.query));

    curl_easy_setopt(c->easy, CURLOPT_URL, str_dup_c(j->a, url));
    curl_easy_setopt(c->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
}

static void set_tls(struct curl_call *c)
{
    const struct http_call *call = c->j->call;

    if (call->insecure_tls) {
        curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (call->ca_file.n) {
        /* Beside the system's directory of authorities, which stays. */
        curl_easy_setopt(c->easy, CURLOPT_CAINFO, str_dup_c(c->j->a, call->ca_file));
    }
}

static void set_rest(struct curl_call *c)
{
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->curl_text);
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c->easy, CURLOPT_ACCEPT_ENCODING, ""); /* all that it can undo */
    curl_easy_setopt(c->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(usec_min(c->j->connect_timeout, USEC_H) / USEC_MS));
    curl_easy_setopt(c->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(c->easy, CURLOPT_OPENSOCKETDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(c->easy, CURLOPT_PREREQDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
}

/* "+host:port:address,...": the addresses that were checked, forgotten by libcurl after its usual
 * time. */
static Err set_addresses(struct curl_call *c)
{
    const struct http_job *j = c->j;
    struct egress_addr addrs[ADDRS_MAX];
    char text[INET6_ADDRSTRLEN];
    AUTO_BUF(line, KIB(4));
    size_t n = 0;

    Usec deadline = usec_min(j->deadline, usec_in(j->connect_timeout));
    Err e = egress_resolve(j->call->egress, j->host, j->url.port, deadline, addrs, ADDRS_MAX, &n);
    if (e == E_CONNECT && c->via_proxy) /* names that only the proxy knows */
        return egress_check_host(j->call->egress, j->host, j->url.port);
    TRY(e);
    if (j->url.ipv6)
        return OK;
    buf_add_fmt(&line, "+%.*s:%u:", P(j->url.host), j->url.port);
    for (size_t i = 0; i < n; i++) {
        union dns_addr a;
        memcpy(&a, &addrs[i].sa, sizeof a);
        bool v4 = a.sa.sa_family == AF_INET;
        inet_ntop(a.sa.sa_family, v4 ? (void *)&a.v4.sin_addr : (void *)&a.v6.sin6_addr, text,
                  sizeof text);
        buf_add_fmt(&line, v4 ? "%s%s" : "%s[%s]", i ? "," : "", text);
    }
    buf_add_char(&line, 0);
    TRY(buf_ok(&line));
    c->resolve = curl_slist_append(NULL, line.p);
    curl_easy_setopt(c->easy, CURLOPT_RESOLVE, c->resolve);
    return OK;
}

static Err call_set_up(struct curl_call *c)
{
    const char *proxy = proxy_for(c->j->a, c->j->host);

    c->via_proxy = *proxy != 0;
    TRY(set_addresses(c));
    curl_easy_setopt(c->easy, CURLOPT_PROXY, proxy);
    curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "");
    set_url(c);
    set_method(c);
    set_headers(c);
    set_tls(c);
    set_rest(c);
    return OK;
}

/* ---- the fiber's side ---- */

static Err call_wait(struct curl_call *c)
{
    const struct http_job *j = c->j;
    struct wait w;

    while (!c->done) {
        wait_init(&w);
        c->waiter = &w;
        Err e = wait_for(&w, usec_min(j->deadline, usec_add(c->last_byte, j->idle_timeout)));
        c->waiter = NULL;
        if (e != OK && e != E_TIMEOUT)
            return e;
        Usec now = time_mono();
        if (e == OK)
            continue;
        if (now >= j->deadline || now >= fiber_deadline())
            return err_set(E_TIMEOUT, "no whole answer before the deadline");
        if (now >= usec_add(c->last_byte, j->idle_timeout))
            return err_set(E_TIMEOUT, "no byte for %lld ms",
                           (long long)(j->idle_timeout / USEC_MS));
    }
    return OK;
}

/* What libcurl's result means here. */
static Err error_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return OK;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: /* of connecting: the only one it was given */
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_PROXY:
        return E_CONNECT;
    case CURLE_SSL_CACERT_BADFILE:
        return E_INVALID;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return E_UPSTREAM_CUT;
    case CURLE_OUT_OF_MEMORY: /* what it calls a header line beyond its own 100 KiB */
        return E_TOO_LARGE;
    default:
        return E_UPSTREAM;
    }
}

static Err call_outcome(struct curl_call *c)
{
    if (c->error != OK) {
        /* These texts were made for the client. */
        return c->error == E_EGRESS ? err_detail(c->error, "%s", c->why)
                                    : err_set(c->error, "%s", c->why);
    }
    Err e = error_of(c->result);
    if (e == OK && !c->headers_done)
        return err_set(E_UPSTREAM_CUT, "it closed the connection in the middle of its header");
    if (e != OK)
        return err_set(e, "%s", c->curl_text[0] ? c->curl_text : curl_easy_strerror(c->result));
    return OK;
}

static void count_connect(struct curl_call *c)
{
    long new_conns = 0;
    curl_off_t tcp = 0, tls = 0;

    curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &new_conns);
    curl_easy_getinfo(c->easy, CURLINFO_CONNECT_TIME_T, &tcp);
    curl_easy_getinfo(c->easy, CURLINFO_APPCONNECT_TIME_T, &tls);
    if (new_conns > 0)
        http_count_connect(HTTP_CURL, time_mono() - (Usec)(tls > tcp ? tls : tcp));
}

/* Codings are undone, so the fields that tell of them would be wrong. */
static void drop_coding_headers(HttpHeaders *h)
{
    size_t kept = 0;

    for (size_t i = 0; i < h->n; i++) {
        Str name = h->at[i].name;
        if (!str_eq(name, S("content-encoding")) && !str_eq(name, S("content-length")))
            h->at[kept++] = h->at[i];
    }
    h->n = kept;
}

static Err call_reply(struct curl_call *c, struct http_reply *ret_reply)
{
    struct http_reply reply = {0};
    long status = 0;

    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    count_connect(c);
    if (c->decoded)
        drop_coding_headers(&c->reply_headers);
    reply.status = (int)status;
    reply.headers = c->reply_headers;
    if (c->body.n) {
        char *p = arena_try(c->j->a, c->body.n);
        if (!p)
            return err_set(E_TOO_LARGE, "a body of %zu bytes does not fit into memory", c->body.n);
        reply.body = (Str){memcpy(p, c->body.p, c->body.n), c->body.n};
    }
    *ret_reply = reply;
    return OK;
}

static Err call_run(struct engine *g, struct curl_call *c)
{
    CURLMcode code = curl_multi_add_handle(g->multi, c->easy);

    if (code != CURLM_OK)
        return err_set(E_INTERNAL, "curl_multi_add_handle: %s", curl_multi_strerror(code));
    c->last_byte = time_mono();
    Err e = call_wait(c);
    /* Closes the connection if the call is not done. From here on no callback knows of @c. */
    curl_multi_remove_handle(g->multi, c->easy);
    return e;
}

static void easy_give_back(struct engine *g, CURL *easy)
{
    if (g->n_easy == EASY_KEPT_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    g->easy[g->n_easy++] = easy;
}

Err http_curl_fetch(const struct http_job *j, struct http_reply *ret_reply)
{
    struct engine *g = engine_get();
    struct curl_call c = {.j = j, .body = BUF(j->max_body)};

    TRY(INJECT("net.client.call"));
    c.easy = g->n_easy ? g->easy[--g->n_easy] : curl_easy_init();
    if (!c.easy)
        DIE("out of memory");
    g->n_calls++;
    Err e = call_set_up(&c);
    if (e == OK)
        e = call_run(g, &c);
    if (e == OK)
        e = call_outcome(&c);
    if (e == OK)
        e = call_reply(&c, ret_reply);
    else
        e = err_add(e, "calling %.*s port %u", P(j->host), j->url.port);
    g->n_calls--;
    easy_give_back(g, c.easy);
    curl_slist_free_all(c.headers);
    curl_slist_free_all(c.resolve);
    buf_done(&c.body);
    return e;
}
