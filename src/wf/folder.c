/* src/wf/folder.c - see folder.h. All calls that may block are made by workers. */
#include "wf/folder.h"

#include "base/arena.h"
#include "base/glob.h"
#include "base/utf8.h"
#include "rt/inject.h"
#include "rt/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 1000 };

const char *folder_path_fault(Str path)
{
    Str rest = path, name;

    if (!path.n || path.p[0] != '/')
        return "The folder must be an absolute path, such as \"/srv/inbox\".";
    if (path.n > PATH_BYTES || str_find_char(path, 0) < path.n || !utf8_valid(path))
        return "The path of the folder is too long, or not text.";
    rest = str_skip(rest, 1);
    while (rest.p && rest.n) {
        rest = str_cut(rest, '/', &name);
        if (!name.n || name.n > 255 || str_eq(name, S(".")) || str_eq(name, S("..")))
            return "The path of the folder leads from name to name: there is no \".\", no \"..\", "
                   "no \"//\" and no \"/\" at the end.";
    }
    return path.n > 1 && path.p[path.n - 1] == '/' ? "The path of the folder ends with \"/\"."
                                                   : NULL;
}

/* The root that @path is in, and the way from there. */
static bool find_root(Str roots, Str path, Str *ret_root, Str *ret_below)
{
    Str rest = roots, root;

    while (rest.p) {
        rest = str_cut(rest, ',', &root);
        root = str_trim(root);
        while (root.n > 1 && root.p[root.n - 1] == '/')
            root.n--;
        if (!root.n || root.p[0] != '/' || !str_starts(path, root))
            continue;
        *ret_root = root;
        *ret_below = str_skip(path, root.n == 1 ? 0 : root.n);
        if (!ret_below->n || ret_below->p[0] == '/')
            return true;
    }
    return false;
}

Err folder_check(Str roots, Str path)
{
    const char *fault = folder_path_fault(path);
    Str root, below;

    if (fault)
        return err_detail(E_INVALID, "%s", fault);
    if (!find_root(roots, path, &root, &below))
        return err_detail(E_INVALID,
                          "No workflow may watch \"%.*s\": the operator opens folders by the "
                          "setting triggers.folders.",
                          P(str_head(path, 200)));
    return OK;
}

static Err err_of(int error, Str path)
{
    if (error == ENOENT || error == ENOTDIR || error == ELOOP)
        return err_detail(E_NOT_FOUND, "There is no folder \"%.*s\", or a link leads there.",
                          P(str_head(path, 200)));
    if (error == EACCES || error == EPERM)
        return err_detail(E_FORBIDDEN, "The server may not read the folder \"%.*s\".",
                          P(str_head(path, 200)));
    return err_detail(E_IO, "The folder \"%.*s\" cannot be read: error %d of the system.",
                      P(str_head(path, 200)), error);
}

/* Whoever asked for the file names it. */
static Err err_of_file(int error)
{
    if (error == ENOENT || error == ELOOP)
        return err_set(E_CONFLICT, "the file is gone");
    if (error == EACCES || error == EPERM)
        return err_detail(E_FORBIDDEN, "The server may not read this file.");
    return err_detail(E_IO, "The file cannot be read: error %d of the system.", error);
}

/* Down from the root, name by name. */
static Err open_folder(Str roots, Str path, int *ret_fd)
{
    char text[PATH_BYTES + 1];
    Str root, below, name;

    TRY(folder_check(roots, path));
    (void)find_root(roots, path, &root, &below); /* it was checked */
    memcpy(text, root.p, root.n);
    text[root.n] = 0;
    int fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && below.p && below.n) {
        below = str_cut(str_skip(below, below.p[0] == '/'), '/', &name);
        memcpy(text, name.p, name.n);
        text[name.n] = 0;
        int next = openat(fd, text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        close(fd);
        errno = error;
        fd = next;
    }
    if (fd < 0)
        return err_of(errno, path);
    *ret_fd = fd;
    return OK;
}

/* ---- listing ---- */

struct listing {
    struct arena *a;
    Str roots, path;
    Str pattern;
    struct folder_files files;
};

/* A name that begins with a dot is meant only by a pattern that does. */
static bool is_meant(const struct listing *l, Str name)
{
    bool hidden = str_starts(name, S("."));

    return (!hidden || str_starts(l->pattern, S("."))) && glob_matches(l->pattern, name);
}

static Err add_file(struct listing *l, int fd, const char *name)
{
    bool odd = !utf8_valid(str_c(name)); /* no pattern can say it */
    struct stat st;

    if ((!odd && !is_meant(l, str_c(name))) || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return OK; /* also one that went away just now */
    if (odd) {
        l->files.odd++;
        return OK;
    }
    if (l->files.list.n == FOLDER_FILES_MAX)
        return err_detail(E_TOO_LARGE, "There are more than %d files in the folder \"%.*s\".",
                          FOLDER_FILES_MAX, P(str_head(l->path, 200)));
    vec_push(l->a, &l->files.list,
             ((struct folder_file){str_dup(l->a, str_c(name)), st.st_size,
                                   st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec}));
    return OK;
}

static Err list(void *arg)
{
    struct listing *l = arg;
    struct dirent *entry;
    Err e = OK;
    int fd = -1;

    TRY(open_folder(l->roots, l->path, &fd));
    DIR *dir = fdopendir(fd);
    if (!dir) {
        e = err_of(errno, l->path);
        close(fd);
        return e;
    }
    while (e == OK && (errno = 0, entry = readdir(dir)))
        e = add_file(l, fd, entry->d_name);
    if (e == OK && errno)
        e = err_of(errno, l->path);
    closedir(dir);
    return e;
}

Err folder_list(struct arena *a, Str roots, Str path, Str pattern, struct folder_files *ret_files)
{
    struct listing l = {.a = a, .roots = roots, .path = path, .pattern = pattern};

    TRY(work_run(list, &l));
    *ret_files = l.files;
    return OK;
}

/* ---- reading ---- */

struct reading {
    struct arena *a;
    Str roots, path;
    const struct folder_file *file;
    Str content;
};

static bool looks_so(int fd, const struct folder_file *file)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == file->size &&
           st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == file->mtime_ns;
}

static Err read_whole(struct reading *r, int fd)
{
    size_t n = (size_t)r->file->size, got = 0;
    char *p = arena_array(r->a, char, n + 1);

    if (!looks_so(fd, r->file))
        return err_set(E_CONFLICT, "the file has changed");
    while (got < n) {
        ssize_t k = read(fd, p + got, n - got);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_of_file(errno);
        if (k == 0)
            break;
        got += (size_t)k;
    }
    if (got < n || !looks_so(fd, r->file))
        return err_set(E_CONFLICT, "the file has changed");
    r->content = str_from(p, n);
    return OK;
}

static Err read_file(void *arg)
{
    struct reading *r = arg;
    char name[256];
    int folder = -1;

    TRY(INJECT("wf.folder.read"));
    TRY(open_folder(r->roots, r->path, &folder));
    if (r->file->name.n >= sizeof name) {
        close(folder);
        return err_set(E_INVALID, "the name of a file is too long");
    }
    memcpy(name, r->file->name.p, r->file->name.n);
    name[r->file->name.n] = 0;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int error = errno;
    close(folder);
    if (fd < 0)
        return err_of_file(error);
    Err e = read_whole(r, fd);
    close(fd);
    return e;
}

Err folder_read(struct arena *a, Str roots, Str path, const struct folder_file *file,
                Str *ret_content)
{
    struct reading r = {a, roots, path, file, S("")};

    TRY(work_run(read_file, &r));
    *ret_content = r.content;
    return OK;
}
