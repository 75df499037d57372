/* src/wf/folder_test.c - which paths are in folders that are open. */
#include "base/test.h"
#include "wf/folder.h"

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
