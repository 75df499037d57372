/* src/net/static.h - files that are part of the binary, served with ETag, ranges, gzip and brotli.
 */
#ifndef NET_STATIC_H
#define NET_STATIC_H

#include "net/router.h"

struct static_file {
    const char *path; /* "/index.html" */
    const char *type;
    const char *etag;  /* without quotes */
    bool immutable;    /* its name carries a hash: may be cached for a year */
    Str raw, gzip, br; /* n == 0: there is no such form */
};

/* The console's files, from tools/embed.py; ends with {0}; empty when it was not built. */
extern const struct static_file console_files[];

/* Serve req->path from @files (ends with {0}). A path without a dot that is no file gets @index
 * (the console routes by itself); E_NOT_FOUND otherwise. GET and HEAD. */
Err static_serve(const struct static_file *files, const char *index, struct req *req,
                 struct res *res) YIELDS;

#endif
