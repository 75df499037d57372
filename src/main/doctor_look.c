/* src/main/doctor_look.c - reads what the system says about itself. */
#include "main/config.h"
#include "main/doctor.h"
#include "rt/shard.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { SYNC_ROUNDS = 9, SYNC_BYTES = 4096, LINE_MAX_BYTES = 4096 };

/* The first line of a small file of /proc or /sys; empty if it cannot be read. */
static Str first_line(struct arena *a, const char *path)
{
    char *text = arena_bytes(a, LINE_MAX_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, LINE_MAX_BYTES);
    Str line;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return S("");
    (void)str_cut(str_from(text, (size_t)n), '\n', &line); /* the rest is not asked for */
    return str_trim(line);
}

static uint64_t number_in(struct arena *a, const char *path)
{
    uint64_t n;

    return str_to_u64(first_line(a, path), &n) == OK ? n : 0;
}

static Str cpu_features(struct arena *a)
{
    AUTO_BUF(list, 256);

#ifdef __x86_64__
    __builtin_cpu_init();
    buf_add_c(&list, __builtin_cpu_supports("sse4.2") ? "sse4.2 " : "");
    buf_add_c(&list, __builtin_cpu_supports("avx2") ? "avx2 " : "");
    buf_add_c(&list, __builtin_cpu_supports("aes") ? "aes " : "");
    buf_add_c(&list, __builtin_cpu_supports("avx512f") ? "avx512 " : "");
#endif
    return str_trim(str_dup(a, buf_str(&list)));
}

/* What the machine has, or what the control group of a container leaves of it. */
static uint64_t memory(struct arena *a)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t all = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    uint64_t limit = number_in(a, "/sys/fs/cgroup/memory.max");

    return limit && limit < all ? limit : all;
}

/* The number at the start of *rest, which is taken away with the character behind it; 0 if there is
 * none. */
static int leading_number(Str *rest)
{
    int n = 0;

    while (rest->n && rest->p[0] >= '0' && rest->p[0] <= '9' && n < 100000) {
        n = n * 10 + (rest->p[0] - '0');
        *rest = str_skip(*rest, 1);
    }
    *rest = str_skip(*rest, 1);
    return n;
}

/* "6.1.0-18-amd64" */
static void kernel_version(Str release, int *ret_major, int *ret_minor)
{
    *ret_major = leading_number(&release);
    *ret_minor = leading_number(&release);
}

void doctor_look(struct arena *a, struct doctor_facts *ret_facts)
{
    struct doctor_facts f = {.cores = rt_cores(), .memory = memory(a), .wall = time_wall()};
    struct timex clock = {0};
    struct rlimit files;
    struct utsname u;

    if (uname(&u) == 0) {
        f.arch = str_dup(a, str_c(u.machine));
        f.kernel = str_dup(a, str_c(u.release));
        kernel_version(f.kernel, &f.kernel_major, &f.kernel_minor);
    }
    f.cpu_features = cpu_features(a);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        f.files = files.rlim_max;
    f.map_count = number_in(a, "/proc/sys/vm/max_map_count");
    int state = adjtimex(&clock);
    f.clock_is_known = state >= 0;
    f.clock_is_synced = state >= 0 && !(clock.status & STA_UNSYNC);
    *ret_facts = f;
}

/* ---- the data directory ---- */

struct fs_kind {
    unsigned long magic;
    const char *name;
    bool network, memory;
};

static const struct fs_kind fs_kinds[] = {
    {0xEF53, "ext"},           {0x58465342, "xfs"},
    {0x9123683E, "btrfs"},     {0x2FC12FC1, "zfs"},
    {0x794C7630, "overlay"},   {0x01021994, "tmpfs", .memory = true},
    {0x6969, "nfs", true},     {0x517B, "smb", true},
    {0xFE534D42, "smb", true}, {0xFF534D42, "cifs", true},
    {0x01021997, "9p", true},  {0x00C36400, "ceph", true},
    {0x65735546, "fuse"},
};

static void look_fs(struct arena *a, const char *path, struct doctor_data *d)
{
    struct statfs fs;

    if (statfs(path, &fs) != 0)
        return;
    d->free = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    d->fs = str_fmt(a, "type %lx", (unsigned long)fs.f_type);
    for (size_t i = 0; i < ARRAY_LEN(fs_kinds); i++) {
        if (fs_kinds[i].magic != ((unsigned long)fs.f_type & 0xFFFFFFFF))
            continue;
        d->fs = str_c(fs_kinds[i].name);
        d->fs_is_network = fs_kinds[i].network;
        d->fs_is_memory = fs_kinds[i].memory;
    }
}

static int by_size(const void *x, const void *y)
{
    Usec a = *(const Usec *)x, b = *(const Usec *)y;

    return a < b ? -1 : a > b;
}

/* Append and make durable a few times; the median tells what a commit will wait for. */
static Err measure_sync(int fd, Usec *ret_median)
{
    static const char page[SYNC_BYTES];
    Usec took[SYNC_ROUNDS];

    for (size_t i = 0; i < SYNC_ROUNDS; i++) {
        Usec started = time_mono();
        if (write(fd, page, sizeof page) != (ssize_t)sizeof page || fdatasync(fd) != 0)
            return err_set(err_from_errno(errno), "write and fdatasync: %s", strerror(errno));
        took[i] = time_mono() - started;
    }
    qsort(took, SYNC_ROUNDS, sizeof took[0], by_size);
    *ret_median = took[SYNC_ROUNDS / 2];
    return OK;
}

static Err look_sync(struct arena *a, Str folder, Usec *ret_median)
{
    char *path = str_dup_c(a, str_fmt(a, "%.*s/.heddle-doctor-XXXXXX", P(folder)));
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd < 0)
        return err_set(err_from_errno(errno), "%s: %s", path, strerror(errno));
    Err e = measure_sync(fd, ret_median);
    unlink(path);
    close(fd);
    return e;
}

/* The folder itself, or the nearest one above it that is there. */
static Str nearest_folder(struct arena *a, Str path)
{
    struct stat st;

    while (path.n && stat(str_dup_c(a, path), &st) != 0) {
        size_t n = path.n;
        while (n > 0 && path.p[n - 1] != '/')
            n--;
        path = str_head(path, n > 1 ? n - 1 : n);
        if (path.n == 1)
            break;
    }
    return path.n ? path : S(".");
}

void doctor_look_data(struct arena *a, Str path, struct doctor_data *ret_data)
{
    struct doctor_data d = {.path = path};
    Str folder = nearest_folder(a, path);
    char *folder_c = str_dup_c(a, folder);
    struct stat st;

    d.exists = stat(str_dup_c(a, path), &st) == 0;
    d.is_folder = d.exists && S_ISDIR(st.st_mode);
    d.is_open = d.is_folder && (st.st_mode & 07);
    d.may_write = access(folder_c, W_OK | X_OK) == 0;
    look_fs(a, folder_c, &d);
    d.sync_fail = d.may_write ? look_sync(a, folder, &d.sync) : E_READ_ONLY;
    *ret_data = d;
}

/* ---- the port ---- */

static int try_bind(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
    int on = 1, e = 0;

    if (fd < 0)
        return errno;
    /* As the server does it, so that connections that are closing do not count; a listener does. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
                     sizeof on); /* bind tells if it did not help */
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 1) != 0)
        e = errno;
    close(fd);
    return e;
}

Err doctor_look_port(struct arena *a, Str listen_at, int *ret_errno)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    uint16_t port;
    Str host;

    TRY(config_listen(listen_at, &host, &port));
    char *service = str_dup_c(a, str_fmt(a, "%u", port));
    int e = getaddrinfo(str_dup_c(a, host), service, &hints, &found);
    if (e != 0)
        return err_detail(E_INVALID, "\"%.*s\" is no address of this machine: %s", P(host),
                          gai_strerror(e));
    *ret_errno = try_bind(found);
    freeaddrinfo(found);
    return OK;
}
