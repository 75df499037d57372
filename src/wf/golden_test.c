/* src/wf/golden_test.c - journals that former versions wrote (test/golden): every later one must
 * load them and come to the same state. A failure here means that runs of users are lost by the
 * update. */
#include "wf/engine_private.h"
#include "wf/test_node.h"

#include <dirent.h>
#include <stdlib.h>

enum { FILES_MAX = 500, FILE_MAX = 4 << 20 };

static int by_name(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* The paths of all golden journals, in order; how many. */
static int list_files(char *files[FILES_MAX])
{
    char folder[512];
    int n = 0;

    snprintf(folder, sizeof folder, "%s/test/golden", HEDDLE_SOURCE);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) && n < FILES_MAX;)
        if (str_ends(str_c(e->d_name), S(".json")))
            files[n++] = str_dup_c(t_arena(), str_fmt(t_arena(), "%s/%s", folder, e->d_name));
    if (dir)
        closedir(dir);
    qsort(files, (size_t)n, sizeof *files, by_name);
    return n;
}

static struct json *read_file(const char *path)
{
    AUTO_BUF(b, FILE_MAX);
    FILE *f = fopen(path, "r");
    struct json *json = NULL;

    if (!f)
        return NULL;
    char *to = buf_room(&b, FILE_MAX - 1);
    buf_added(&b, fread(to, 1, FILE_MAX - 1, f));
    fclose(f);
    if (json_parse(t_arena(), str_dup(t_arena(), buf_str(&b)), &json) != OK)
        return NULL;
    return json;
}

static Err fold(const struct wf_def *def, const struct json *events, size_t n,
                struct wf_state **ret_state)
{
    struct wf_state *s = wf_core_new(t_arena(), def);

    s->copies = true;
    for (size_t i = 0; i < n; i++) {
        struct wf_event ev;
        TRY(wf_event_read(def, json_item(events, i), &ev));
        TRY(wf_core_apply(s, &ev));
    }
    *ret_state = s;
    return OK;
}

/* Where @got lacks something of @want, or has it otherwise; NULL: nowhere. Members that came later
 * are no difference. */
static const char *difference(const struct json *want, const struct json *got, const char *at)
{
    for (size_t i = 0; json_is(want, JSON_OBJ) && i < want->n; i++) {
        Str name = str_from(want->obj[i].key.s, want->obj[i].key.n);
        const struct json *other = json_get(got, name);
        const char *here = str_dup_c(t_arena(), str_fmt(t_arena(), "%s/%.*s", at, P(name)));
        const char *found = other || json_is(&want->obj[i].val, JSON_NULL)
                                ? difference(&want->obj[i].val, other, here)
                                : here;
        if (found)
            return found;
    }
    if (json_is(want, JSON_OBJ))
        return json_is(got, JSON_OBJ) ? NULL : at;
    if (json_is(want, JSON_ARR) && json_len(want) != json_len(got))
        return at;
    for (size_t i = 0; json_is(want, JSON_ARR) && i < want->n; i++) {
        const char *found = difference(&want->arr[i], json_item(got, i),
                                       str_dup_c(t_arena(), str_fmt(t_arena(), "%s/%zu", at, i)));
        if (found)
            return found;
    }
    if (json_is(want, JSON_ARR))
        return NULL;
    return json_equal(want, got ? got : json_null(t_arena())) ? NULL : at;
}

struct seen {
    bool events[WF_EV_COUNT];
    bool types[100];
};

static void see(struct seen *seen, const struct wf_def *def, const struct json *events)
{
    for (int i = 0; i < def->n_nodes; i++)
        for (int k = 0; wf_node_types[k]; k++)
            seen->types[k] |= wf_node_types[k] == def->nodes[i].type;
    for (size_t i = 0; i < json_len(events); i++)
        for (int k = 0; k < WF_EV_COUNT; k++)
            seen->events[k] |= str_eq(json_str_of(json_at(json_item(events, i), "type"), S("")),
                                      str_c(wf_event_name((enum wf_event_kind)k)));
}

static const char *replay(const struct json *golden, struct seen *seen)
{
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    const struct json *events = json_at(golden, "events");
    struct wf_state *s = NULL;

    if (wf_def_parse(t_arena(), json_text(t_arena(), json_at(golden, "definition")), &problems,
                     &def) != OK)
        return "its definition is not valid any more";
    /* A crash may have cut it anywhere. */
    for (size_t n = 0; n <= json_len(events); n++)
        if (fold(def, events, n, &s) != OK)
            return str_dup_c(t_arena(),
                             str_fmt(t_arena(), "event %zu: %s", n, err_text(err_record()->code)));
    struct run_row row = {.state = (int)s->run, .origin = S("api")};
    const char *where =
        difference(json_at(golden, "expect"), run_doc(t_arena(), &row, s, NULL), "");
    see(seen, def, events);
    return where ? str_dup_c(t_arena(), str_fmt(t_arena(), "%s is another now", where)) : NULL;
}

TEST(golden_journals_of_all_versions_replay_to_the_state_they_had)
{
    char *files[FILES_MAX];
    int n = list_files(files);
    struct seen seen = {0};

    t_expect(n >= 15);
    for (int i = 0; i < n; i++) {
        const struct json *golden = read_file(files[i]);
        const char *wrong = golden ? replay(golden, &seen) : "it cannot be read";
        if (wrong)
            t_fail(files[i], 1, "%s", wrong);
    }
    for (int k = 0; wf_node_types[k]; k++)
        if (!seen.types[k])
            t_fail(__FILE__, __LINE__, "no golden journal has a node of type %s: see its README",
                   wf_node_types[k]->name);
    for (int k = 0; k < WF_EV_COUNT; k++)
        if (!seen.events[k])
            t_fail(__FILE__, __LINE__, "no golden journal has an event %s: see its README",
                   wf_event_name((enum wf_event_kind)k));
}

TEST(a_golden_journal_that_says_otherwise_is_found)
{
    struct json *want = t_json("{'steps':[{'node':'a','output':{'n':1}}],'error':null}");

    t_expect(difference(want, t_json("{'steps':[{'node':'a','output':{'n':1},'new':2}]}"), "") ==
             NULL);
    t_expect_str(str_c(difference(want, t_json("{'steps':[{'node':'a','output':{'n':2}}]}"), "")),
                 S("/steps/0/output/n"));
    t_expect_str(str_c(difference(want, t_json("{'steps':[]}"), "")), S("/steps"));
    t_expect_str(str_c(difference(want,
                                  t_json("{'steps':[{'node':'a','output':{'n':1}}],'error':"
                                         "{'code':'x'}}"),
                                  "")),
                 S("/error"));
}
