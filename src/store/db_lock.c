/* src/store/db_lock.c - one server for one data folder: a POSIX record lock on heddle.lock in it.
 *
 * Of the kinds of lock there are, this one ends with the process, is not inherited by the children
 * a server forks (they may outlive it), and can tell who holds it. It belongs to the process, not
 * to the descriptor: nothing else may open and close that file, and a second lock in one process is
 * refused here.
 */
#include "store/db_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct db_lock {
    int fd;
    dev_t device;
    ino_t inode;
    struct db_lock *next;
};

static struct db_lock *held; /* by this process, under the flag below */
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void enter(void)
{
    while (atomic_flag_test_and_set(&busy))
        ;
}

static void leave(void)
{
    atomic_flag_clear(&busy);
}

static char *lock_path(const char *folder)
{
    char *path;
    if (asprintf(&path, "%s/heddle.lock", folder) < 0)
        DIE("out of memory");
    return path;
}

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static Err in_use(const char *folder, long pid)
{
    return err_detail(
        E_LOCKED,
        "Another server (process %ld) is using %.200s. One SQLite database serves one server: "
        "stop the other one, or give this one a folder of its own with --data.",
        pid, folder);
}

/* A lock on the same file in this process would be granted, and closing the file would end both. */
static bool held_here(const char *path)
{
    struct stat st;
    bool found = false;

    if (stat(path, &st) != 0)
        return false;
    enter();
    for (const struct db_lock *l = held; l; l = l->next)
        found |= l->device == st.st_dev && l->inode == st.st_ino;
    leave();
    return found;
}

static Err take(const char *folder, const char *path, struct db_lock **ret_lock)
{
    struct flock range = whole_file();
    struct stat st;
    char text[32];

    if (held_here(path))
        return in_use(folder, (long)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_detail(err_from_errno(errno), "The lock file %.250s cannot be opened: %s.", path,
                          strerror(errno));
    if (fcntl(fd, F_SETLK, &range) != 0) {
        int why = errno;
        struct flock other = whole_file();
        long pid =
            fcntl(fd, F_GETLK, &other) == 0 && other.l_type != F_UNLCK ? (long)other.l_pid : 0;
        close(fd);
        return why == EACCES || why == EAGAIN
                   ? in_use(folder, pid)
                   : err_detail(err_from_errno(why), "%.250s cannot be locked: %s.", path,
                                strerror(why));
    }
    /* For people who look into the file; the lock itself knows its holder. */
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n || fstat(fd, &st) != 0) {
        Err e = err_detail(err_from_errno(errno), "%.250s cannot be written: %s.", path,
                           strerror(errno));
        close(fd);
        return e;
    }
    struct db_lock *l = calloc(1, sizeof *l);
    if (!l)
        DIE("out of memory");
    *l = (struct db_lock){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
    enter();
    l->next = held;
    held = l;
    leave();
    *ret_lock = l;
    return OK;
}

Err db_lock_exclusive(const char *folder, struct db_lock **ret_lock)
{
    char *path = lock_path(folder);
    Err e = take(folder, path, ret_lock);
    free(path);
    return e;
}

void db_lock_free(struct db_lock *lock)
{
    if (!lock)
        return;
    enter();
    struct db_lock **p = &held;
    while (*p != lock)
        p = &(*p)->next;
    *p = lock->next;
    leave();
    close(lock->fd);
    free(lock);
}

static Err look(const char *path, int *ret_pid)
{
    struct flock other = whole_file();

    if (held_here(path)) {
        *ret_pid = (int)getpid();
        return OK;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return err_set(err_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    *ret_pid = 0;
    if (fd < 0)
        return OK;
    if (fcntl(fd, F_GETLK, &other) == 0 && other.l_type != F_UNLCK)
        *ret_pid = (int)other.l_pid;
    close(fd);
    return OK;
}

Err db_lock_holder(const char *folder, int *ret_pid)
{
    char *path = lock_path(folder);
    Err e = look(path, ret_pid);
    free(path);
    return e;
}
