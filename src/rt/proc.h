/* src/rt/proc.h - child processes: bounded in time and output, never left behind. */
#ifndef RT_PROC_H
#define RT_PROC_H

#include "rt/fiber.h"

struct proc_call {
    const char *const *argv; /* ended by NULL; argv[0] is looked up in PATH */
    const char *const *env;  /* ended by NULL; NULL: none but PATH, LANG=C.UTF-8 */
    const char *dir;         /* working directory; NULL: / */
    Str input;               /* to its standard input, then closed */
    size_t
        max_output; /* of each of stdout and stderr, 0: 1 MiB; more is E_TOO_LARGE and kills it */
    Usec deadline;  /* monotonic, 0: 30 s from now; passing it kills the whole process group */
};

struct proc_reply {
    int status; /* exit status, or 128 + signal */
    Str out, err;
};

/* Run to the end; any exit status is OK. Cancel and deadline kill the process group and wait for
 * it. What the child leaves running in its group is killed at its end, and the kernel kills the
 * child if this process dies. E_NOT_FOUND if there is no such program. */
Err proc_run(struct arena *a, const struct proc_call *call, struct proc_reply *ret_reply) YIELDS;

#endif
