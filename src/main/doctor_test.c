/* src/main/doctor_test.c */
#include "base/test.h"
#include "main/doctor.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct doctor_facts good_machine(void)
{
    return (struct doctor_facts){
        .arch = S("x86_64"),
        .cpu_features = S("sse4.2 avx2"),
        .kernel = S("6.1.0-18-amd64"),
        .kernel_major = 6,
        .kernel_minor = 1,
        .cores = 2,
        .memory = MIB(2048),
        .files = 1048576,
        .map_count = 65530,
        .wall = (Usec)1800000000 * USEC_S,
        .clock_is_known = true,
        .clock_is_synced = true,
    };
}

static struct doctor_data good_folder(void)
{
    return (struct doctor_data){
        .path = S("/data"),
        .exists = true,
        .is_folder = true,
        .may_write = true,
        .fs = S("ext"),
        .free = (uint64_t)50 << 30,
        .sync = 200,
    };
}

/* The line @name, or NULL. */
static const struct doctor_line *line(const struct doctor_lines *lines, const char *name)
{
    vec_each(lines, l)
        if (strcmp(l->name, name) == 0)
            return l;
    return NULL;
}

/* The level of @name; every line that is not well must have advice, every other none. */
static int level(const struct doctor_lines *lines, const char *name)
{
    const struct doctor_line *l = line(lines, name);

    if (!l || (l->level != DOCTOR_OK) != (l->advice.n > 0) || l->found.n == 0)
        return -1;
    return (int)l->level;
}

static int machine_level(struct doctor_facts f, const char *name)
{
    struct doctor_lines lines = {0};

    doctor_judge(t_arena(), &f, &lines);
    return level(&lines, name);
}

static int folder_level(struct doctor_data d, bool holds_database, const char *name)
{
    struct doctor_lines lines = {0};

    doctor_judge_data(t_arena(), &d, holds_database, &lines);
    return level(&lines, name);
}

TEST(doctor_finds_a_good_machine_well)
{
    struct doctor_facts f = good_machine();
    struct doctor_data d = good_folder();
    struct doctor_lines lines = {0};

    doctor_judge(t_arena(), &f, &lines);
    doctor_judge_data(t_arena(), &d, true, &lines);
    doctor_judge_port(t_arena(), S("127.0.0.1:3000"), 0, 0, &lines);
    t_expect_int(lines.n, 10);
    vec_each(&lines, l)
        t_expect_int(level(&lines, l->name), DOCTOR_OK);
}

TEST(doctor_tells_what_a_machine_lacks)
{
    struct doctor_facts f = good_machine();

    f.arch = S("riscv64");
    f.kernel_major = 5, f.kernel_minor = 4;
    f.memory = MIB(200);
    f.files = 4096;
    f.map_count = 30000;
    f.clock_is_synced = false;
    t_expect_int(machine_level(f, "cpu"), DOCTOR_WARN);
    t_expect_int(machine_level(f, "kernel"), DOCTOR_WARN);
    t_expect_int(machine_level(f, "memory"), DOCTOR_WARN);
    t_expect_int(machine_level(f, "files"), DOCTOR_WARN);
    t_expect_int(machine_level(f, "mappings"), DOCTOR_WARN);
    t_expect_int(machine_level(f, "clock"), DOCTOR_WARN);
    f.kernel_minor = 10;
    f.memory = MIB(64);
    f.files = 100;
    f.map_count = 0;
    f.wall = 0;
    t_expect_int(machine_level(f, "kernel"), DOCTOR_OK);
    t_expect_int(machine_level(f, "memory"), DOCTOR_FAIL);
    t_expect_int(machine_level(f, "files"), DOCTOR_FAIL);
    t_expect_int(machine_level(f, "mappings"), DOCTOR_OK);
    t_expect_int(machine_level(f, "clock"), DOCTOR_FAIL);
}

TEST(doctor_judges_the_data_directory)
{
    struct doctor_data d = good_folder();

    d.is_open = true;
    t_expect_int(folder_level(d, true, "data"), DOCTOR_WARN);
    d.exists = d.is_folder = false;
    t_expect_int(folder_level(d, true, "data"), DOCTOR_OK);
    d.may_write = false, d.sync_fail = E_READ_ONLY;
    t_expect_int(folder_level(d, true, "data"), DOCTOR_FAIL);
    d.exists = true;
    t_expect_int(folder_level(d, true, "data"), DOCTOR_FAIL);
}

TEST(doctor_judges_disk_space_kind_and_speed)
{
    struct doctor_data d = good_folder();

    d.fs = S("nfs"), d.fs_is_network = true;
    t_expect_int(folder_level(d, true, "disk"), DOCTOR_FAIL);
    t_expect_int(folder_level(d, false, "disk"), DOCTOR_OK);
    d = good_folder();
    d.free = MIB(500);
    t_expect_int(folder_level(d, true, "disk"), DOCTOR_WARN);
    d.free = MIB(50);
    t_expect_int(folder_level(d, true, "disk"), DOCTOR_FAIL);
    d = good_folder();
    d.sync = 25 * USEC_MS;
    t_expect_int(folder_level(d, true, "sync"), DOCTOR_WARN);
    d.sync_fail = E_IO;
    t_expect_int(folder_level(d, true, "sync"), DOCTOR_FAIL);
}

TEST(doctor_measures_a_real_folder_and_leaves_nothing_behind)
{
    struct doctor_data d;
    Str inside = str_fmt(t_arena(), "%s/not/yet/there", t_dir());

    doctor_look_data(t_arena(), str_c(t_dir()), &d);
    t_expect(d.exists && d.is_folder && d.may_write && !d.is_open);
    t_expect_int(d.sync_fail, OK);
    t_expect(d.free > 0 && d.fs.n > 0 && d.sync >= 0);
    doctor_look_data(t_arena(), inside, &d);
    t_expect(!d.exists && d.may_write);
    t_expect_int(rmdir(t_dir()), 0); /* so it was empty */
    t_expect_int(mkdir(t_dir(), 0700), 0);
}

TEST(doctor_sees_that_a_port_is_taken)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), refused = -1;

    t_expect(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 1) == 0);
    t_expect(getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    Str address = str_fmt(t_arena(), "127.0.0.1:%d", ntohs(at.sin_port));
    t_expect_ok(doctor_look_port(t_arena(), address, &refused));
    t_expect_int(refused, EADDRINUSE);
    close(fd);
    t_expect_ok(doctor_look_port(t_arena(), address, &refused));
    t_expect_int(refused, 0);
    t_expect_err(doctor_look_port(t_arena(), S("no-port"), &refused), E_INVALID);
}

TEST(doctor_judges_why_a_port_is_refused)
{
    static const struct {
        int error, holder, level;
    } cases[] = {
        {0, 0, DOCTOR_OK},        {EADDRINUSE, 4711, DOCTOR_OK},   {EADDRINUSE, 0, DOCTOR_WARN},
        {EACCES, 0, DOCTOR_FAIL}, {EADDRNOTAVAIL, 0, DOCTOR_FAIL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct doctor_lines lines = {0};
        doctor_judge_port(t_arena(), S("h:1"), cases[i].error, cases[i].holder, &lines);
        t_expect_int(level(&lines, "port"), cases[i].level);
    }
}

TEST(doctor_finds_the_libraries_of_this_build_well)
{
    struct doctor_lines lines = {0};

    doctor_judge_libraries(t_arena(), &lines);
    t_expect_int(level(&lines, "libraries"), DOCTOR_OK);
}

TEST(doctor_looks_at_this_machine)
{
    struct doctor_facts f;

    doctor_look(t_arena(), &f);
    t_expect(f.cores > 0 && f.memory > 0 && f.files > 0);
    t_expect(f.kernel_major > 3 && f.arch.n > 0);
}
