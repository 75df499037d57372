/* src/main/versions.h - the libraries in this process: as compiled against, and as loaded. */
#ifndef MAIN_VERSIONS_H
#define MAIN_VERSIONS_H

#include "base/arena.h"

struct library {
    const char *name;
    Str built, loaded; /* equal where the library gives only one */
};

/* All of them, ended by {0}, in @a. */
const struct library *versions_list(struct arena *a);
/* "GCC 12.2.0", "Clang 14.0.6". */
Str versions_compiler(struct arena *a);

#endif
