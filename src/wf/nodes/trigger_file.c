/* src/wf/nodes/trigger_file.c - which files of a folder start a workflow. */
#include "wf/nodes/trigger_file.h"

#include "wf/folder.h"

const struct field trigger_file_fields[] = {
    {"folder", F_STR, offsetof(struct wf_file_cfg, folder), .required = true, .min = 1, .max = 1000,
     .title = "Folder", .help = "An absolute path, in a folder that the operator has opened."},
    {"pattern", F_STR, offsetof(struct wf_file_cfg, pattern), .dflt = "*", .min = 1, .max = 255,
     .title = "Names", .help = "Such as *.csv; those that begin with a dot are left out."},
    {"on", F_ENUM, offsetof(struct wf_file_cfg, on), .dflt = "new", .one_of = "new changed",
     .title = "When", .help = "A file is new; or it is new or has changed."},
    {"existing", F_BOOL, offsetof(struct wf_file_cfg, existing), .dflt = "false",
     .title = "Existing files", .help = "Whether those that are there at first count as new."},
    {"every", F_USEC, offsetof(struct wf_file_cfg, every), .dflt = "5s", .min = 0.1, .max = 86400,
     .title = "Look every"},
    {"settle", F_USEC, offsetof(struct wf_file_cfg, settle), .dflt = "2s", .min = 0.1, .max = 3600,
     .title = "Settled after", .help = "A file counts when it did not change for so long."},
    {"content", F_ENUM, offsetof(struct wf_file_cfg, content), .dflt = "none",
     .one_of = "none text base64", .title = "Content", .help = "What the run gets of it."},
    {"max_size", F_SIZE, offsetof(struct wf_file_cfg, max_size), .dflt = "1MiB", .min = 1,
     .max = 8 << 20, .when = "content=text,base64", .title = "At most",
     .help = "A larger file starts the run without its content."},
    {0},
};

void trigger_file_check(struct wf_check *ck, const struct wf_file_cfg *cfg)
{
    const char *fault = cfg->folder.n ? folder_path_fault(cfg->folder) : NULL;

    if (fault)
        wf_check_problem(ck, S("file/folder"), S("bad_path"), "%s", fault);
    if (str_find_char(cfg->pattern, '/') < cfg->pattern.n)
        wf_check_problem(ck, S("file/pattern"), S("bad_path"),
                         "The pattern is of names, without folders.");
}
