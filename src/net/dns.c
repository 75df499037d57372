/* src/net/dns.c - a bounded table of names, each being looked up or with its answer.
 *
 * All of it is under one lock. Fibers wait by ticket: the resolver's thread copies the answer into
 * each ticket and posts it to its shard while it holds the lock, so a fiber that gives up knows
 * under the same lock whether its ticket is still in the list (it frees it) or on its way (the
 * message frees it).
 */
#include "net/dns.h"
#include "base/map.h"

#include <netdb.h>
#include <pthread.h>

enum { NAMES_MAX = 256, THREADS_MAX = 4, HOST_MAX = 253 };

static const Usec KEEP_ANSWER = 5 * USEC_S;
static const Usec KEEP_FAILURE = USEC_S;

struct ticket {
    struct ticket *next;
    struct shard *shard;
    struct wait *wait; /* NULL: nobody waits any more */
    bool posted;
    int error;
    struct dns_answer answer;
};

struct name {
    struct name *next; /* in the queue */
    char host[HOST_MAX + 1];
    bool pending, forgotten;
    int error;
    Usec until;
    struct ticket *tickets;
    struct dns_answer answer;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct map *names;
static struct name *queue_first, *queue_last;
static unsigned n_threads, n_idle;
static dns_resolver *resolver;

/* ---- the resolver's threads ---- */

static int system_resolver(const char *host, struct dns_answer *answer)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = getaddrinfo(host, NULL, &hints, &list);

    for (struct addrinfo *i = list; i && answer->n < DNS_ADDRS_MAX; i = i->ai_next) {
        if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
            continue;
        memcpy(&answer->at[answer->n], i->ai_addr, i->ai_addrlen);
        answer->n++;
    }
    if (list)
        freeaddrinfo(list);
    return error;
}

/* On the shard that waits. */
static void ticket_arrived(void *arg)
{
    struct ticket *t = arg;

    if (t->wait)
        wait_end(t->wait, OK); /* the fiber frees it */
    else
        free(t);
}

/* Under the lock. */
static void name_answered(struct name *n, int error, const struct dns_answer *answer)
{
    n->pending = false;
    n->error = error ? error : answer->n ? 0 : EAI_NONAME;
    n->until = usec_in(n->error ? KEEP_FAILURE : KEEP_ANSWER);
    n->answer = *answer;
    while (n->tickets) {
        struct ticket *t = n->tickets;
        n->tickets = t->next;
        t->error = n->error;
        t->answer = *answer;
        t->posted = true;
        shard_post(t->shard, ticket_arrived, t);
    }
    if (n->forgotten)
        free(n);
}

static struct name *queue_take(void)
{
    struct name *n = queue_first;

    if (n && !(queue_first = n->next))
        queue_last = NULL;
    return n;
}

static void *resolve_names(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        struct name *n = queue_take();
        if (!n) {
            n_idle++;
            pthread_cond_wait(&wake, &lock);
            n_idle--;
            continue;
        }
        struct dns_answer answer = {0};
        dns_resolver *fn = resolver ? resolver : system_resolver;
        pthread_mutex_unlock(&lock);
        int error = fn(n->host, &answer);
        pthread_mutex_lock(&lock);
        name_answered(n, error, &answer);
    }
    return NULL;
}

/* One more if all are busy. They live as long as the process. */
static bool thread_needed(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    if (n_idle || n_threads == THREADS_MAX) {
        pthread_cond_signal(&wake);
        return true;
    }
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, KIB(512));
    bool ok = pthread_create(&thread, &attr, resolve_names, NULL) == 0;
    pthread_attr_destroy(&attr);
    n_threads += ok;
    return n_threads > 0;
}

/* ---- the table ---- */

/* Out of the table; what is still being looked up is freed when its answer comes. */
static void name_forget(struct name *n)
{
    map_take(names, str_c(n->host));
    if (n->pending)
        n->forgotten = true;
    else
        free(n);
}

/* Room for one more: an answer that is past its time goes, else the one that has the least left. */
static bool make_room(void)
{
    struct name *oldest = NULL;
    size_t at = 0;
    void *value;
    Str key;

    if (map_count(names) < NAMES_MAX)
        return true;
    while (map_next(names, &at, &key, &value)) {
        struct name *n = value;
        if (!n->pending && (!oldest || n->until < oldest->until))
            oldest = n;
    }
    if (oldest)
        name_forget(oldest);
    return oldest != NULL;
}

/* The entry of @host, with an answer in force or on its way; NULL if there is no room. */
static struct name *name_get(Str host)
{
    if (!names)
        names = map_new();
    struct name *n = map_get(names, host);
    if (n && !n->pending && n->until <= time_mono()) {
        name_forget(n);
        n = NULL;
    }
    if (n)
        return n;
    if (!make_room() || !(n = calloc(1, sizeof *n)))
        return NULL;
    memcpy(n->host, host.p, host.n);
    n->pending = true;
    map_put(names, host, n);
    if (queue_last)
        queue_last->next = n;
    else
        queue_first = n;
    queue_last = n;
    return n;
}

void dns_resolver_set(dns_resolver *fn)
{
    size_t at = 0;
    void *value;
    Str key;

    pthread_mutex_lock(&lock);
    resolver = fn;
    while (names && map_next(names, &at, &key, &value)) {
        name_forget(value);
        at = 0;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- fibers ---- */

static Err give(Str host, int error, const struct dns_answer *answer, struct dns_answer *ret_answer)
{
    if (error == EAI_AGAIN)
        return err_set(E_CONNECT, "%.*s: the name server does not answer", P(host));
    if (error)
        return err_set(E_CONNECT, "%.*s: %s", P(host), gai_strerror(error));
    *ret_answer = *answer;
    return OK;
}

/* Take the ticket back, unless it is on its way already. */
static void ticket_give_up(struct name *n, struct ticket *t)
{
    pthread_mutex_lock(&lock);
    if (t->posted) {
        t->wait = NULL;
        t = NULL;
    } else {
        struct ticket **at = &n->tickets; /* it is pending: it is still there */
        while (*at != t)
            at = &(*at)->next;
        *at = t->next;
    }
    pthread_mutex_unlock(&lock);
    free(t);
}

static Err wait_for_answer(Str host, struct name *n, struct ticket *t, struct wait *w,
                           Usec deadline, struct dns_answer *ret_answer)
{
    Err e = wait_for(w, deadline);

    if (e != OK) {
        ticket_give_up(n, t);
        return err_add(e, "looking up %.*s", P(host));
    }
    e = give(host, t->error, &t->answer, ret_answer);
    free(t);
    return e;
}

Err dns_lookup(Str host, Usec deadline, struct dns_answer *ret_answer)
{
    struct dns_answer answer;
    struct wait w;

    if (host.n == 0 || host.n > HOST_MAX || memchr(host.p, 0, host.n))
        return err_set(E_CONNECT, "not a host name");
    pthread_mutex_lock(&lock);
    struct name *n = name_get(host);
    if (!n) {
        pthread_mutex_unlock(&lock);
        return err_set(E_OVERLOADED, "%d names are being looked up", NAMES_MAX);
    }
    if (!n->pending) {
        int error = n->error;
        answer = n->answer;
        pthread_mutex_unlock(&lock);
        return give(host, error, &answer, ret_answer);
    }
    struct ticket *t = calloc(1, sizeof *t);
    if (!t || !thread_needed())
        DIE("no memory or thread to look up a name");
    wait_init(&w);
    *t = (struct ticket){.next = n->tickets, .shard = shard_self(), .wait = &w};
    n->tickets = t;
    pthread_mutex_unlock(&lock);
    return wait_for_answer(host, n, t, &w, deadline, ret_answer);
}
