/* src/rt/metric.h - counters, gauges and histograms in the Prometheus text format (version 0.0.4).
 *
 * A metric is a static struct; a series is one set of label values of it. Series are looked up once
 * and kept; adding to one is one relaxed add to a cell of the calling thread. Rendering sums the
 * cells.
 *
 *     static struct metric runs = {"heddle_runs_total", "Runs by final state.", METRIC_COUNTER,
 * "state"}; metric_add(metric_series(&runs, "succeeded"), 1);
 */
#ifndef RT_METRIC_H
#define RT_METRIC_H

#include "base/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_series;

struct metric {
    const char *name;
    const char *help;
    enum metric_kind kind;
    const char *labels; /* names, comma-separated; NULL: none */
    const double
        *buckets; /* histogram: rising upper bounds ended by 0; NULL: 0.5 ms .. 60 s in seconds */
    bool micro;   /* counts millionths: shown as whole units, "1.250000" */
    struct metric_series *series; /* private */
    struct metric *next;          /* private */
    unsigned count;               /* private */
};

enum {
    METRIC_SERIES_MAX = 2000
}; /* of one metric; beyond it one series labelled "other" takes all */

/* The series with these label values (const char * each, as many as the metric has labels). Any
 * thread; takes a lock: keep the result where it matters. */
struct metric_series *metric_series(struct metric *m, ...);

void metric_add(struct metric_series *s, int64_t n);
void metric_set(struct metric_series *s, int64_t value); /* gauges, whole */
void metric_observe(struct metric_series *s, double value);
int64_t metric_value(struct metric_series *s); /* the sum; a histogram's count */

/* Called before each rendering, for gauges that are read off. Register once; any thread. */
void metric_on_render(void (*fn)(void));
/* All metrics with at least one series, sorted by name. */
void metric_render(struct buf *b);

#endif
