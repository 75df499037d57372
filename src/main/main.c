/* src/main/main.c - the door of the program; cli.c takes it from here. */
#include "base/crypto.h"
#include "main/cli.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    crypto_init();
    return cli_main(argc, (const char *const *)argv, (const char *const *)environ, cli_verbs);
}
