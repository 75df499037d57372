/* src/rt/work.h - the pool of threads for what blocks or burns CPU.
 *
 * work_run() is not interrupted by cancellation or deadlines: the caller's frame must outlive the
 * job. A job must therefore be bounded by itself. Jobs get what they need through @arg and touch
 * nothing else of the shard.
 */
#ifndef RT_WORK_H
#define RT_WORK_H

#include "rt/fiber.h"

/* Run fn(arg) on a worker and give its error, with its record. E_OVERLOADED if 10,000 jobs wait. */
Err work_run(Err (*fn)(void *arg), void *arg) YIELDS;
/* The same when nobody waits: @done(arg), if any, is called on the calling shard's loop afterwards.
 */
void work_start(Err (*fn)(void *arg), void *arg, void (*done)(void *arg, Err e));

/* Reading and writing whole files by way of the pool. */
Err work_read_file(struct arena *a, const char *path, size_t max, Str *ret_content) YIELDS;

#endif
