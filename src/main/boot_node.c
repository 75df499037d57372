/* src/main/boot_node.c - the file that tells a server after a crash under which name it held its
 * runs, so that it need not wait until the others take it for dead. */
#include "main/boot_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };

static Err failed(const char *what, const char *path)
{
    return err_set(err_from_errno(errno), "cannot %s %s: %s", what, path, strerror(errno));
}

/* A file that is missing or torn tells nothing; then it takes as long as with any dead node. */
static Id read_id(const char *path)
{
    char text[ID_TEXT_SIZE];
    Id id = ID_NONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return ID_NONE;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n == ID_TEXT_SIZE - 1 && id_parse(str_from(text, (size_t)n), &id) == OK ? id : ID_NONE;
}

static Err write_id(const char *path, Id id)
{
    char text[ID_TEXT_SIZE];
    Str s = id_text(id, text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return failed("write", path);
    bool written = write(fd, s.p, s.n) == (ssize_t)s.n && fdatasync(fd) == 0;
    Err e = written ? OK : failed("write", path);
    close(fd);
    return e;
}

static bool path_of(char path[PATH_SIZE], const char *folder, const char *name)
{
    return (size_t)snprintf(path, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE;
}

Id boot_node_former(const char *folder)
{
    char path[PATH_SIZE];
    return path_of(path, folder, "node") ? read_id(path) : ID_NONE;
}

Err boot_node_write(const char *folder, Id id)
{
    char path[PATH_SIZE], new_path[PATH_SIZE];

    if (!path_of(path, folder, "node") || !path_of(new_path, folder, "node.new"))
        return err_set(E_TOO_LARGE, "the data folder's name is too long");
    TRY(write_id(new_path, id));
    if (rename(new_path, path) != 0)
        return failed("rename", new_path);
    return OK;
}
