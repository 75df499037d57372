/* src/main/cmd_run.c - "heddle run FILE": one workflow, here and now, in the terminal.
 *
 * The same engine and journal as the server's, on a database in a temporary folder that goes with
 * the run. Progress is one line a step on standard error, the output alone on standard output, so
 * that it can be piped; with --json every event is one line on standard output.
 */
#include "base/crypto.h"
#include "main/boot.h"
#include "main/cli.h"
#include "main/cmd_files.h"
#include "main/signals.h"
#include "rt/log.h"
#include "rt/work.h"
#include "store/store_workflow.h"

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_CANCELLED = 4 };

struct run_call {
    struct cli *cli;
    struct config config;
    struct boot boot;
    struct signals signals;
    struct wf_def *def;
    struct json *input, *vars;
    char folder[256];
    bool json, colour;
    Id id;
};

/* ---- what is given ---- */

static const struct wf_variable *find_variable(const struct wf_def *def, Str name)
{
    for (int i = 0; i < def->n_variables; i++)
        if (str_eq(def->variables[i].name, name))
            return &def->variables[i];
    return NULL;
}

/* "name=value": text for a variable of type string, else JSON. */
static Err read_var(struct run_call *c, Str given)
{
    struct arena *a = c->cli->a;
    Str name, value = str_cut(given, '=', &name);
    const struct wf_variable *v = find_variable(c->def, name);
    struct json *json = NULL;

    if (!value.p)
        return err_detail(E_BAD_INPUT, "--var takes NAME=VALUE, not %.*s.", P(given));
    if (!v)
        return err_detail(E_BAD_INPUT, "The workflow has no variable \"%.*s\".", P(name));
    if (str_eq(v->type, S("string")) || json_parse(a, value, &json) != OK)
        json = json_str(a, value);
    json_set(a, c->vars, name, json);
    return OK;
}

static Err read_given(struct run_call *c)
{
    struct cli *cli = c->cli;
    JsonSchemaErrors errors = {0};

    TRY(cmd_read_definition(cli, cli->args.at[0], &c->def));
    c->input = json_obj(cli->a, NULL);
    if (cli_has(cli, "input"))
        TRY(cmd_read_json(cli, cli_get(cli, "input"), "--input", &c->input));
    c->vars = json_obj(cli->a, NULL);
    vec_each(&cli->given, g)
        if (strcmp(g->name, "var") == 0)
            TRY(read_var(c, g->value));
    Err e = wf_def_check_input(c->def, cli->a, c->input, &errors);
    vec_each(&errors, x)
        fprintf(stderr, "input%.*s: %.*s\n", P(x->path), P(x->message));
    return e == E_INVALID ? err_detail(E_INVALID, "The input does not meet the workflow's schema.")
                          : e;
}

/* ---- progress ---- */

static const char *paint(const struct run_call *c, const char *code)
{
    return c->colour ? code : "";
}

#define GREEN "\033[32m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

/* "12.3 ms", "4.56 s" */
static const char *duration(double ms, char out[32])
{
    if (ms < 1000)
        snprintf(out, 32, ms < 10 ? "%.2f ms" : "%.1f ms", ms);
    else
        snprintf(out, 32, "%.2f s", ms / 1000);
    return out;
}

static Str title_of(const struct run_call *c, Str node)
{
    int i = wf_def_node(c->def, node);
    if (i < 0)
        return node;
    return c->def->nodes[i].title.n ? c->def->nodes[i].title : node;
}

static void print_step(struct run_call *c, Str name, const struct json *ev)
{
    Str node = json_str_of(json_at(ev, "node"), S(""));
    Str scope = json_str_of(json_at(ev, "scope"), S(""));
    Str title = title_of(c, node);
    char where[160];
    const struct json *error = json_at(ev, "error");
    char took[32];
    long long attempt = json_int_of(json_at(ev, "attempt"), 1);

    if (scope.n) { /* which item or round it is of */
        int n = snprintf(where, sizeof where, "%.*s %.*s", P(str_head(scope, 60)),
                         P(str_head(title, 80)));
        title = str_from(where, (size_t)n);
    }
    if (str_eq(name, S("step.started"))) {
        fprintf(stderr, "%s  … %-28.*s%s%s\n", paint(c, DIM), P(title), attempt > 1 ? " again" : "",
                paint(c, PLAIN));
    } else if (str_eq(name, S("step.finished"))) {
        Str handle = json_str_of(json_at(ev, "handle"), S("out"));
        bool plain = str_eq(handle, S("out"));
        fprintf(stderr, "%s  ✓%s %-28.*s %10s%s%.*s\n", paint(c, GREEN), paint(c, PLAIN), P(title),
                duration(json_double_of(json_at(ev, "duration_ms"), 0), took), plain ? "" : "  → ",
                plain ? 0 : (int)handle.n, handle.p);
    } else if (str_eq(name, S("step.failed"))) {
        bool retry = json_at(ev, "retry_at") != NULL, handled = json_at(ev, "handled") != NULL;
        Str message = json_str_of(json_at(error, "message"), S(""));
        fprintf(stderr, "%s  %s%s %-28.*s %10s  %.*s%s\n",
                paint(c, retry || handled ? YELLOW : RED), retry ? "↻" : "✗", paint(c, PLAIN),
                P(title), duration(json_double_of(json_at(ev, "duration_ms"), 0), took), P(message),
                retry     ? " (will be tried again)"
                : handled ? " (handled)"
                          : "");
    } else if (str_eq(name, S("step.skipped"))) {
        fprintf(stderr, "%s  - %-28.*s    skipped%s\n", paint(c, DIM), P(title), paint(c, PLAIN));
    }
}

static Err show_event(void *ctx, int64_t seq, Str name, const struct json *ev)
{
    struct run_call *c = ctx;

    if (c->json) {
        AUTO_BUF(line, MIB(128));
        json_write(&line, ev);
        buf_add_char(&line, '\n');
        TRY(buf_ok(&line));
        return cli_print(buf_str(&line));
    }
    if (seq)
        print_step(c, name, ev);
    return OK;
}

static Err no_idle(void *ctx)
{
    (void)ctx;
    return OK;
}

/* ---- the run ---- */

static Err stop_on_signal(void *arg)
{
    struct run_call *c = arg;
    int number;

    TRY(signals_next(&c->signals, USEC_NEVER, &number));
    fprintf(stderr, "cancelling\n");
    Err e = wf_run_cancel(c->boot.engine, c->cli->a, auth_home_tenant, c->id);
    return e == E_CONFLICT ? OK : e;
}

static Err report(struct run_call *c, struct wf_run *run)
{
    struct json *doc = wf_run_json(c->cli->a, run, c->def->name);
    enum wf_run_state state = wf_run_state(run);
    char took[32];

    c->cli->exit = state == WF_RUN_SUCCEEDED   ? CLI_OK
                   : state == WF_RUN_CANCELLED ? EXIT_CANCELLED
                                               : CLI_FAILED;
    if (c->json)
        return OK;
    duration(json_double_of(json_at(doc, "duration_ms"), 0), took);
    if (state != WF_RUN_SUCCEEDED) {
        const struct json *error = json_at(doc, "error");
        Str message = json_str_of(json_at(error, "message"), S(""));
        fprintf(stderr, "%s%s%s after %s%s%.*s\n", paint(c, RED), wf_run_state_name(state),
                paint(c, PLAIN), took, message.n ? ": " : "", P(message));
        return OK;
    }
    fprintf(stderr, "%ssucceeded%s in %s\n", paint(c, GREEN), paint(c, PLAIN), took);
    AUTO_BUF(text, MIB(128));
    json_write_pretty(&text, json_at(doc, "output"));
    buf_add_char(&text, '\n');
    TRY(buf_ok(&text));
    return cli_print(buf_str(&text));
}

static Err execute(struct run_call *c)
{
    AUTO(wf_run) *run = NULL;
    AUTO(wf_watch) *watch = NULL;
    char id[ID_TEXT_SIZE];
    struct wf_start start = {.tenant = auth_home_tenant,
                             .workflow = id_new(),
                             .def = c->def,
                             .store_def = true,
                             .origin = S("cli"),
                             .input = c->input,
                             .vars = c->vars,
                             .dry_run = cli_has(c->cli, "dry-run"),
                             .ret_watch = &watch};

    TRY(wf_run_start(c->boot.engine, &start, &run));
    struct wf_follow follow = {show_event, no_idle, USEC_MIN, c, watch};
    c->id = wf_run_id(run);
    if (!c->json)
        fprintf(stderr, "%.*s  %srun %.*s%s\n", P(c->def->name), paint(c, DIM),
                P(id_text(c->id, id)), paint(c, PLAIN));
    AUTO(fiber) *stopper = fiber_start_ref("signals", stop_on_signal, c);
    Err e = wf_run_follow(c->boot.engine, auth_home_tenant, c->id, 0, &follow);
    if (e == OK)
        e = wf_run_wait(run, usec_in(10 * USEC_S));
    fiber_cancel(stopper);
    TRY(e);
    return report(c, run);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static Err remove_folder(void *arg)
{
    return nftw(arg, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 ? OK : E_IO;
}

static Err make_folder(struct run_call *c)
{
    const char *base = getenv("TMPDIR");
    snprintf(c->folder, sizeof c->folder, "%s/heddle-run-XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(c->folder))
        return err_detail(E_IO, "No folder for the run's journal can be made at %s.", c->folder);
    c->config.data = str_c(c->folder);
    c->config.database.url = S("");
    return OK;
}

static Err in_fiber(void *arg)
{
    static const int numbers[] = {SIGINT, SIGTERM, 0};
    struct run_call *c = arg;

    signals_init(&c->signals, numbers);
    Err e = read_given(c);
    if (e == OK)
        e = make_folder(c);
    if (e == OK)
        e = boot_store(&c->boot, c->cli->a, &c->config, false);
    if (e == OK)
        e = boot_engine(&c->boot, true);
    if (e == OK)
        e = execute(c);
    struct err_record record = *err_record();
    boot_close(&c->boot, USEC_S);
    wf_def_unref(c->def);
    signals_done(&c->signals);
    if (c->folder[0] && work_run(remove_folder, c->folder) != OK)
        LOG_WARN("the run's temporary folder is left behind", L_CSTR("path", c->folder));
    *err_record() = record;
    return e;
}

static Err run(struct cli *cli)
{
    struct run_call *c = arena_new_of(cli->a, struct run_call);

    c->cli = cli;
    c->json = cli_has(cli, "json");
    c->colour = !c->json && isatty(STDERR_FILENO) && !getenv("NO_COLOR");
    TRY(cli_config(cli, &c->config));
    c->config.shards = 1;
    c->config.log.level = LOG_LEVEL_WARN;
    return boot_run(&c->config, in_fiber, c);
}

static const struct cli_option options[] = {
    {"input", "JSON",
     "What the run is started with: JSON, @FILE, or - for standard input; {} if not given"},
    {"var", "NAME=VALUE", "Set a variable of the workflow; may be given several times",
     .repeats = true},
    {"dry-run", NULL, "Compute everything, call nothing: such steps give a placeholder"},
    {"json", NULL, "Print every event as a line of JSON"},
    {0},
};

const struct cli_verb cmd_run = {
    .name = "run",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .summary = "Run a workflow from a file, here and now",
    .details =
        "Progress goes to standard error, the output to standard output. Ends with 0 if the run "
        "succeeded, 1 if it failed, 3 if the workflow is not valid, 4 if it was cancelled "
        "(Ctrl-C).\n\n"
        "Calls to addresses on this machine or the local network are refused unless "
        "--egress-allow private says otherwise.",
    .options = options,
    .settings = "egress.allow openai.base_url",
    .run = run,
};
