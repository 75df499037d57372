/* src/main/main.c - the door of the program; cli.c takes it from here. */
#include "base/crypto.h"
#include "main/cli.h"

#include <fcntl.h>
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

int main(int argc, char **argv)
{
    fill_standard_files();
    crypto_init();
    return cli_main(argc, (const char *const *)argv, (const char *const *)environ, cli_verbs);
}
