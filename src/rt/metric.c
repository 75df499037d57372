/* src/rt/metric.c - series as numbered cells, one copy of each cell for each thread.
 *
 * A series owns a run of cells. A thread keeps its copies in pages of its own, so adding is a plain
 * load and store that no other thread contends for; reading sums over the threads. A thread that
 * ends leaves its pages to the next one that starts: what it counted stays counted. The registry is
 * under a read-write lock that adding never takes.
 */
#include "rt/metric.h"
#include "base/map.h"
#include "base/utf8.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

enum {
    PAGE_CELLS = 512,
    PAGES_MAX = 4096,
    LABELS_MAX = 8,
    KEY_MAX = 1024,
    HOOKS_MAX = 64,
    BUCKETS_MAX = 40,
};

typedef _Atomic int64_t Cell;

struct metric_series {
    struct metric *metric;
    struct metric_series *next;
    uint32_t cell;        /* number of its first cell */
    uint32_t n_buckets;   /* histograms: without +Inf; cells are buckets, +Inf, sum */
    const double *bounds; /* histograms */
    Cell base;            /* what metric_set made of a gauge, apart from the cells */
    size_t labels_n;
    char labels[]; /* as it stands between the braces */
};

/* What one thread counted. Never freed. */
struct thread_cells {
    _Atomic(Cell *) pages[PAGES_MAX];
    struct thread_cells *next;      /* of all */
    struct thread_cells *next_free; /* whose thread has ended */
};

static const double default_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                        0.5,    1,     2.5,    5,     10,   30,    60,   0};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct map *by_key; /* name and label values -> series */
static struct metric *metrics;
static size_t n_metrics;
static uint32_t n_cells;
static void (*hooks[HOOKS_MAX])(void);
static size_t n_hooks;

static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread_cells *_Atomic threads;
static struct thread_cells *free_threads;
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;
static _Thread_local struct thread_cells *own_cells;

/* ---- cells ---- */

static void thread_end(void *p)
{
    struct thread_cells *t = p;

    pthread_mutex_lock(&threads_lock);
    t->next_free = free_threads;
    free_threads = t;
    own_cells = NULL;
    pthread_mutex_unlock(&threads_lock);
}

static void make_key(void)
{
    if (pthread_key_create(&thread_key, thread_end) != 0)
        DIE("no thread key left");
}

static struct thread_cells *thread_start(void)
{
    pthread_once(&thread_once, make_key);
    pthread_mutex_lock(&threads_lock);
    struct thread_cells *t = free_threads;
    if (t) {
        free_threads = t->next_free;
    } else {
        t = calloc(1, sizeof *t);
        if (!t)
            DIE("out of memory");
        t->next = atomic_load(&threads);
        atomic_store(&threads, t);
    }
    pthread_mutex_unlock(&threads_lock);
    pthread_setspecific(thread_key, t);
    own_cells = t;
    return t;
}

static Cell *page_new(struct thread_cells *t, uint32_t page)
{
    Cell *cells = calloc(PAGE_CELLS, sizeof *cells);

    if (!cells)
        DIE("out of memory");
    atomic_store_explicit(&t->pages[page], cells, memory_order_release);
    return cells;
}

/* This thread's copy of cell @i. */
static Cell *own_cell(uint32_t i)
{
    struct thread_cells *t = own_cells;

    if (__builtin_expect(!t, 0))
        t = thread_start();
    Cell *page = atomic_load_explicit(&t->pages[i / PAGE_CELLS], memory_order_relaxed);
    if (__builtin_expect(!page, 0))
        page = page_new(t, i / PAGE_CELLS);
    return &page[i % PAGE_CELLS];
}

/* Only the owner writes, so this is no read-modify-write to others. */
static void cell_add(Cell *c, int64_t n)
{
    int64_t was = atomic_load_explicit(c, memory_order_relaxed);
    atomic_store_explicit(c, (int64_t)((uint64_t)was + (uint64_t)n), memory_order_relaxed);
}

static Cell *cell_of(struct thread_cells *t, uint32_t i)
{
    Cell *page = atomic_load_explicit(&t->pages[i / PAGE_CELLS], memory_order_acquire);
    return page ? &page[i % PAGE_CELLS] : NULL;
}

static int64_t cell_sum(uint32_t i)
{
    uint64_t sum = 0;

    for (struct thread_cells *t = atomic_load(&threads); t; t = t->next) {
        Cell *c = cell_of(t, i);
        if (c)
            sum += (uint64_t)atomic_load_explicit(c, memory_order_relaxed);
    }
    return (int64_t)sum;
}

static double bits_double(int64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static int64_t double_bits(double d)
{
    int64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static double cell_sum_double(uint32_t i)
{
    double sum = 0;

    for (struct thread_cells *t = atomic_load(&threads); t; t = t->next) {
        Cell *c = cell_of(t, i);
        if (c)
            sum += bits_double(atomic_load_explicit(c, memory_order_relaxed));
    }
    return sum;
}

/* ---- registry ---- */

static bool name_is_valid(const char *name)
{
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        if (!letter && !(c > name && *c >= '0' && *c <= '9'))
            return false;
    }
    return *name != 0;
}

/* A metric is part of the program: a bad one is a mistake in it. */
static void metric_check(const struct metric *m)
{
    size_t n = strlen(m->name);
    bool total = n > 6 && strcmp(m->name + n - 6, "_total") == 0;

    if (!name_is_valid(m->name) || total != (m->kind == METRIC_COUNTER))
        DIE("metric %s: bad name (counters, and they alone, end in _total)", m->name);
    for (const struct metric *other = metrics; other; other = other->next)
        if (strcmp(other->name, m->name) == 0)
            DIE("metric %s is there twice", m->name);
}

/* Help texts escape all but the quote. */
static void add_escaped(struct buf *b, Str value, bool quote)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\\' || (quote && c == '"'))
            buf_add_char(b, '\\');
        if (c == '\n')
            buf_add(b, S("\\n"));
        else
            buf_add_char(b, c);
    }
}

/* name="value",... of @values into @b. Values that are no UTF-8 are cut where they stop to be. */
static void add_labels(struct buf *b, const struct metric *m, const Str *values)
{
    Str name;
    size_t i = 0;

    for (Str rest = str_c(m->labels); m->labels && rest.p; i++) {
        rest = str_cut(rest, ',', &name);
        if (i)
            buf_add_char(b, ',');
        buf_add(b, str_trim(name));
        buf_add(b, S("=\""));
        add_escaped(b, str_head(values[i], utf8_valid_prefix(values[i])), true);
        buf_add_char(b, '"');
    }
}

static size_t label_count(const struct metric *m)
{
    size_t n = m->labels ? 1 : 0;

    for (const char *c = m->labels; c && *c; c++)
        n += *c == ',';
    if (n > LABELS_MAX)
        DIE("metric %s has more than %d labels", m->name, LABELS_MAX);
    return n;
}

/* @labels stands in the key as in the output, so equal keys are equal series. Under the write lock.
 */
static struct metric_series *series_new(struct metric *m, Str key, Str labels)
{
    struct metric_series *s = calloc(1, sizeof *s + labels.n + 1);
    uint32_t cells = 1;

    if (!s)
        DIE("out of memory");
    s->metric = m;
    s->labels_n = labels.n;
    if (labels.n)
        memcpy(s->labels, labels.p, labels.n);
    if (m->kind == METRIC_HISTOGRAM) {
        s->bounds = m->buckets ? m->buckets : default_bounds;
        while (s->bounds[s->n_buckets] != 0 && s->n_buckets < BUCKETS_MAX)
            s->n_buckets++;
        cells = s->n_buckets + 2;
    }
    if (n_cells + cells > (uint32_t)PAGE_CELLS * PAGES_MAX)
        DIE("too many metric series");
    s->cell = n_cells;
    n_cells += cells;
    if (!m->series) {
        metric_check(m);
        m->next = metrics;
        metrics = m;
        n_metrics++;
    }
    s->next = m->series;
    m->series = s;
    m->count++;
    map_put(by_key, key, s);
    return s;
}

static struct metric_series *series_find(Str key)
{
    pthread_rwlock_rdlock(&lock);
    struct metric_series *s = by_key ? map_get(by_key, key) : NULL;
    pthread_rwlock_unlock(&lock);
    return s;
}

static void make_series_key(struct buf *key, const struct metric *m, const Str *values, Str *labels)
{
    buf_reset(key);
    buf_add_c(key, m->name);
    buf_add_char(key, '{');
    size_t at = key->n;
    add_labels(key, m, values);
    *labels = str_skip(buf_str(key), at);
}

struct metric_series *metric_series(struct metric *m, ...)
{
    AUTO_BUF(key, MIB(1));
    Str values[LABELS_MAX] = {0}, labels;
    size_t n = label_count(m);
    va_list ap;

    va_start(ap, m);
    for (size_t i = 0; i < n; i++)
        values[i] = str_head(str_c(va_arg(ap, const char *)), KEY_MAX);
    va_end(ap);
    make_series_key(&key, m, values, &labels);
    struct metric_series *s = series_find(buf_str(&key));
    if (s)
        return s;

    pthread_rwlock_wrlock(&lock);
    if (!by_key)
        by_key = map_new();
    if (m->count >= METRIC_SERIES_MAX - 1 && !map_get(by_key, buf_str(&key))) {
        for (size_t i = 0; i < n; i++)
            values[i] = S("other");
        make_series_key(&key, m, values, &labels);
    }
    s = map_get(by_key, buf_str(&key));
    if (!s)
        s = series_new(m, buf_str(&key), labels);
    pthread_rwlock_unlock(&lock);
    return s;
}

/* ---- counting ---- */

void metric_add(struct metric_series *s, int64_t n)
{
    cell_add(own_cell(s->cell), n);
}

void metric_set(struct metric_series *s, int64_t value)
{
    atomic_store_explicit(&s->base, value - cell_sum(s->cell), memory_order_relaxed);
}

void metric_observe(struct metric_series *s, double value)
{
    uint32_t i = 0;

    if (isnan(value))
        return;
    while (i < s->n_buckets && value > s->bounds[i])
        i++;
    cell_add(own_cell(s->cell + i), 1);
    Cell *sum = own_cell(s->cell + s->n_buckets + 1);
    double was = bits_double(atomic_load_explicit(sum, memory_order_relaxed));
    atomic_store_explicit(sum, double_bits(was + value), memory_order_relaxed);
}

int64_t metric_value(struct metric_series *s)
{
    int64_t sum = 0;

    if (s->metric->kind != METRIC_HISTOGRAM)
        return cell_sum(s->cell) + atomic_load_explicit(&s->base, memory_order_relaxed);
    for (uint32_t i = 0; i <= s->n_buckets; i++)
        sum += cell_sum(s->cell + i);
    return sum;
}

/* ---- rendering ---- */

void metric_on_render(void (*fn)(void))
{
    pthread_rwlock_wrlock(&lock);
    if (n_hooks == HOOKS_MAX)
        DIE("too many metric hooks");
    hooks[n_hooks++] = fn;
    pthread_rwlock_unlock(&lock);
}

/* name[suffix]{labels,extra} */
static void add_series_name(struct buf *b, const struct metric_series *s, const char *suffix,
                            const char *extra)
{
    buf_add_c(b, s->metric->name);
    buf_add_c(b, suffix);
    if (s->labels_n || extra) {
        buf_add_char(b, '{');
        buf_add(b, (Str){s->labels, s->labels_n});
        if (s->labels_n && extra)
            buf_add_char(b, ',');
        buf_add_c(b, extra);
        buf_add_char(b, '}');
    }
    buf_add_char(b, ' ');
}

static void render_histogram(struct buf *b, const struct metric_series *s)
{
    int64_t sum = 0;
    char le[48];

    for (uint32_t i = 0; i <= s->n_buckets; i++) {
        sum += cell_sum(s->cell + i);
        if (i < s->n_buckets)
            snprintf(le, sizeof le, "le=\"%.12g\"", s->bounds[i]);
        else
            snprintf(le, sizeof le, "le=\"+Inf\"");
        add_series_name(b, s, "_bucket", le);
        buf_add_i64(b, sum);
        buf_add_char(b, '\n');
    }
    add_series_name(b, s, "_sum", NULL);
    buf_add_fmt(b, "%.17g\n", cell_sum_double(s->cell + s->n_buckets + 1));
    add_series_name(b, s, "_count", NULL);
    buf_add_i64(b, sum);
    buf_add_char(b, '\n');
}

static void render_value(struct buf *b, const struct metric *m, int64_t value)
{
    if (m->micro)
        buf_add_fmt(b, "%.6f", (double)value / 1e6);
    else
        buf_add_i64(b, value);
}

static void render_metric(struct buf *b, const struct metric *m)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    buf_add_fmt(b, "# HELP %s ", m->name);
    add_escaped(b, str_c(m->help), false);
    buf_add_fmt(b, "\n# TYPE %s %s\n", m->name, kinds[m->kind]);
    for (struct metric_series *s = m->series; s; s = s->next) {
        if (m->kind == METRIC_HISTOGRAM) {
            render_histogram(b, s);
            continue;
        }
        add_series_name(b, s, "", NULL);
        render_value(b, m, metric_value(s));
        buf_add_char(b, '\n');
    }
}

static int by_name(const void *x, const void *y)
{
    const struct metric *const *a = x, *const *b = y;
    return strcmp((*a)->name, (*b)->name);
}

static void run_hooks(void)
{
    void (*copy[HOOKS_MAX])(void);

    pthread_rwlock_rdlock(&lock);
    size_t n = n_hooks;
    memcpy(copy, hooks, n * sizeof copy[0]);
    pthread_rwlock_unlock(&lock);
    for (size_t i = 0; i < n; i++)
        copy[i]();
}

void metric_render(struct buf *b)
{
    run_hooks(); /* they make and set series: not under the lock */
    pthread_rwlock_rdlock(&lock);
    const struct metric **sorted = calloc(n_metrics + 1, sizeof *sorted);
    size_t n = 0;
    if (!sorted)
        DIE("out of memory");
    for (const struct metric *m = metrics; m; m = m->next)
        sorted[n++] = m;
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++)
        render_metric(b, sorted[i]);
    pthread_rwlock_unlock(&lock);
    free(sorted);
}
