/* src/main/doctor.h - whether this machine can carry Heddle: facts, and what they mean.
 *
 * doctor_look() only looks, doctor_judge() only judges, so that judging can be tested with machines
 * that are not there. Both block for moments (a handful of fdatasync calls): no loop may be
 * running.
 */
#ifndef MAIN_DOCTOR_H
#define MAIN_DOCTOR_H

#include "base/buf.h"
#include "base/time.h"
#include "base/vec.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/* One finding. @advice says what to do; empty when all is well. */
struct doctor_line {
    enum doctor_level level;
    const char *name;
    Str found, advice;
};
struct doctor_lines {
    struct doctor_line *at;
    size_t n, cap;
};

struct doctor_facts {
    Str arch, cpu_features, kernel;
    int kernel_major, kernel_minor;
    unsigned cores;
    uint64_t memory;     /* bytes this process may have at most; 0: unknown */
    uint64_t files;      /* hard limit of open files */
    uint64_t map_count;  /* vm.max_map_count; 0: unknown */
    Usec wall;           /* the clock */
    bool clock_is_known; /* whether the kernel told if it is synchronised */
    bool clock_is_synced;
};

/* The data directory, or where it would be made. */
struct doctor_data {
    Str path;
    bool exists, is_folder, may_write;
    bool is_open;       /* others than owner and group may read it */
    Str fs;             /* "ext", "nfs", ... */
    bool fs_is_network; /* shared memory and locks do not work there */
    bool fs_is_memory;
    uint64_t free;
    Usec sync;     /* median of a 4 KiB write made durable */
    Err sync_fail; /* OK, or why it could not be measured */
};

void doctor_look(struct arena *a, struct doctor_facts *ret_facts);
void doctor_look_data(struct arena *a, Str path, struct doctor_data *ret_data);
/* Whether @listen can be bound now: 0, or the errno of what refused. E_INVALID for a bad address.
 */
Err doctor_look_port(struct arena *a, Str listen, int *ret_errno);

void doctor_judge(struct arena *a, const struct doctor_facts *facts, struct doctor_lines *lines);
void doctor_judge_data(struct arena *a, const struct doctor_data *data, bool holds_database,
                       struct doctor_lines *lines);
/* @holder: the process that serves this data directory, 0 if none does. */
void doctor_judge_port(struct arena *a, Str listen, int bind_errno, int holder,
                       struct doctor_lines *lines);
/* Libraries that were loaded in another version than Heddle was built with. */
void doctor_judge_libraries(struct arena *a, struct doctor_lines *lines);

void doctor_add(struct arena *a, struct doctor_lines *lines, enum doctor_level level,
                const char *name, Str found, Str advice);

#endif
