/* src/rt/inject.c - the table of armed injection points, and what happens at them.
 *
 * Rules are few and replaced whole. A passed point is found by its name in a second small table,
 * which counts it; the chance of "@p" comes from the seed, the point and that count, so that a run
 * can be repeated whatever the threads do.
 */
#include "rt/inject.h"
#include "base/time.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { RULES_MAX = 64, POINTS_MAX = 512, NAME_MAX_BYTES = 64 };
#define DELAY_MAX (10 * USEC_MIN)

enum action { ACT_CRASH, ACT_ERROR, ACT_DELAY, ACT_STOP };
enum when { WHEN_ALWAYS, WHEN_NTH, WHEN_FROM_NTH, WHEN_CHANCE };

struct rule {
    char name[NAME_MAX_BYTES]; /* without the "*" */
    bool prefix;
    enum action action;
    Err code;
    Usec delay;
    enum when when;
    uint64_t nth;
    double chance;
    uint64_t passed;
};

struct rules {
    struct rule at[RULES_MAX];
    size_t n;
    bool list;
};

struct point {
    char name[NAME_MAX_BYTES];
    uint64_t passed;
};

bool inject_armed;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rules armed;
static struct point points[POINTS_MAX];
static size_t n_points;
static uint64_t seed = 1;

static Err syntax(Str item, const char *why)
{
    return err_detail(E_SYNTAX, "injection \"%.*s\": %s", P(item), why);
}

static Err parse_code(Str item, Str name, Err *ret_code)
{
    for (int i = 1; i < ERR_COUNT; i++) {
        if (str_eq(name, str_c(err_name((Err)i)))) {
            *ret_code = (Err)i;
            return OK;
        }
    }
    return syntax(item, "unknown error code");
}

static Err parse_action(Str item, Str action, struct rule *r)
{
    if (str_eq(action, S("crash"))) {
        r->action = ACT_CRASH;
    } else if (str_eq(action, S("stop"))) {
        r->action = ACT_STOP;
    } else if (str_starts(action, S("error:"))) {
        r->action = ACT_ERROR;
        return parse_code(item, str_skip(action, 6), &r->code);
    } else if (str_starts(action, S("delay:"))) {
        r->action = ACT_DELAY;
        Err e = time_parse_span(str_skip(action, 6), &r->delay);
        if (e != OK || r->delay < 0 || r->delay > DELAY_MAX)
            return syntax(item, "a delay is a span of at most 10m");
    } else {
        return syntax(item, "the action is crash, stop, error:E_CODE or delay:SPAN");
    }
    return OK;
}

/* "p0.01": digits and one point only, no locale. */
static Err parse_chance(Str item, Str s, struct rule *r)
{
    double value = 0, unit = 1;
    bool point = false;

    r->when = WHEN_CHANCE;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && !point) {
            point = true;
        } else if (s.p[i] >= '0' && s.p[i] <= '9') {
            value = value * 10 + (s.p[i] - '0');
            unit *= point ? 10 : 1;
        } else {
            return syntax(item, "a chance is a number from 0 to 1");
        }
    }
    r->chance = value / unit;
    return s.n && s.n < 16 && r->chance <= 1 ? OK
                                             : syntax(item, "a chance is a number from 0 to 1");
}

static Err parse_when(Str item, Str when, struct rule *r)
{
    if (!when.p) {
        r->when = WHEN_ALWAYS;
        return OK;
    }
    if (str_starts(when, S("p")))
        return parse_chance(item, str_skip(when, 1), r);
    r->when = str_ends(when, S("+")) ? WHEN_FROM_NTH : WHEN_NTH;
    if (r->when == WHEN_FROM_NTH)
        when.n--;
    if (str_to_u64(when, &r->nth) != OK || r->nth == 0)
        return syntax(item, "after @ stands N, N+ or pCHANCE");
    return OK;
}

static Err parse_rule(Str item, struct rule *r)
{
    Str name, action;
    Str rest = str_cut(item, '=', &name);

    if (!rest.p)
        return syntax(item, "a point is armed as point=action");
    Str when = str_cut(rest, '@', &action);
    if (str_ends(name, S("*"))) {
        r->prefix = true;
        name.n--;
    }
    if (name.n >= sizeof r->name || (name.n == 0 && !r->prefix))
        return syntax(item, "the name of the point is empty or too long");
    if (name.n)
        memcpy(r->name, name.p, name.n);
    TRY(parse_action(item, action, r));
    return parse_when(item, when, r);
}

static Err parse_rules(Str spec, struct rules *rules)
{
    Str item;

    for (Str rest = spec; rest.p;) {
        rest = str_cut(rest, ',', &item);
        item = str_trim(item);
        if (str_is_empty(item))
            continue;
        if (str_eq(item, S("list"))) {
            rules->list = true;
            continue;
        }
        if (rules->n == RULES_MAX)
            return syntax(item, "too many points");
        TRY(parse_rule(item, &rules->at[rules->n]));
        rules->n++;
    }
    return OK;
}

Err inject_set(Str spec)
{
    struct rules *rules = calloc(1, sizeof *rules);

    if (!rules)
        DIE("out of memory");
    Err e = parse_rules(spec, rules);
    if (e == OK) {
        pthread_mutex_lock(&lock);
        armed = *rules;
        memset(points, 0, sizeof points);
        n_points = 0;
        __atomic_store_n(&inject_armed, armed.n || armed.list, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&lock);
    }
    free(rules);
    return e;
}

Err inject_from_env(void)
{
    const char *spec = getenv("HEDDLE_INJECT"), *seed_text = getenv("HEDDLE_INJECT_SEED");

    if (seed_text && str_to_u64(str_c(seed_text), &seed) != OK)
        return err_detail(E_SYNTAX, "HEDDLE_INJECT_SEED=%s is not a whole number", seed_text);
    return spec ? inject_set(str_c(spec)) : OK;
}

static bool rule_matches(const struct rule *r, Str name)
{
    Str own = str_c(r->name);
    return r->prefix ? str_starts(name, own) : str_eq(name, own);
}

/* Counts the passing; NULL when the table is full. */
static struct point *point_pass(Str name)
{
    size_t i = 0;

    while (i < n_points && !str_eq(str_c(points[i].name), name))
        i++;
    if (i == POINTS_MAX || name.n >= NAME_MAX_BYTES)
        return NULL;
    if (i == n_points) {
        memcpy(points[i].name, name.p, name.n);
        n_points++;
        if (armed.list)
            fprintf(stderr, "inject: %s\n", points[i].name);
    }
    points[i].passed++;
    return &points[i];
}

static bool by_chance(const struct rule *r, Str name)
{
    uint64_t x = seed ^ str_hash(name) ^ r->passed * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53 < r->chance;
}

static bool rule_strikes(struct rule *r, Str name)
{
    r->passed++;
    switch (r->when) {
    case WHEN_NTH:
        return r->passed == r->nth;
    case WHEN_FROM_NTH:
        return r->passed >= r->nth;
    case WHEN_CHANCE:
        return by_chance(r, name);
    case WHEN_ALWAYS:
        break;
    }
    return true;
}

/* The first rule that strikes here, copied. */
static bool find_strike(Str name, struct rule *ret_rule)
{
    bool found = false;

    pthread_mutex_lock(&lock);
    point_pass(name);
    for (size_t i = 0; i < armed.n && !found; i++) {
        struct rule *r = &armed.at[i];
        if (rule_matches(r, name) && rule_strikes(r, name)) {
            *ret_rule = *r;
            found = true;
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void hold(Usec span)
{
    struct timespec left = {.tv_sec = span / USEC_S, .tv_nsec = span % USEC_S * 1000};

    while (nanosleep(&left, &left) != 0)
        ;
}

Err inject_hit(const char *point)
{
    struct rule rule;

    if (!find_strike(str_c(point), &rule))
        return OK;
    switch (rule.action) {
    case ACT_CRASH:
        kill(getpid(), SIGKILL);
        for (;;)
            pause(); /* the signal may take another thread first */
    case ACT_STOP:
        kill(getpid(), SIGSTOP);
        break;
    case ACT_DELAY:
        hold(rule.delay);
        break;
    case ACT_ERROR:
        return err_set(rule.code, "injected at %s", point);
    }
    return OK;
}

uint64_t inject_count(const char *point)
{
    Str name = str_c(point);
    uint64_t passed = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_points; i++)
        if (str_eq(str_c(points[i].name), name))
            passed = points[i].passed;
    pthread_mutex_unlock(&lock);
    return passed;
}
