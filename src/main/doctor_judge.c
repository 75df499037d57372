/* src/main/doctor_judge.c - what the facts about a machine mean, and what to do about them. */
#include "main/doctor.h"
#include "main/versions.h"

#include <errno.h>

/* No machine that runs this version can have an earlier clock: 2026-01-01. */
#define EARLIEST ((Usec)1767225600 * USEC_S)
/* A fiber's stack and its guard page are two mappings. */
enum { MAPS_FOR_FIBER = 2 };

void doctor_add(struct arena *a, struct doctor_lines *lines, enum doctor_level level,
                const char *name, Str found, Str advice)
{
    struct doctor_line *l = vec_add(a, lines);

    *l = (struct doctor_line){.level = level, .name = name, .found = found, .advice = advice};
}

static Str mebibytes(struct arena *a, uint64_t bytes)
{
    if (bytes >= (uint64_t)10 << 30)
        return str_fmt(a, "%llu GiB", (unsigned long long)(bytes >> 30));
    return str_fmt(a, "%llu MiB", (unsigned long long)(bytes >> 20));
}

static void judge_cpu(struct arena *a, const struct doctor_facts *f, struct doctor_lines *lines)
{
    Str found = str_fmt(a, "%.*s, %u core%s%s%.*s", P(f->arch), f->cores, f->cores == 1 ? "" : "s",
                        f->cpu_features.n ? ", " : "", P(f->cpu_features));

    if (!str_eq(f->arch, S("x86_64")) && !str_eq(f->arch, S("aarch64")))
        doctor_add(a, lines, DOCTOR_WARN, "cpu", found,
                   S("Heddle is tested on x86_64 and aarch64; run \"make test\" here first"));
    else
        doctor_add(a, lines, DOCTOR_OK, "cpu", found, S(""));
}

static void judge_kernel(struct arena *a, const struct doctor_facts *f, struct doctor_lines *lines)
{
    bool is_old = f->kernel_major < 5 || (f->kernel_major == 5 && f->kernel_minor < 10);

    doctor_add(a, lines, is_old ? DOCTOR_WARN : DOCTOR_OK, "kernel", f->kernel,
               is_old ? S("Heddle is tested on Linux 5.10 and newer; update the system") : S(""));
}

static void judge_memory(struct arena *a, const struct doctor_facts *f, struct doctor_lines *lines)
{
    Str found = f->memory ? mebibytes(a, f->memory) : S("not known");

    if (f->memory && f->memory < MIB(128))
        doctor_add(a, lines, DOCTOR_FAIL, "memory", found,
                   S("give the machine or container 256 MiB or more"));
    else if (f->memory && f->memory < MIB(250))
        doctor_add(a, lines, DOCTOR_WARN, "memory", found,
                   S("enough to try it; for real use give it 256 MiB or more"));
    else
        doctor_add(a, lines, DOCTOR_OK, "memory", found, S(""));
}

static void judge_files(struct arena *a, const struct doctor_facts *f, struct doctor_lines *lines)
{
    Str found = str_fmt(a, "at most %llu open files", (unsigned long long)f->files);
    Str advice =
        S("each connection is an open file: set LimitNOFILE=1048576 in the service, or the hard "
          "\"nofile\" limit in /etc/security/limits.conf");

    if (f->files < 256)
        doctor_add(a, lines, DOCTOR_FAIL, "files", found, advice);
    else if (f->files < 16384)
        doctor_add(a, lines, DOCTOR_WARN, "files", found, advice);
    else
        doctor_add(a, lines, DOCTOR_OK, "files", found, S(""));
}

static void judge_maps(struct arena *a, const struct doctor_facts *f, struct doctor_lines *lines)
{
    Str found = str_fmt(a, "vm.max_map_count %llu: about %llu requests and runs at once",
                        (unsigned long long)f->map_count,
                        (unsigned long long)f->map_count / MAPS_FOR_FIBER);

    if (f->map_count == 0)
        doctor_add(a, lines, DOCTOR_OK, "mappings", S("not known"), S(""));
    else if (f->map_count < 65530)
        doctor_add(a, lines, DOCTOR_WARN, "mappings", found,
                   S("as root: sysctl -w vm.max_map_count=262144, and put it into /etc/sysctl.d"));
    else
        doctor_add(a, lines, DOCTOR_OK, "mappings", found, S(""));
}

static void judge_clock(struct arena *a, const struct doctor_facts *f, struct doctor_lines *lines)
{
    char text[TIME_RFC3339_SIZE];
    Str found = str_dup(a, time_rfc3339(f->wall, text));

    if (f->wall < EARLIEST)
        doctor_add(
            a, lines, DOCTOR_FAIL, "clock", found,
            S("it is wrong: set it, and let it be kept right (systemd-timesyncd or chrony)"));
    else if (f->clock_is_known && !f->clock_is_synced)
        doctor_add(
            a, lines, DOCTOR_WARN, "clock", str_fmt(a, "%.*s, not synchronised", P(found)),
            S("schedules and signatures need the right time: run systemd-timesyncd or chrony"));
    else
        doctor_add(a, lines, DOCTOR_OK, "clock", found, S(""));
}

void doctor_judge(struct arena *a, const struct doctor_facts *facts, struct doctor_lines *lines)
{
    judge_cpu(a, facts, lines);
    judge_memory(a, facts, lines);
    judge_kernel(a, facts, lines);
    judge_files(a, facts, lines);
    judge_maps(a, facts, lines);
    judge_clock(a, facts, lines);
}

/* ---- the data directory ---- */

static void judge_folder(struct arena *a, const struct doctor_data *d, struct doctor_lines *lines)
{
    if (d->exists && !d->is_folder)
        doctor_add(a, lines, DOCTOR_FAIL, "data", str_fmt(a, "%.*s is no folder", P(d->path)),
                   S("give another --data, or move that file away"));
    else if (!d->may_write)
        doctor_add(a, lines, DOCTOR_FAIL, "data",
                   str_fmt(a, "%.*s cannot be %s by this user", P(d->path),
                           d->exists ? "written" : "made"),
                   S("make it and give it to the user that runs Heddle, or choose another --data"));
    else if (!d->exists)
        doctor_add(a, lines, DOCTOR_OK, "data",
                   str_fmt(a, "%.*s is not there yet; \"heddle serve\" makes it", P(d->path)),
                   S(""));
    else if (d->is_open)
        doctor_add(a, lines, DOCTOR_WARN, "data",
                   str_fmt(a, "%.*s is open to every user", P(d->path)),
                   str_fmt(a, "chmod o-rwx %.*s", P(d->path)));
    else
        doctor_add(a, lines, DOCTOR_OK, "data", str_fmt(a, "%.*s, writable", P(d->path)), S(""));
}

static void judge_fs(struct arena *a, const struct doctor_data *d, bool holds_database,
                     struct doctor_lines *lines)
{
    Str found = str_fmt(a, "%.*s free on %.*s", P(mebibytes(a, d->free)), P(d->fs));

    if (d->fs_is_network && holds_database)
        doctor_add(
            a, lines, DOCTOR_FAIL, "disk", found,
            S("SQLite is not safe on a network file system: use a local disk, or PostgreSQL"));
    else if (d->free < MIB(100))
        doctor_add(a, lines, DOCTOR_FAIL, "disk", found,
                   S("make space; runs stop when it is full"));
    else if (d->free < MIB(1024))
        doctor_add(a, lines, DOCTOR_WARN, "disk", found,
                   S("make space before long; retention.days bounds what runs take"));
    else if (d->fs_is_memory)
        doctor_add(a, lines, DOCTOR_WARN, "disk", found,
                   S("this is memory: all data is gone when the machine stops"));
    else
        doctor_add(a, lines, DOCTOR_OK, "disk", found, S(""));
}

static void judge_sync(struct arena *a, const struct doctor_data *d, struct doctor_lines *lines)
{
    Str found;

    if (d->sync_fail != OK) {
        if (d->may_write)
            doctor_add(a, lines, DOCTOR_FAIL, "sync", str_c(err_public(d->sync_fail)),
                       S("writing to the disk of the data directory fails; see dmesg"));
        return;
    }
    found = str_fmt(a, "%.2f ms for a durable write", (double)d->sync / (double)USEC_MS);
    if (d->sync > 20 * USEC_MS)
        doctor_add(
            a, lines, DOCTOR_WARN, "sync", found,
            S("a slow disk: each step waits for it; use an SSD, or accept fewer runs a second"));
    else
        doctor_add(a, lines, DOCTOR_OK, "sync", found, S(""));
}

void doctor_judge_data(struct arena *a, const struct doctor_data *data, bool holds_database,
                       struct doctor_lines *lines)
{
    judge_folder(a, data, lines);
    judge_fs(a, data, holds_database, lines);
    judge_sync(a, data, lines);
}

/* ---- port and libraries ---- */

void doctor_judge_port(struct arena *a, Str listen, int bind_errno, int holder,
                       struct doctor_lines *lines)
{
    Str why = str_fmt(a, "%.*s: %s", P(listen), strerror(bind_errno));

    if (bind_errno == 0)
        doctor_add(a, lines, DOCTOR_OK, "port", str_fmt(a, "%.*s is free", P(listen)), S(""));
    else if (bind_errno == EADDRINUSE && holder)
        doctor_add(a, lines, DOCTOR_OK, "port",
                   str_fmt(a, "%.*s is served by Heddle (process %d)", P(listen), holder), S(""));
    else if (bind_errno == EADDRINUSE)
        doctor_add(
            a, lines, DOCTOR_WARN, "port", why,
            S("if that is not Heddle itself, stop the other program or give another --listen"));
    else if (bind_errno == EACCES)
        doctor_add(a, lines, DOCTOR_FAIL, "port", why,
                   S("this user may not take a port below 1024: choose another, behind a proxy"));
    else
        doctor_add(a, lines, DOCTOR_FAIL, "port", why, S("give another --listen"));
}

static bool is_same_series(Str a, Str b)
{
    Str major_a, major_b;

    (void)str_cut(a, '.', &major_a); /* the rest may differ */
    (void)str_cut(b, '.', &major_b);
    return str_eq(major_a, major_b);
}

void doctor_judge_libraries(struct arena *a, struct doctor_lines *lines)
{
    AUTO_BUF(all, KIB(1));
    bool fine = true;

    for (const struct library *l = versions_list(a); l->name; l++) {
        buf_add_fmt(&all, "%s%s %.*s", all.n ? ", " : "", l->name, P(l->loaded));
        if (is_same_series(l->built, l->loaded))
            continue;
        buf_add_fmt(&all, " (built with %.*s)", P(l->built));
        fine = false;
    }
    doctor_add(a, lines, fine ? DOCTOR_OK : DOCTOR_FAIL, "libraries", str_dup(a, buf_str(&all)),
               fine ? S("")
                    : S("build Heddle on the system it runs on, or install those versions"));
}
