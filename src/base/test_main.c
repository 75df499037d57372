/* src/base/test_main.c - runs the unit tests: heddle_tests [--list] [NAME-PART...]
 *
 * Prints a line for each failure and skip, and ends with "N passed, N failed, N skipped".
 */
#include "base/test.h"

#include "base/crypto.h"
#include "base/time.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const struct test_case __start_heddle_tests[], __stop_heddle_tests[];

static const struct test_case *current;
static bool failed, skipped;
static char dir[256];
static struct arena *arena;

void t_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    failed = true;
    printf("FAIL %s\n     %s:%d: ", current->name, file, line);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
}

void t_skip(const char *why)
{
    skipped = true;
    printf("skip %s (%s)\n", current->name, why);
}

const char *t_dir(void)
{
    if (!dir[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(dir, sizeof dir, "%s/heddle-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(dir))
            DIE("cannot make a test directory %s", dir);
    }
    return dir;
}

const char *t_data(void)
{
    const char *path = getenv("HEDDLE_TEST_DATA");
    return path && access(path, R_OK) == 0 ? path : NULL;
}

struct arena *t_arena(void)
{
    if (!arena)
        arena = arena_new(MIB(512));
    return arena;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void run(const struct test_case *t)
{
    current = t;
    failed = skipped = false;
    t->run();
    arena_free(arena);
    arena = NULL;
    if (dir[0])
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    dir[0] = 0;
}

static bool chosen(const struct test_case *t, int argc, char **argv)
{
    if (argc < 2)
        return true;
    for (int i = 1; i < argc; i++)
        if (strstr(t->name, argv[i]) || strstr(t->file, argv[i]))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    int n_passed = 0, n_failed = 0, n_skipped = 0;
    bool list = argc > 1 && strcmp(argv[1], "--list") == 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    crypto_init();
    for (const struct test_case *t = __start_heddle_tests; t < __stop_heddle_tests; t++) {
        if (list) {
            printf("%s\n", t->name);
            continue;
        }
        if (!chosen(t, argc, argv))
            continue;
        Usec started = time_mono();
        if (getenv("HEDDLE_TEST_VERBOSE"))
            printf("run  %s\n", t->name);
        run(t);
        if (time_mono() - started > 5 * USEC_S)
            printf("slow %s (%lld ms)\n", t->name, (long long)((time_mono() - started) / USEC_MS));
        if (failed)
            n_failed++;
        else if (skipped)
            n_skipped++;
        else
            n_passed++;
    }
    if (!list)
        printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return n_failed ? 1 : 0;
}
