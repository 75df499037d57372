/* src/rt/log_scrub.c - a set of secrets and the search for any of them in a text.
 *
 * Secrets hang in buckets by a hash of their first four bytes, so that searching costs one look-up
 * for each byte of text, however many there are. Lines hold a read lock; registering is rare.
 */
#include "rt/log_scrub.h"
#include "rt/log.h"

#include <pthread.h>
#include <stdatomic.h>

enum { BUCKETS = 4096 };

struct secret_entry {
    struct secret_entry *next;
    unsigned uses; /* registered so often */
    size_t n;
    char text[];
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct secret_entry *buckets[BUCKETS];
static atomic_size_t n_secrets;

static size_t bucket_of(const char *p)
{
    uint32_t head;

    memcpy(&head, p, sizeof head);
    return (head * 0x9e3779b1u) >> 20;
}

static struct secret_entry **slot_of(Str secret)
{
    struct secret_entry **at = &buckets[bucket_of(secret.p)];

    while (*at && !str_eq((Str){(*at)->text, (*at)->n}, secret))
        at = &(*at)->next;
    return at;
}

void log_scrub(Str secret)
{
    if (secret.n < LOG_SECRET_MIN)
        return;
    pthread_rwlock_wrlock(&lock);
    struct secret_entry **slot = slot_of(secret);
    if (*slot) {
        (*slot)->uses++;
    } else {
        struct secret_entry *entry = malloc(sizeof *entry + secret.n);
        if (!entry)
            DIE("out of memory");
        *entry = (struct secret_entry){.uses = 1, .n = secret.n};
        memcpy(entry->text, secret.p, secret.n);
        *slot = entry;
        atomic_fetch_add(&n_secrets, 1);
    }
    pthread_rwlock_unlock(&lock);
}

void log_unscrub(Str secret)
{
    if (secret.n < LOG_SECRET_MIN)
        return;
    pthread_rwlock_wrlock(&lock);
    struct secret_entry **slot = slot_of(secret), *entry = *slot;
    if (entry && --entry->uses == 0) {
        *slot = entry->next;
        explicit_bzero(entry->text, entry->n);
        free(entry);
        atomic_fetch_sub(&n_secrets, 1);
    }
    pthread_rwlock_unlock(&lock);
}

bool log_scrub_begin(void)
{
    if (atomic_load_explicit(&n_secrets, memory_order_acquire) == 0)
        return false;
    pthread_rwlock_rdlock(&lock);
    return true;
}

void log_scrub_end(void)
{
    pthread_rwlock_unlock(&lock);
}

/* How many bytes of @s, from its start, are a secret. */
static size_t secret_at(Str s, bool cut)
{
    size_t longest = 0;

    for (struct secret_entry *e = buckets[bucket_of(s.p)]; e; e = e->next) {
        size_t n = e->n;
        if (n > s.n) {
            if (!cut)
                continue;
            n = s.n;
        }
        if (n > longest && memcmp(e->text, s.p, n) == 0)
            longest = n;
    }
    return longest;
}

bool log_scrub_find(Str s, bool cut, size_t *ret_at, size_t *ret_n)
{
    for (size_t at = 0; at + LOG_SECRET_MIN <= s.n; at++) {
        if (__builtin_expect(!buckets[bucket_of(s.p + at)], 1))
            continue;
        size_t n = secret_at(str_skip(s, at), cut);
        if (n) {
            *ret_at = at;
            *ret_n = n;
            return true;
        }
    }
    return false;
}
