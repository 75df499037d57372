/* src/llm/limits_end_user.c - end-users, whom requests name: each is held to the limits that the
 * tenant's policy gives to one.
 *
 * Anybody who has a key can make up names without end. So counters are kept of so many end-users
 * alone; those beyond them share one account, with the limits of one end-user: never none. */
#include "base/crypto.h"
#include "llm/limits_private.h"

static const Usec SEEN_FOR = USEC_DAY; /* until the store is told again that one calls */
static const Usec SWEEP_IDLE = USEC_MIN, SWEEP_PAUSE = USEC_S;

/* 16 bytes of a hash: nobody finds another name for them. */
static Id subject_of(Id tenant, const char *what, Str name)
{
    uint8_t hash[CRYPTO_HASH_SIZE], both[2 * CRYPTO_HASH_SIZE];
    Id id;

    crypto_blake2b(name, hash);
    memset(both, 0, sizeof both);
    memcpy(both, tenant.b, sizeof tenant.b);
    memcpy(both + sizeof tenant.b, what, strnlen(what, CRYPTO_HASH_SIZE - sizeof tenant.b));
    memcpy(both + CRYPTO_HASH_SIZE, hash, sizeof hash);
    crypto_blake2b(str_from((const char *)both, sizeof both), hash);
    memcpy(id.b, hash, sizeof id.b);
    return id;
}

void llm_end_users_sweep(struct llm_limits *l, Usec idle)
{
    struct map *kept = map_new();
    Usec now = time_mono();
    size_t at = 0;
    void *value;
    Str key;

    l->swept_at = now;
    while (map_next(l->end_users, &at, &key, &value)) {
        struct llm_account *acc = value;
        if (acc->refs || acc->dirty || acc->reading || now - acc->called_at < idle)
            (void)map_put(kept, key, acc); /* there was none */
        else
            llm_account_free(acc);
    }
    map_free(l->end_users, NULL);
    l->end_users = kept;
}

/* Under the lock. NULL: there are too many. */
static struct llm_account *account_of(struct llm_limits *l, Id subject, bool must)
{
    struct llm_account *acc = map_get(l->end_users, llm_subject_key(&subject));
    bool full = map_count(l->end_users) >= LLM_END_USERS_HERE;

    if (acc)
        return acc;
    if (full && time_mono() - l->swept_at > SWEEP_PAUSE) {
        llm_end_users_sweep(l, SWEEP_IDLE);
        full = map_count(l->end_users) >= LLM_END_USERS_HERE;
    }
    if (full && !must)
        return NULL;
    acc = llm_account_new(l->end_users, subject);
    acc->end_user = true;
    return acc;
}

/* Under the lock: the account has the limits of one end-user, and a reference more. */
static struct llm_account *take(struct llm_account *acc, const struct llm_account *tenant)
{
    struct llm_policy policy = {0};
    struct arena *none = NULL;
    Usec read_at = acc->read_at;

    for (int i = 0; i < LLM_SLOTS; i++) {
        policy.max[i] = tenant->policy.end_user[i];
        policy.end_user[i] = -1;
    }
    llm_account_set(acc, &policy, &none);
    acc->read_at = read_at;
    acc->called_at = time_mono();
    acc->refs++;
    return acc;
}

/* Under the lock. */
static struct llm_account *take_others(struct llm_limits *l, const struct llm_account *tenant)
{
    return take(account_of(l, subject_of(tenant->subject, "other end-users", S("")), true), tenant);
}

/* The store was asked when one called last, and let it in. */
static bool is_seen(const struct llm_account *acc)
{
    return acc->read_at && time_mono() - acc->read_at < SEEN_FOR;
}

Err llm_end_user_open(struct llm_limits *l, struct llm_account *tenant, Str name,
                      struct llm_account **ret_account)
{
    Id subject = subject_of(tenant->subject, "end-user", name);
    struct llm_account *acc = NULL;
    bool known = true;

    uv_mutex_lock(&l->lock);
    int64_t most = tenant->policy.end_users ? tenant->policy.end_users : LLM_END_USERS;
    bool limited = llm_policy_limits_end_users(&tenant->policy);
    if (limited) {
        acc = account_of(l, subject, false);
        acc = acc ? take(acc, tenant) : take_others(l, tenant);
    }
    bool see = acc && id_eq(acc->subject, subject) && !is_seen(acc);
    uv_mutex_unlock(&l->lock);
    Err e = OK;
    if (see) {
        AUTO(arena) *a = arena_new(KIB(16));
        e = store_model_end_user_see(l->db, a, tenant->subject, subject, most, &known);
        uv_mutex_lock(&l->lock);
        if (e == OK && known)
            acc->read_at = time_mono();
        if (e != OK || !known)
            acc->refs--;
        if (e == OK && !known)
            acc = take_others(l, tenant);
        uv_mutex_unlock(&l->lock);
    }
    if (e == OK)
        *ret_account = acc;
    return e;
}
