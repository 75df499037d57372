/* src/rt/context.h - switching between stacks: boost.context's two routines, and the sanitizers
 * told.
 *
 * Private to rt. A coro is a stack with a saved context on it. The loop's own stack is the one coro
 * of a shard that has no stack here; a switch always goes between it and one fiber's.
 */
#ifndef RT_CONTEXT_H
#define RT_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct coro {
    void *context;    /* where it goes on; NULL while it runs */
    char *bottom;     /* lowest usable byte of its stack */
    size_t size;      /* usable bytes */
    void *fake_stack; /* AddressSanitizer's */
    void *tsan;       /* ThreadSanitizer's */
    void (*entry)(void *arg);
    void *arg;
};

/* Make @c, whose bottom and size are set, begin with entry(arg) at the next switch to it. */
void coro_prepare(struct coro *c, void (*entry)(void *arg), void *arg);
/* From the loop to @to. Returns when @to goes back. */
void coro_enter(struct coro *loop, struct coro *to);
/* From @from back to the loop. Returns when it is entered again; never if @last. */
void coro_leave(struct coro *from, struct coro *loop, bool last);
/* Tell the sanitizers that @c is gone. */
void coro_forget(struct coro *c);

/* Stacks: mapped with a guard page below, kept in a pool of the calling thread. */
struct coro_stacks {
    void *free; /* list through the first words of free stacks */
    size_t n_free, n_mapped;
    size_t size; /* usable bytes of each, a multiple of the page size */
};
/* Gives the lowest usable byte; NULL when the system has no more. */
char *coro_stack_take(struct coro_stacks *s);
void coro_stack_give(struct coro_stacks *s, char *bottom);
void coro_stacks_done(struct coro_stacks *s);
/* Give the system back the pages of a waiting coro's stack that lie below its stack pointer. */
void coro_trim(struct coro *c);
/* Bytes ever used, where stacks are painted (debug builds and sanitizers); 0 elsewhere. */
size_t coro_stack_depth(const struct coro *c);

#endif
