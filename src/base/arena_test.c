/* src/base/arena_test.c */
#include "base/arena.h"
#include "base/test.h"

#include <stdalign.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(arena_memory_is_zeroed_aligned_and_apart)
{
    AUTO(arena) *a = arena_new(MIB(8));
    char *last = NULL;

    for (size_t n = 0; n < 3000; n += 7) {
        char *p = arena_alloc(a, n);
        t_expect((uintptr_t)p % alignof(max_align_t) == 0);
        for (size_t i = 0; i < n; i++)
            t_expect(p[i] == 0);
        memset(p, 0xaa, n);
        t_expect(!last || p != last);
        last = p;
        char *q = arena_bytes(a, 3);
        memset(q, 0xbb, 3);
        t_expect(n == 0 || (unsigned char)p[n - 1] == 0xaa);
    }
    char *large = arena_alloc(a, MIB(1));
    memset(large, 1, MIB(1));
    struct {
        int a, b;
    } *pair = arena_new_of(a, __typeof__(*pair));
    t_expect(pair->a == 0 && pair->b == 0);
    int *many = arena_array(a, int, 100);
    t_expect(many[99] == 0);
}

TEST(an_arena_gives_no_more_than_its_maximum)
{
    AUTO(arena) *a = arena_new(KIB(100));
    size_t given = 0;

    t_expect(!arena_try(a, KIB(100) + 1));
    t_expect(!arena_try(a, SIZE_MAX));
    t_expect(!arena_try(a, SIZE_MAX - 4));
    t_expect(!arena_grow(a, NULL, 0, SIZE_MAX));
    while (arena_try(a, 1000))
        given += 1000;
    t_expect(given > KIB(60) && given <= KIB(100));
    t_expect(arena_used(a) <= KIB(100));
    t_expect_int(arena_max(a), KIB(100));
    arena_reset(a);
    t_expect(arena_used(a) < KIB(1));
    t_expect(arena_try(a, KIB(64)));
}

/* A promise of the code that is broken ends the process: tried in a child. */
TEST(an_arena_begins_with_as_much_as_it_is_asked_to)
{
    static const size_t sizes[] = {0, 100, 1024, 5000, KIB(64), MIB(1)};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(arena) *a = arena_new_sized(MIB(4), sizes[i]);
        size_t had = arena_used(a);
        t_expect(had >= 900 && had <= KIB(64));
        for (size_t left = had - 64; left >= 64; left -= 64)
            memset(arena_alloc(a, 32), 1, 32);
        t_expect_int(arena_used(a), had);
        memset(arena_alloc(a, had), 1, had);
        t_expect(arena_used(a) > had);
        arena_reset(a);
        t_expect_int(arena_used(a), had);
    }
}

TEST(passing_the_maximum_by_arena_alloc_ends_the_process)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct arena *a = arena_new(KIB(10));
        if (!freopen("/dev/null", "w", stderr))
            _exit(3);
        (void)arena_alloc(a, KIB(20));
        _exit(0);
    }
    t_expect(pid > 0 && waitpid(pid, &status, 0) == pid);
    t_expect(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
    t_expect(!(WIFEXITED(status) && WEXITSTATUS(status) == 3));
}

TEST(the_last_allocation_grows_in_place_and_others_by_copy)
{
    AUTO(arena) *a = arena_new(MIB(1));
    char *p = arena_try(a, 10);

    memcpy(p, "0123456789", 10);
    char *q = arena_grow(a, p, 10, 20);
    t_expect(q == p);
    memset(q + 10, 'x', 10);
    (void)arena_bytes(a, 1);
    char *r = arena_grow(a, q, 20, 30);
    t_expect(r && r != q && memcmp(r, "0123456789xxxxxxxxxx", 20) == 0);
    r = arena_grow(a, r, 30, KIB(200));
    t_expect(r && memcmp(r, "0123456789", 10) == 0);
    t_expect(!arena_grow(a, r, KIB(200), MIB(2)));
    t_expect(memcmp(r, "0123456789", 10) == 0);
    t_expect(arena_grow(a, NULL, 0, 5));
}

static char order[8];
static size_t n_order;

static void note(void *p)
{
    order[n_order++] = *(char *)p;
}

struct late {
    struct arena *a;
    char name;
};

static void note_and_defer(void *p)
{
    struct late *late = p;
    note(&late->name);
    arena_defer(late->a, note, "d");
}

TEST(deferred_calls_run_once_the_last_first)
{
    struct arena *a = arena_new(KIB(64));
    struct late late = {a, 'c'};

    n_order = 0;
    arena_defer(a, note, "a");
    arena_defer(a, note, "b");
    arena_defer(a, note_and_defer, &late);
    arena_reset(a);
    t_expect_str(str_from(order, n_order), S("cdba"));
    arena_reset(a);
    t_expect_int(n_order, 4);
    arena_defer(a, note, "e");
    arena_free(a);
    t_expect_str(str_from(order, n_order), S("cdbae"));
    arena_free(NULL);
}
