/* src/wf/folder.h - files in folders that the operator has opened for workflows.
 *
 * A path leads from an opened folder down, name by name, and over no symbolic link: nobody gets
 * anywhere else, whatever is put there while it is looked at.
 */
#ifndef WF_FOLDER_H
#define WF_FOLDER_H

#include "base/vec.h"
#include "rt/fiber.h"

enum { FOLDER_FILES_MAX = 50000 };

struct folder_file {
    Str name; /* UTF-8 */
    int64_t size;
    int64_t mtime_ns;
};
struct folder_files {
    VEC(struct folder_file) list;
    int odd; /* files whose names are not UTF-8: they are not in the list */
};

/* Why @path cannot be that of a folder; NULL: it can. */
const char *folder_path_fault(Str path);
/* Whether @path is in one of @roots ("/a,/b"): E_INVALID with a detail. */
Err folder_check(Str roots, Str path);
/* The regular files in it whose names match @pattern (base/glob.h). E_NOT_FOUND, E_FORBIDDEN,
 * E_TOO_LARGE, E_IO with details. */
Err folder_list(struct arena *a, Str roots, Str path, Str pattern, struct folder_files *ret_files)
    YIELDS;
/* What is in a file that looks as @file does; E_CONFLICT when it does not any more. */
Err folder_read(struct arena *a, Str roots, Str path, const struct folder_file *file,
                Str *ret_content) YIELDS;

#endif
