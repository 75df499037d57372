/* src/net/redis.c - a client of a Redis server: one connection of each shard, commands in a row.
 *
 * Replies come in the order of the commands, so a connection whose oldest command has no answer in
 * time is of no use to the others either: all of them end, and another one is made beside. */
#include "net/redis.h"

#include "base/arena.h"
#include "net/dns.h"
#include "net/http.h"
#include "net/sock.h"
#include "rt/work.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const Usec PAUSE_FIRST = 100 * USEC_MS, PAUSE_MOST = 5 * USEC_S;
static const Usec LOOK = 2 * USEC_MS;
enum {
    SHARDS_MAX = 64,
    CALLS_MAX = 100000, /* that wait on one connection */
    COMMAND_MAX = 256 * 1024,
    INPUT_MAX = 4 * REDIS_REPLY_MAX,
    PORT_USUAL = 6379,
    DATABASE_MAX = 65535,
    ID_PART = 16, /* hex digits of each of the two ids of a server */
};

/* What all shards share; never changed. */
struct conf {
    _Atomic int refs;
    struct arena *a;
    Str host, user, password, ca_file;
    int64_t database;
    uint16_t port;
    bool tls;
    Usec timeout;
};

struct pending {
    struct pending *next;
    struct wait wait;
    struct arena *a;
    struct redis_reply *reply;
    bool done;
    Err error;
};

struct conn {
    struct sock sock;
    struct link *link; /* with a reference */
    struct pending *first, **last;
    size_t n_calls;
    struct buf in;
    struct wait *opening; /* of the fiber that connects */
    bool is_ready, closed;
    Err ready_error;
    char epoch[2 * ID_PART + 1];
};

/* Of one shard, which alone touches it. */
struct link {
    struct conf *conf;
    unsigned refs;
    struct conn *conn; /* that stands; NULL: none does */
    bool connecting, stopped;
    Usec retry_at, pause;
    char why[200];
};

struct redis {
    struct conf *conf;
    _Atomic(struct link *) links[SHARDS_MAX];
};

/* ---- addresses ---- */

static Err wrong_url(const char *what)
{
    return err_detail(E_INVALID,
                      "The address of Redis %s; it is redis[s]://[[USER]:PASSWORD@]HOST"
                      "[:PORT][/DATABASE].",
                      what);
}

static Err read_host(Str s, struct conf *c)
{
    uint64_t port = PORT_USUAL;
    Str rest;

    if (str_starts(s, S("["))) {
        size_t end = str_find_char(s, ']');
        if (end == SIZE_MAX)
            return wrong_url("has no \"]\"");
        c->host = str_dup(c->a, str_from(s.p + 1, end - 1));
        rest = str_skip(s, end + 1);
        if (rest.n && rest.p[0] != ':')
            return wrong_url("has something behind \"]\"");
        rest = str_skip(rest, 1);
    } else {
        rest = str_cut(s, ':', &c->host);
        c->host = str_dup(c->a, c->host);
    }
    if (!c->host.n || c->host.n > 253)
        return wrong_url("has no host");
    if (rest.n && (str_to_u64(rest, &port) != OK || !port || port > 65535))
        return wrong_url("has a port that is none");
    c->port = (uint16_t)port;
    return OK;
}

static Err read_user(Str s, struct conf *c)
{
    Str user, password = str_cut(s, ':', &user);

    if (!password.n)
        return wrong_url("has a user without a password");
    if (url_decode(c->a, user, false, &c->user) != OK ||
        url_decode(c->a, password, false, &c->password) != OK)
        return wrong_url("has a % without two digits behind it");
    return OK;
}

static Err read_url(Str url, struct conf *c)
{
    static const Str plain = S_INIT("redis://"), tls = S_INIT("rediss://");
    Str authority, database;

    c->tls = str_starts(url, tls);
    if (!c->tls && !str_starts(url, plain))
        return wrong_url("begins with neither redis:// nor rediss://");
    if (url.n > 2048 || str_find_char(url, '?') != SIZE_MAX || str_find_char(url, '#') != SIZE_MAX)
        return wrong_url("has parameters, which are not taken");
    database = str_cut(str_skip(url, c->tls ? tls.n : plain.n), '/', &authority);
    if (database.n &&
        (str_to_i64(database, &c->database) != OK || c->database < 0 || c->database > DATABASE_MAX))
        return wrong_url("has a database that is no number");
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < authority.n; i++)
        if (authority.p[i] == '@')
            at = i;
    if (at != SIZE_MAX) {
        TRY(read_user(str_head(authority, at), c));
        authority = str_skip(authority, at + 1);
    }
    return read_host(authority, c);
}

Err redis_url_check(Str url)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct conf c = {.a = a};

    return read_url(url, &c);
}

/* ---- life ---- */

static void conf_unref(struct conf *c)
{
    if (atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    struct arena *a = c->a;
    arena_free(a);
}

static void link_unref(struct link *l)
{
    if (--l->refs)
        return;
    conf_unref(l->conf);
    free(l);
}

static void conn_fail(struct conn *c, const char *why)
{
    struct link *l = c->link;
    struct pending *p = c->first;

    if (c->closed)
        return;
    c->closed = true;
    if (l->conn == c) {
        l->conn = NULL;
        l->retry_at = usec_in(PAUSE_FIRST);
        snprintf(l->why, sizeof l->why, "%s", why);
    }
    c->first = NULL;
    c->last = &c->first;
    while (p) {
        struct pending *next = p->next;
        p->done = true;
        p->error = E_UNKNOWN_OUTCOME;
        wait_end(&p->wait, OK);
        p = next;
    }
    if (c->opening)
        wait_end(c->opening, OK);
    sock_close(&c->sock);
}

static void link_stop(void *arg)
{
    struct link *l = arg;

    l->stopped = true;
    if (l->conn)
        conn_fail(l->conn, "it is not used any more");
    link_unref(l);
}

Err redis_new(const struct redis_options *o, struct redis **ret_redis)
{
    struct arena *a = arena_new(KIB(64));
    struct conf *c = arena_new_of(a, struct conf);

    *c = (struct conf){.refs = 1, .a = a, .timeout = o->timeout};
    Err e = read_url(o->url, c);
    if (e != OK) {
        arena_free(a);
        return e;
    }
    c->ca_file = str_dup(a, o->ca_file);
    struct redis *r = calloc(1, sizeof *r);
    if (!r)
        DIE("out of memory");
    r->conf = c;
    *ret_redis = r;
    return OK;
}

void redis_free(struct redis *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < shard_count() && i < SHARDS_MAX; i++) {
        struct link *l = atomic_load(&r->links[i]);
        if (l)
            shard_post(shard_at(i), link_stop, l);
    }
    conf_unref(r->conf);
    free(r);
}

static struct link *link_of(struct redis *r)
{
    unsigned at = shard_index(shard_self());
    struct link *l = atomic_load(&r->links[at]);

    if (l)
        return l;
    l = calloc(1, sizeof *l);
    if (!l)
        DIE("out of memory");
    atomic_fetch_add(&r->conf->refs, 1);
    *l = (struct link){.conf = r->conf, .refs = 2, .pause = PAUSE_FIRST};
    snprintf(l->why, sizeof l->why, "it is being called");
    shard_on_stop(link_stop, l); /* has the second reference */
    atomic_store(&r->links[at], l);
    return l;
}

/* ---- the socket's callbacks ---- */

static struct conn *conn_of(struct sock *s)
{
    return (struct conn *)((char *)s - offsetof(struct conn, sock));
}

static void on_ready(struct sock *s, Err e)
{
    struct conn *c = conn_of(s);

    c->is_ready = true;
    c->ready_error = e;
    if (c->opening)
        wait_end(c->opening, OK);
}

/* The server cannot do what is asked of it; another one may. */
static bool is_lost(const struct redis_reply *r)
{
    static const Str words[] = {S_INIT("READONLY"), S_INIT("LOADING"), S_INIT("MASTERDOWN"),
                                S_INIT("CLUSTERDOWN"), S_INIT("MOVED")};

    for (size_t i = 0; r->type == REDIS_ERROR && i < ARRAY_LEN(words); i++)
        if (str_starts(r->s, words[i]))
            return true;
    return false;
}

/* One reply, if it is whole. */
static bool take_reply(struct conn *c)
{
    struct pending *p = c->first;
    size_t used = 0;

    if (!p) {
        conn_fail(c, "it answered without being asked");
        return false;
    }
    if (redis_reply_parse(p->a, buf_str(&c->in), p->reply, &used) != OK) {
        conn_fail(c, "it answered with what is no reply");
        return false;
    }
    if (!used)
        return false;
    buf_drop(&c->in, used);
    c->first = p->next;
    if (!c->first)
        c->last = &c->first;
    c->n_calls--;
    p->done = true;
    bool lost = is_lost(p->reply);
    wait_end(&p->wait, OK);
    if (lost)
        conn_fail(c, "it cannot do its work");
    return !lost;
}

static void on_read(struct sock *s, const char *p, size_t n)
{
    struct conn *c = conn_of(s);

    if (c->closed)
        return;
    buf_add(&c->in, str_from(p, n));
    if (buf_ok(&c->in) != OK) {
        conn_fail(c, "it answered without end");
        return;
    }
    while (c->in.n && take_reply(c))
        ;
    if (!c->in.n)
        buf_done(&c->in);
}

static void on_end(struct sock *s, Err why)
{
    conn_fail(conn_of(s), why == E_EOF ? "it closed the connection" : sock_error(s));
}

static void on_closed(struct sock *s)
{
    struct conn *c = conn_of(s);

    buf_done(&c->in);
    link_unref(c->link);
    free(c);
}

static const struct sock_ops ops = {
    .on_ready = on_ready, .on_read = on_read, .on_end = on_end, .on_closed = on_closed};

/* ---- calls ---- */

static Err conn_send(struct conn *c, const Str *words, size_t n)
{
    AUTO_BUF(out, COMMAND_MAX);
    size_t taken;

    redis_command_add(&out, words, n);
    TRY(buf_ok(&out));
    uv_buf_t piece = {.base = out.p, .len = out.n};
    if (sock_write(&c->sock, &piece, 1, &taken) == OK && taken == out.n)
        return OK;
    conn_fail(c, "it takes no more commands"); /* a part of one is none */
    return err_set(E_UNAVAILABLE, "Redis takes no more commands");
}

static Err conn_call(struct conn *c, struct arena *a, const Str *words, size_t n,
                     struct redis_reply *ret_reply)
{
    struct pending *p = arena_new_of(a, struct pending);

    if (c->n_calls >= CALLS_MAX)
        return err_set(E_UNAVAILABLE, "%d commands wait for Redis", CALLS_MAX);
    TRY(conn_send(c, words, n));
    *p = (struct pending){.a = a, .reply = ret_reply};
    wait_init(&p->wait);
    *c->last = p;
    c->last = &p->next;
    c->n_calls++;
    fiber_shield(); /* what a command did must be known */
    (void)wait_for(&p->wait, usec_in(c->link->conf->timeout)); /* p->done tells */
    fiber_unshield();
    if (!p->done)
        conn_fail(c, "it did not answer in time"); /* which ends p */
    return p->error == OK ? OK : err_set(p->error, "Redis gave no answer");
}

/* ---- connecting ---- */

static Err opening_wait(struct conn *c)
{
    Usec deadline = usec_in(c->link->conf->timeout);
    Err e = OK;

    while (e == OK && !c->is_ready && !c->closed) {
        struct wait w;
        wait_init(&w);
        c->opening = &w;
        e = wait_for(&w, deadline);
        c->opening = NULL;
    }
    if (e != OK)
        return err_set(e, "it did not answer in time");
    if (c->closed)
        return err_set(E_CONNECT, "it closed the connection");
    return c->ready_error == OK ? OK : err_set(E_CONNECT, "%s", sock_error(&c->sock));
}

static Err open_one(struct link *l, union dns_addr *to, struct tls_ctx *tls, struct conn **ret_conn)
{
    struct conn *c = calloc(1, sizeof *c);
    char host[256];

    if (!c)
        DIE("out of memory");
    *c = (struct conn){.link = l, .last = &c->first, .in = BUF(INPUT_MAX)};
    l->refs++;
    if (to->sa.sa_family == AF_INET6)
        to->v6.sin6_port = htons(l->conf->port);
    else
        to->v4.sin_port = htons(l->conf->port);
    sock_init(&c->sock, &ops);
    sock_connect(&c->sock, &to->sa);
    Err e = opening_wait(c);
    if (e == OK && tls) {
        snprintf(host, sizeof host, "%.*s", P(l->conf->host));
        c->is_ready = false;
        sock_tls_client(&c->sock, tls, host);
        e = opening_wait(c);
    } else if (e == OK) {
        sock_read_start(&c->sock);
    }
    if (e != OK) {
        struct err_record record = *err_record();
        conn_fail(c, "it cannot be reached");
        *err_record() = record;
        return e;
    }
    *ret_conn = c;
    return OK;
}

/* A command that must be done; the error is the server's own, which names no password. */
static Err must(struct conn *c, struct arena *a, const Str *words, size_t n, Str *ret_text)
{
    struct redis_reply reply = {0};

    if (c->closed)
        return err_set(E_CONNECT, "it closed the connection");
    TRY(conn_call(c, a, words, n, &reply));
    if (reply.type == REDIS_ERROR)
        return err_set(E_CONNECT, "it says %.*s", P(str_head(reply.s, 100)));
    *ret_text = reply.s;
    return OK;
}

/* What stands behind "name:" in what INFO says. */
static Err info_id(Str text, Str name, char *out)
{
    Str line;

    while (text.n) {
        text = str_cut(text, '\n', &line);
        if (!str_starts(line, name))
            continue;
        Str id = str_head(str_trim(str_skip(line, name.n)), ID_PART);
        if (id.n != ID_PART)
            break;
        memcpy(out, id.p, ID_PART);
        return OK;
    }
    return err_set(E_CONNECT, "it does not say which server it is");
}

static Err greet(struct conn *c, struct arena *a)
{
    const struct conf *f = c->link->conf;
    Str auth[] = {S("AUTH"), f->user.n ? f->user : f->password, f->password};
    Str choose[] = {S("SELECT"), str_fmt(a, "%lld", (long long)f->database)};
    Str text;

    if (f->password.n)
        TRY(must(c, a, auth, f->user.n ? 3 : 2, &text));
    if (f->database)
        TRY(must(c, a, choose, 2, &text));
    TRY(must(c, a, (Str[]){S("INFO"), S("server")}, 2, &text));
    TRY(info_id(text, S("run_id:"), c->epoch));
    TRY(must(c, a, (Str[]){S("INFO"), S("replication")}, 2, &text));
    return info_id(text, S("master_replid:"), c->epoch + ID_PART);
}

struct tls_job {
    Str ca_file;
    struct tls_ctx *ctx;
};

static Err load_tls(void *arg)
{
    struct tls_job *job = arg;

    return tls_ctx_client(job->ca_file, false, &job->ctx);
}

static Err open_link(struct link *l)
{
    AUTO(arena) *a = arena_new(MIB(1));
    AUTO(tls_ctx) *tls = NULL;
    struct tls_job job = {.ca_file = l->conf->ca_file};
    struct dns_answer found;
    struct conn *c = NULL;
    Err e = E_CONNECT;

    TRY(dns_lookup(l->conf->host, usec_in(l->conf->timeout), &found));
    if (l->conf->tls) {
        TRY(work_run(load_tls, &job));
        tls = job.ctx;
    }
    for (size_t i = 0; i < found.n && !c && (i == 0 || e != E_CANCELLED); i++)
        e = open_one(l, &found.at[i], tls, &c);
    TRY(e);
    e = greet(c, a);
    if (e != OK || l->stopped || c->closed) {
        struct err_record record = *err_record();
        conn_fail(c, "it cannot be used");
        *err_record() = record;
        return e == OK ? err_set(E_CONNECT, "it closed the connection") : e;
    }
    l->conn = c;
    return OK;
}

static Err connect_link(void *arg)
{
    struct link *l = arg;
    Err e = open_link(l);

    l->connecting = false;
    if (e == OK) {
        l->pause = PAUSE_FIRST;
    } else {
        snprintf(l->why, sizeof l->why, "%.*s", (int)sizeof l->why - 1, err_record()->text);
        l->retry_at = usec_in(l->pause);
        l->pause = usec_min(2 * l->pause, PAUSE_MOST);
    }
    link_unref(l);
    return OK;
}

/* The connection; NULL: there is none, and one is made unless it was tried just now. */
static struct conn *conn_now(struct link *l)
{
    if (l->conn || l->connecting || l->stopped || time_mono() < l->retry_at)
        return l->conn;
    l->connecting = true;
    l->refs++;
    fiber_start("net.redis", connect_link, l);
    return NULL;
}

/* ---- for all ---- */

Str redis_epoch(struct redis *r)
{
    const struct conn *c = conn_now(link_of(r));

    return c ? str_c(c->epoch) : S("");
}

Str redis_why(struct redis *r)
{
    return str_c(link_of(r)->why);
}

Err redis_call(struct redis *r, struct arena *a, const Str *words, size_t n,
               struct redis_reply *ret_reply)
{
    struct link *l = link_of(r);
    struct conn *c = conn_now(l);

    if (!c)
        return err_set(E_UNAVAILABLE, "Redis: %s", l->why);
    return conn_call(c, a, words, n, ret_reply);
}

Err redis_wait_up(struct redis *r, Usec deadline)
{
    struct link *l = link_of(r);

    while (!conn_now(l)) {
        if (time_mono() >= deadline)
            return err_set(E_UNAVAILABLE, "Redis: %s", l->why);
        TRY(fiber_sleep(LOOK));
    }
    return OK;
}
