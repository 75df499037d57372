/* src/wf/zone.c - the zones that have been asked for, by name, under a lock.
 *
 * A definition is checked where nothing may yield, so the file of a zone is read in place: a small
 * local file, once for each zone and process. Only names of real zones are kept, which are some
 * hundred.
 */
#include "wf/zone.h"

#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

static const char *const folders[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
                                      "/usr/share/lib/zoneinfo"};
enum { NAME_MAX_BYTES = 64 };

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static struct map *zones;      /* under the lock; name -> const struct tz */
static struct arena *zones_in; /* likewise */

static void make(void)
{
    if (uv_mutex_init(&lock))
        DIE("out of memory");
    zones = map_new();
    zones_in = arena_new(MIB(64));
}

/* Letters, digits, "_", "+", "-" in parts by "/", as tzdata names its files: no way out of its
 * folder. */
static bool is_name(Str name)
{
    bool begins = true;

    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool other = (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
        if (c == '/' ? begins : !letter && (begins || !other))
            return false;
        begins = c == '/';
    }
    return !begins && name.n <= NAME_MAX_BYTES;
}

/* E_NOT_FOUND: no such file. */
static Err read_all(const char *path, char *buffer, size_t *ret_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t n = 0;
    ssize_t got;

    if (fd < 0)
        return E_NOT_FOUND;
    do {
        got = read(fd, buffer + n, TZ_FILE_MAX - n);
        n += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && n < TZ_FILE_MAX) || (got < 0 && errno == EINTR));
    close(fd);
    if (got < 0)
        return errno == EISDIR ? E_NOT_FOUND : err_set(E_IO, "%s cannot be read", path);
    *ret_n = n;
    return OK;
}

static bool has_data(void)
{
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (access(folders[i], X_OK) == 0)
            return true;
    return false;
}

/* Under the lock. */
static Err load(Str name, const struct tz **ret_tz)
{
    AUTO(arena) *a = arena_new(KIB(256));
    char *bytes = arena_bytes(a, TZ_FILE_MAX);
    size_t n = 0;
    Err e = E_NOT_FOUND;

    for (size_t i = 0; i < ARRAY_LEN(folders) && e == E_NOT_FOUND; i++)
        e = read_all(str_dup_c(a, str_fmt(a, "%s/%.*s", folders[i], P(name))), bytes, &n);
    if (e == E_NOT_FOUND && !has_data())
        return err_detail(E_INVALID, "This system has no time zone data: install its package "
                                     "\"tzdata\". Until then only UTC is known.");
    if (e == E_NOT_FOUND)
        return err_detail(E_INVALID,
                          "There is no time zone \"%.*s\": zones have names of the IANA, such as "
                          "\"Europe/Berlin\" or \"UTC\", in this case.",
                          P(name));
    if (e == OK)
        e = tz_parse(zones_in, str_from(bytes, n), ret_tz);
    return e == OK ? OK
                   : err_detail(E_INVALID,
                                "The system's data for the time zone \"%.*s\" cannot be used.",
                                P(name));
}

Err wf_zone(Str name, const struct tz **ret_tz)
{
    if (str_eq(name, S("UTC"))) {
        *ret_tz = tz_utc();
        return OK;
    }
    if (!is_name(name))
        return err_detail(E_INVALID, "\"%.*s\" is no name of a time zone.",
                          P(str_head(name, NAME_MAX_BYTES)));
    uv_once(&once, make);
    uv_mutex_lock(&lock);
    const struct tz *tz = map_get(zones, name);
    Err e = tz ? OK : load(name, &tz);
    if (e == OK) {
        (void)map_put(zones, name, (void *)(uintptr_t)tz);
        *ret_tz = tz;
    }
    uv_mutex_unlock(&lock);
    return e;
}
