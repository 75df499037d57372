/* src/base/banned.h - functions that are not used here; included into every file by the build. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The C library makes some of them macros (with FORTIFY on Clang), which may not be poisoned. */
#undef alloca
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol atof gmtime localtime      \
    ctime asctime
#pragma GCC poison mktemp tmpnam alloca

#endif
