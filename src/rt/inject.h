/* src/rt/inject.h - named places where tests make things go wrong.
 *
 *     TRY(INJECT("store.commit.before"));
 *
 * Off, a point costs one predictable branch. HEDDLE_INJECT (or inject_set) arms points:
 *     point=action[@n][,...]     action: crash | error:E_CODE | delay:20ms | stop
 * "@3" means the third time only, "@3+" from the third time on, "@p0.01" by chance (seed in
 * HEDDLE_INJECT_SEED); without it, every time. "crash" is SIGKILL to itself, "stop" is SIGSTOP. A
 * point may be armed by prefix: "store.*=error:E_IO@p0.05". With HEDDLE_INJECT=list every point is
 * printed to standard error the first time it is passed.
 */
#ifndef RT_INJECT_H
#define RT_INJECT_H

#include "base/str.h"

extern bool inject_armed;

/* Other threads may be arming just now. */
#define INJECT_ARMED() __builtin_expect(__atomic_load_n(&inject_armed, __ATOMIC_RELAXED), 0)
#define INJECT(point) (INJECT_ARMED() ? inject_hit(point) : OK)
/* For places that cannot fail: an error action there is ignored. */
#define INJECT_VOID(point) ((void)(INJECT_ARMED() && inject_hit(point)))

/* Blocks for "delay": on a fiber it holds the shard, on purpose. Any thread. */
Err inject_hit(const char *point);
/* Arm from text; "" disarms all. E_SYNTAX with a detail. */
Err inject_set(Str spec);
/* From the environment; called once at start. */
Err inject_from_env(void);
/* How often an armed point was passed. */
uint64_t inject_count(const char *point);

#endif
