/* src/main/signals.h - Unix signals for a fiber: one at a time, in order. */
#ifndef MAIN_SIGNALS_H
#define MAIN_SIGNALS_H

#include "rt/fiber.h"

enum { SIGNALS_MAX = 4 };

struct signals {
    uv_signal_t handles[SIGNALS_MAX];
    int numbers[SIGNALS_MAX];
    unsigned counts[SIGNALS_MAX];
    int n, open;
    struct wait_queue waiters;
};

/* Catch @numbers (ended by 0) on this shard. In place: the memory stays until signals_done
 * returned. */
void signals_init(struct signals *s, const int *numbers);
/* The next one that came. E_TIMEOUT, E_CANCELLED. */
Err signals_next(struct signals *s, Usec deadline, int *ret_number) YIELDS;
void signals_done(struct signals *s) YIELDS;

#endif
