/* src/wf/folder_test.c - which paths are in folders that are open, and which names are meant. */
#include "base/buf.h"
#include "base/test.h"
#include "rt/test_rt.h"
#include "wf/folder.h"

#include <stdio.h>

TEST(a_path_leads_from_name_to_name)
{
    static const char *const bad[] = {"",    "a",   "./a", "/a/../b", "/a/./b", "/a//b",
                                      "/a/", "/..", "//",  "/a/b/..", "/\xff/", "/a/\xffx"};

    t_expect(!folder_path_fault(S("/srv/in box/größe")));
    t_expect(!folder_path_fault(S("/a/...")));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        t_expect(folder_path_fault(str_c(bad[i])) != NULL);
    t_expect(folder_path_fault((Str){"/a\0b", 4}) != NULL);
}

TEST(a_path_is_in_an_open_folder_or_below_one)
{
    Str roots = S("/srv/inbox, /data/");

    t_expect_ok(folder_check(roots, S("/srv/inbox")));
    t_expect_ok(folder_check(roots, S("/srv/inbox/a/b")));
    t_expect_ok(folder_check(roots, S("/data/x")));
    t_expect_err(folder_check(roots, S("/srv/inboxes")), E_INVALID);
    t_expect_err(folder_check(roots, S("/srv")), E_INVALID);
    t_expect_err(folder_check(roots, S("/srv/inbox/../x")), E_INVALID);
    t_expect_err(folder_check(S(""), S("/srv/inbox")), E_INVALID);
    t_expect_err(folder_check(S("relative"), S("/relative")), E_INVALID);
    t_expect_ok(folder_check(S("/"), S("/anything")));
}

static void put_file(Str folder, const char *name)
{
    FILE *f = fopen(str_dup_c(t_arena(), str_fmt(t_arena(), "%.*s/%s", P(folder), name)), "w");

    t_expect(f != NULL);
    t_expect(fclose(f) == 0);
}

static Str names_like(Str folder, Str pattern)
{
    AUTO_BUF(b, KIB(4));
    struct folder_files files;

    if (folder_list(t_arena(), folder, folder, pattern, &files) != OK)
        return S("it failed");
    vec_each(&files.list, f)
        buf_add_fmt(&b, "%.*s ", P(f->name));
    return str_dup(t_arena(), buf_str(&b));
}

TEST_FIBER(names_are_those_of_the_pattern_and_hidden_ones_only_where_it_says_so)
{
    Str folder = str_c(t_dir());

    put_file(folder, "a.csv");
    put_file(folder, ".b.csv");
    put_file(folder, "c\xff.csv");
    t_expect_str(names_like(folder, S("*.csv")), S("a.csv "));
    t_expect_str(names_like(folder, S(".*.csv")), S(".b.csv "));
    t_expect_str(names_like(folder, S("?.[c]sv")), S("a.csv "));
    t_expect_str(names_like(folder, S("*.txt")), S(""));
}

TEST_FIBER(a_pattern_that_could_match_in_endless_ways_takes_no_time)
{
    Str folder = str_c(t_dir());
    AUTO_BUF(pattern, KIB(1));
    AUTO_BUF(name, KIB(1));

    for (int i = 0; i < 120; i++) {
        buf_add_c(&pattern, "*a");
        buf_add_c(&name, "aa");
    }
    buf_add_c(&pattern, "b");
    buf_add_char(&name, 0);
    put_file(folder, name.p);
    Usec began = time_mono();
    t_expect_str(names_like(folder, buf_str(&pattern)), S(""));
    t_expect(time_mono() - began < 20 * USEC_S); /* else centuries */
}
