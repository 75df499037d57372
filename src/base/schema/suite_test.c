/* src/base/schema/suite_test.c - the JSON-Schema-Test-Suite for draft 2020-12, when it is there.
 *
 * Every case of the required and of the optional tests must come out as the suite says, except for
 * those that are listed below by name, with the reason.
 */
#include "base/json_schema.h"
#include "base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *file, *group, *test; /* NULL: all tests of the group */
    const char *why;
} differs[] = {
    {"cross-draft.json", "refs to historic drafts are processed as historic drafts", NULL,
     "only draft 2020-12 is offered, and the suite's copy lacks the remote schema"},
    {"ecmascript-regex.json", "ECMA 262 lookbehind is valid, including variable width",
     "a variable-width lookbehind (ES2018)", "PCRE2 10.42 has no look-behind of variable length"},
};

enum { REMOTES_MAX = 64 };

static struct json_schema_remote remotes[REMOTES_MAX];
static size_t n_remotes;

static Str read_file(const char *path)
{
    AUTO_BUF(b, MIB(4));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    while (fd >= 0 && n > 0 && buf_room(&b, KIB(16))) {
        n = read(fd, buf_room(&b, KIB(16)), KIB(16));
        buf_added(&b, n > 0 ? (size_t)n : 0);
    }
    if (fd >= 0)
        close(fd);
    return str_dup(t_arena(), buf_str(&b));
}

static struct json *read_json(const char *path)
{
    struct json *v = NULL;
    if (json_parse(t_arena(), read_file(path), &v) != OK)
        t_fail(__FILE__, __LINE__, "%s: %s", path, err_text(E_SYNTAX));
    return v;
}

static int add_remote(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    const char *from = strstr(path, "/remotes/");

    (void)st, (void)ftw;
    if (type != FTW_F || !from || n_remotes == REMOTES_MAX)
        return 0;
    remotes[n_remotes++] = (struct json_schema_remote){
        .uri = str_fmt(t_arena(), "http://localhost:1234/%s", from + strlen("/remotes/")),
        .schema = read_json(path),
    };
    return 0;
}

static bool is_listed(const char *file, Str group, Str test)
{
    for (size_t i = 0; i < ARRAY_LEN(differs); i++)
        if (strcmp(file, differs[i].file) == 0 && str_eq(group, str_c(differs[i].group)) &&
            (!differs[i].test || str_eq(test, str_c(differs[i].test))))
            return true;
    return false;
}

/* Run one file; gives how many tests were as they should be. Listed ones must really differ. */
static int run_file(const char *path, const char *name, unsigned flags)
{
    const struct json *groups = read_json(path);
    int passed = 0;

    for (size_t g = 0; g < json_len(groups); g++) {
        const struct json *group = json_item(groups, g), *tests = json_at(group, "tests");
        Str title = json_str_of(json_at(group, "description"), S(""));
        AUTO(json_schema) *s = NULL;
        Err compiled = json_schema_compile(json_at(group, "schema"), remotes, n_remotes, flags, &s);
        for (size_t i = 0; i < json_len(tests); i++) {
            const struct json *test = json_item(tests, i);
            Str what = json_str_of(json_at(test, "description"), S(""));
            JsonSchemaErrors errors = {0};
            Err e = compiled == OK
                        ? json_schema_validate(s, t_arena(), json_at(test, "data"), 10, &errors)
                        : compiled;
            bool valid = json_bool_of(json_at(test, "valid"), false);
            bool right = compiled == OK && e == (valid ? OK : E_INVALID) && (errors.n > 0) != valid;
            passed += right;
            if (right == is_listed(name, title, what))
                t_fail(__FILE__, __LINE__, "%s | %.*s | %.*s: %s%s%s", name, P(title), P(what),
                       err_name(e), right ? " although it is listed" : "",
                       e == OK ? "" : err_client_text(e));
        }
    }
    return passed;
}

static int run_folder(const char *folder, unsigned flags)
{
    char path[1024];
    struct dirent *entry;
    int passed = 0;

    snprintf(path, sizeof path, "%s/json/schema/tests/draft2020-12/%s", t_data(), folder);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (!str_ends(str_c(entry->d_name), S(".json")))
            continue;
        snprintf(path, sizeof path, "%s/json/schema/tests/draft2020-12/%s/%s", t_data(), folder,
                 entry->d_name);
        passed += run_file(path, entry->d_name, flags);
    }
    if (dir)
        closedir(dir);
    return passed;
}

TEST(the_json_schema_test_suite_is_passed)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/json/schema/remotes", t_data() ? t_data() : "");
    if (!t_data() || access(path, R_OK) != 0) {
        t_skip("HEDDLE_TEST_DATA has no json/schema");
        return;
    }
    n_remotes = 0;
    nftw(path, add_remote, 16, FTW_PHYS);
    t_expect(n_remotes > 20);
    int required = run_folder(".", 0);
    int optional = run_folder("optional", 0);
    int formats = run_folder("optional/format", SCHEMA_FORMAT);
    t_expect(required >= 1240 && optional >= 120 && formats >= 500);
}
