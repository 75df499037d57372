/* src/rt/context.c - stack switching on boost.context's C ABI (libboost_context.a).
 *
 * A switch costs 10-20 ns against 400 and more for swapcontext(), which makes a system call to save
 * the signal mask. The price is that the sanitizers have to be told about every switch, here.
 */
#include "rt/context.h"

#include "base/err.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CORO_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CORO_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define CORO_TSAN 1
#endif

#ifdef CORO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CORO_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(CORO_ASAN) || defined(HEDDLE_DEBUG)
#define CORO_PAINT 1
#endif

/* boost/context/detail/fcontext.hpp, as C. */
struct transfer {
    void *context;
    void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack_top, size_t size, void (*entry)(struct transfer));

enum {
    GUARD = 4096,
    POOL_MAX = 512,
    /* vm.max_map_count is 65,530 by default and a guarded stack takes two maps: beyond this many
     * the guard is left out, and neighbouring stacks merge into one map. */
    GUARDED_MAX = 24000,
    PAINT = 0xA5,
};

/* What the loop hands over at a switch: it lies on the loop's stack until the fiber goes back. */
struct pass {
    struct coro *loop, *to;
};

static void trampoline(struct transfer from)
{
    const struct pass *pass = from.data;
    struct coro *self = pass->to;

    pass->loop->context = from.context;
#ifdef CORO_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &size);
    pass->loop->bottom = (char *)(uintptr_t)bottom;
    pass->loop->size = size;
#endif
    self->entry(self->arg);
    DIE("a fiber returned from its last switch");
}

void coro_prepare(struct coro *c, void (*entry)(void *arg), void *arg)
{
    c->entry = entry;
    c->arg = arg;
    c->fake_stack = NULL;
    c->context = make_fcontext(c->bottom + c->size, c->size, trampoline);
#ifdef CORO_TSAN
    c->tsan = __tsan_create_fiber(0);
#endif
}

void coro_enter(struct coro *loop, struct coro *to)
{
    struct pass pass = {loop, to};
    void *context = to->context;

    to->context = NULL;
#ifdef CORO_ASAN
    __sanitizer_start_switch_fiber(&loop->fake_stack, to->bottom, to->size);
#endif
#ifdef CORO_TSAN
    loop->tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    struct transfer back = jump_fcontext(context, &pass);
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(loop->fake_stack, NULL, NULL);
#endif
    to->context = back.context;
}

void coro_leave(struct coro *from, struct coro *loop, bool last)
{
#ifdef CORO_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, loop->bottom, loop->size);
#else
    (void)last;
#endif
    (void)from;
#ifdef CORO_TSAN
    __tsan_switch_to_fiber(loop->tsan, 0);
#endif
    struct transfer in = jump_fcontext(loop->context, NULL);
    const struct pass *pass = in.data;
    pass->loop->context = in.context;
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

void coro_forget(struct coro *c)
{
#ifdef CORO_TSAN
    if (c->tsan)
        __tsan_destroy_fiber(c->tsan);
#endif
    c->tsan = NULL;
    c->context = NULL;
}

/* ---- stacks ---- */

char *coro_stack_take(struct coro_stacks *s)
{
    if (s->free) {
        char *bottom = s->free;
        memcpy(&s->free, bottom, sizeof s->free);
        s->n_free--;
        return bottom;
    }
    char *p = mmap(NULL, s->size + GUARD, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (s->n_mapped < GUARDED_MAX && mprotect(p, GUARD, PROT_NONE) != 0) {
        munmap(p, s->size + GUARD);
        return NULL;
    }
    p += GUARD;
    s->n_mapped++;
#ifdef CORO_PAINT
    memset(p, PAINT, s->size);
#endif
    return p;
}

void coro_stack_give(struct coro_stacks *s, char *bottom)
{
#ifdef CORO_ASAN
    __asan_unpoison_memory_region(bottom, s->size);
#endif
    if (s->n_free >= POOL_MAX) {
        munmap(bottom - GUARD, s->size + GUARD);
        s->n_mapped--;
        return;
    }
    memcpy(bottom, &s->free, sizeof s->free);
    s->free = bottom;
    s->n_free++;
}

void coro_stacks_done(struct coro_stacks *s)
{
    while (s->free) {
        char *bottom = s->free;
        memcpy(&s->free, bottom, sizeof s->free);
        munmap(bottom - GUARD, s->size + GUARD);
    }
    s->n_free = s->n_mapped = 0;
}

void coro_trim(struct coro *c)
{
#ifndef CORO_PAINT
    /* The saved context is the stack pointer; what lies below its page is not needed. */
    uintptr_t sp = (uintptr_t)c->context & ~(uintptr_t)4095;
    uintptr_t bottom = (uintptr_t)c->bottom;
    if (c->context && sp > bottom)
        madvise(c->bottom, sp - bottom, MADV_DONTNEED);
#else
    (void)c;
#endif
}

size_t coro_stack_depth(const struct coro *c)
{
#ifdef CORO_PAINT
    size_t untouched = sizeof(void *); /* the pool's link */
    while (untouched < c->size && (unsigned char)c->bottom[untouched] == PAINT)
        untouched++;
    return c->size - untouched;
#else
    (void)c;
    return 0;
#endif
}
