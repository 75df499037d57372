/* src/main/main.c - the door of the program; cli.c takes it from here. */
#include "base/crypto.h"
#include "main/cli.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

/* A standard stream that the caller closed is opened the wrong way round: using it fails as it
 * should, and no socket or database gets its number and what was meant for the terminal. */
static void fill_standard_files(void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", flags[fd]) != fd)
            _exit(1);
}

/* Without this a body of some 64 KiB is given back to the kernel when its request ends and asked
 * for again by the next one: tens of page faults each. */
static void keep_some_memory(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, 2 << 20); /* fails where the C library has no such thing */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

int main(int argc, char **argv)
{
    fill_standard_files();
    keep_some_memory();
    crypto_init();
    return cli_main(argc, (const char *const *)argv, (const char *const *)environ, cli_verbs);
}
