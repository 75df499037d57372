/* src/secrets/secrets.c - the master key, and sealing with keys derived from it.
 *
 * A sealed value: one byte of version, eight that name the master key, then a secretbox. The name
 * is a hash of the key: it tells a wrong key from damage and says nothing about the key.
 */
#include "secrets/secrets.h"

#include "base/crypto.h"
#include "rt/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSION = 1,
    NAME_SIZE = 8,
    HEAD_SIZE = 1 + NAME_SIZE,
    TEXT_SIZE = 2 * CRYPTO_KEY_SIZE,
    FILE_MAX = 4 * TEXT_SIZE,
    PATH_SIZE = 2048,
};

struct secrets {
    uint8_t key[CRYPTO_KEY_SIZE];
    uint8_t name[NAME_SIZE];
};

/* ---- the key's text ---- */

static Err parse_key(Str text, uint8_t key[CRYPTO_KEY_SIZE])
{
    AUTO(arena) *a = arena_new(KIB(4));
    Str bytes = S("");

    text = str_trim(text);
    Err e = text.n == TEXT_SIZE  ? crypto_unhex(a, text, &bytes)
            : text.n < TEXT_SIZE ? crypto_unbase64(a, text, &bytes)
                                 : E_SYNTAX;
    if (e != OK || bytes.n != CRYPTO_KEY_SIZE)
        return err_detail(E_INVALID,
                          "The master key must be 64 hexadecimal digits, or 32 bytes in base64.");
    memcpy(key, bytes.p, CRYPTO_KEY_SIZE);
    crypto_wipe((void *)(uintptr_t)bytes.p, bytes.n);
    return OK;
}

/* ---- the key file, on a worker ---- */

struct file_job {
    char folder[PATH_SIZE];
    char path[PATH_SIZE + 64];
    char text[FILE_MAX];
    size_t n;
};

static Err file_error(const struct file_job *job, const char *what)
{
    int number = errno;
    return err_detail(err_from_errno(number), "The master key %s cannot be %s: %s.", job->path,
                      what, strerror(number));
}

static Err read_open_file(struct file_job *job, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return file_error(job, "read");
    if (st.st_mode & 077)
        return err_detail(E_INVALID, "The master key %s may be read by others: chmod 600 it.",
                          job->path);
    ssize_t n = read(fd, job->text, sizeof job->text);
    if (n < 0)
        return file_error(job, "read");
    job->n = (size_t)n;
    return OK;
}

static Err read_file(struct file_job *job)
{
    int fd = open(job->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? E_NOT_FOUND : file_error(job, "read");
    Err e = read_open_file(job, fd);
    close(fd);
    return e;
}

static bool write_whole(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;      /* the file itself is on the disk; its name follows when the system syncs */
    (void)fsync(fd); /* some file systems cannot do that for a folder */
    close(fd);
}

/* Written whole under another name and linked: whoever finds the file finds all of it, and of two
 * that make it at once one wins. */
static Err make_file(struct file_job *job)
{
    AUTO(arena) *a = arena_new(KIB(4));
    char other[PATH_SIZE + 96];
    uint8_t key[CRYPTO_KEY_SIZE];

    crypto_random(key, sizeof key);
    snprintf(other, sizeof other, "%s.%llx", job->path, (unsigned long long)crypto_random_u64());
    Str text = str_fmt(a, "%.*s\n", P(crypto_hex(a, key, sizeof key)));
    crypto_wipe(key, sizeof key);
    int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_error(job, "made");
    bool written = write_whole(fd, text.p, text.n) && fsync(fd) == 0;
    Err e = written ? OK : file_error(job, "written");
    close(fd);
    if (e == OK && link(other, job->path) != 0 && errno != EEXIST)
        e = file_error(job, "made");
    unlink(other);
    sync_folder(job->folder);
    crypto_wipe((void *)(uintptr_t)text.p, text.n);
    return e;
}

static Err load_file(void *arg)
{
    struct file_job *job = arg;
    Err e = read_file(job);

    if (e != E_NOT_FOUND)
        return e;
    TRY(make_file(job));
    return read_file(job);
}

static Err key_from_file(Str data, uint8_t key[CRYPTO_KEY_SIZE])
{
    AUTO(arena) *a = arena_new(KIB(32));
    struct file_job *job = arena_new_of(a, struct file_job);

    if (data.n == 0 || data.n >= sizeof job->folder)
        return err_detail(E_INVALID, "The data folder's name is empty or too long.");
    memcpy(job->folder, data.p, data.n);
    snprintf(job->path, sizeof job->path, "%s/master.key", job->folder);
    TRY(work_run(load_file, job));
    Err e = parse_key(str_from(job->text, job->n), key);
    crypto_wipe(job->text, sizeof job->text);
    return e == OK ? OK : err_detail(e, "The file %s holds no master key.", job->path);
}

Err secrets_open(Str data, Str given, struct secrets **ret_secrets)
{
    struct secrets *s = calloc(1, sizeof *s);
    uint8_t hash[CRYPTO_HASH_SIZE];

    if (!s)
        DIE("out of memory");
    Err e = given.n ? parse_key(given, s->key) : key_from_file(data, s->key);
    if (e != OK) {
        secrets_free(s);
        return e;
    }
    crypto_hmac_sha256(str_from((const char *)s->key, sizeof s->key), S("heddle master key"), hash);
    memcpy(s->name, hash, sizeof s->name);
    *ret_secrets = s;
    return OK;
}

void secrets_free(struct secrets *s)
{
    if (!s)
        return;
    crypto_wipe(s, sizeof *s);
    free(s);
}

/* ---- sealing ---- */

static void key_of_use(const struct secrets *s, Str use, uint8_t key[CRYPTO_KEY_SIZE])
{
    crypto_hmac_sha256(str_from((const char *)s->key, sizeof s->key), use, key);
}

Str secrets_seal(const struct secrets *s, struct arena *a, Str use, Str plain)
{
    uint8_t key[CRYPTO_KEY_SIZE];

    key_of_use(s, use, key);
    Str box = crypto_seal(a, key, plain);
    crypto_wipe(key, sizeof key);
    char *p = arena_bytes(a, HEAD_SIZE + box.n);
    p[0] = VERSION;
    memcpy(p + 1, s->name, NAME_SIZE);
    memcpy(p + HEAD_SIZE, box.p, box.n);
    return str_from(p, HEAD_SIZE + box.n);
}

Err secrets_unseal(const struct secrets *s, struct arena *a, Str use, Str sealed, Str *ret_plain)
{
    uint8_t key[CRYPTO_KEY_SIZE];

    if (sealed.n < HEAD_SIZE || sealed.p[0] != VERSION)
        return err_detail(E_CORRUPT, "A sealed value is damaged.");
    if (memcmp(sealed.p + 1, s->name, NAME_SIZE) != 0)
        return err_detail(E_CORRUPT, "A value was sealed with another master key: bring back "
                                     "master.key or HEDDLE_MASTER_KEY, or set the value again.");
    key_of_use(s, use, key);
    Err e = crypto_open(a, key, str_skip(sealed, HEAD_SIZE), ret_plain);
    crypto_wipe(key, sizeof key);
    return e == OK ? OK : err_detail(e, "A sealed value is damaged, or belongs elsewhere.");
}
