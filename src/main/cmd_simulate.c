/* src/main/cmd_simulate.c - "heddle simulate FILE": how a workflow behaves when things go wrong.
 *
 * No server, no database, no network: see wf/simulate.h. The same seed gives the same run on every
 * machine.
 */
#include "main/boot.h"
#include "main/cli.h"
#include "main/cmd_files.h"
#include "rt/log.h"
#include "wf/simulate.h"

#include <math.h>
#include <stdlib.h>

enum { SEEDS = 1000, REPORT_MEMORY = 1 << 30 };

struct call {
    struct cli *cli;
    struct config config;
    struct wf_def *def;
    struct wf_simulate what;
    struct buf out;
};

/* ---- what is given ---- */

static Err read_number(Str text, const char *option, int64_t min, int64_t max, int64_t *ret)
{
    if (str_to_i64(text, ret) != OK || *ret < min || *ret > max)
        return err_detail(E_BAD_INPUT, "--%s takes a number from %lld to %lld, not %.*s.", option,
                          (long long)min, (long long)max, P(str_head(text, 60)));
    return OK;
}

static Err read_rate(struct call *c, Str text)
{
    struct json *v;

    if (json_parse(c->cli->a, text, &v) != OK || !json_is_number(v))
        return err_detail(E_BAD_INPUT, "--fail takes a number from 0 to 1, not %.*s.",
                          P(str_head(text, 60)));
    c->what.fail = json_double_of(v, -1);
    if (!(c->what.fail >= 0 && c->what.fail <= 1))
        return err_detail(E_BAD_INPUT, "--fail takes a number from 0 to 1, not %.*s.",
                          P(str_head(text, 60)));
    return OK;
}

static Err read_given(struct call *c)
{
    struct cli *cli = c->cli;
    int64_t n = SEEDS;
    struct json *value;

    c->what.fail = 0.1;
    c->what.first = 1;
    c->what.max_output = MIB(8);
    if (cli_has(cli, "seed") && cli_has(cli, "seeds"))
        return err_detail(E_BAD_INPUT, "--seed runs one seed: --seeds cannot be given with it.");
    if (cli_has(cli, "seeds"))
        TRY(read_number(cli_get(cli, "seeds"), "seeds", 1, WF_SEEDS_MAX, &n));
    c->what.seeds = (uint64_t)n;
    if (cli_has(cli, "seed")) {
        TRY(read_number(cli_get(cli, "seed"), "seed", 0, INT64_MAX, &n));
        c->what.first = (uint64_t)n;
        c->what.seeds = 1;
        c->what.traced = true;
    }
    if (cli_has(cli, "fail"))
        TRY(read_rate(c, cli_get(cli, "fail")));
    TRY(cmd_read_definition(cli, cli->args.at[0], &c->def));
    c->what.def = c->def;
    if (cli_has(cli, "input")) {
        TRY(cmd_read_json(cli, cli_get(cli, "input"), "--input", &value));
        c->what.input = value;
    }
    if (cli_has(cli, "mocks")) {
        Str given = cli_get(cli, "mocks");
        bool inline_json = str_starts(given, S("{")) || str_eq(given, S("-"));
        Str from = inline_json ? given : str_fmt(cli->a, "@%.*s", P(given));
        TRY(cmd_read_json(cli, from, "--mocks", &value));
        c->what.mocks = value;
    }
    return OK;
}

/* ---- the report as text ---- */

static long long count(const struct json *o, const char *key)
{
    return json_int_of(json_get(o, str_c(key)), 0);
}

static Str text_of(const struct json *o, const char *key)
{
    return json_str_of(json_get(o, str_c(key)), S(""));
}

/* "12 ms", "4.5 s", "3.2 min", "7.1 h", "2.5 days" */
static const char *span(const struct json *ms, char out[32])
{
    double n = json_double_of(ms, 0);
    static const struct {
        double size;
        const char *unit;
    } units[] = {{86400e3, "days"}, {3600e3, "h"}, {60e3, "min"}, {1e3, "s"}, {1, "ms"}};
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(units) && n < units[i].size * 1.5)
        i++;
    snprintf(out, 32, "%.*f %s", n > 0 && n / units[i].size < 10 ? 1 : 0, n / units[i].size,
             units[i].unit);
    return out;
}

static void print_outcomes(struct call *c, const struct json *report)
{
    static const char *const words[] = {"succeeded", "failed", "stuck", "too_long"};
    static const char *const said[] = {"succeeded", "failed", "wait for ever", "do not end"};
    const struct json *outcomes = json_at(report, "outcomes");
    double all = (double)count(report, "done");
    char least[32], median[32], p95[32], most[32];

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const struct json *o = json_get(outcomes, str_c(words[i]));
        if (!o)
            continue;
        double part = 100 * (double)count(o, "runs") / all;
        buf_add_fmt(&c->out, "  %-14s %7lld  %5.1f %%", said[i], count(o, "runs"), part);
        if (i)
            buf_add_fmt(&c->out, "   first: --seed %lld", count(o, "seed"));
        buf_add_char(&c->out, '\n');
    }
    const struct json *d = json_at(report, "duration_ms");
    if (json_is(d, JSON_OBJ))
        buf_add_fmt(
            &c->out,
            "\nTime a run takes: %s at least, %s in the middle, %s for 19 of 20, %s at most "
            "(--seed %lld).\n",
            span(json_at(d, "min"), least), span(json_at(d, "median"), median),
            span(json_at(d, "p95"), p95), span(json_at(d, "max"), most), count(d, "max_seed"));
}

static void print_errors(struct call *c, const struct json *report)
{
    const struct json *errors = json_at(report, "errors");

    if (json_len(errors))
        buf_add_c(&c->out, "\nWhy runs fail:\n");
    for (size_t i = 0; i < json_len(errors); i++) {
        const struct json *e = json_item(errors, i);
        Str node = text_of(e, "node");
        buf_add_fmt(&c->out, "  %7lld  %.*s%s%.*s: %.*s  (--seed %lld)\n", count(e, "runs"),
                    P(node), node.n ? ": " : "", P(text_of(e, "code")),
                    P(str_head(text_of(e, "message"), 200)), count(e, "seed"));
    }
}

static void print_steps(struct call *c, const struct json *report)
{
    const struct json *steps = json_at(report, "steps");

    buf_add_fmt(&c->out, "\n  %-24s %8s %8s %8s %8s %8s  %s\n", "step", "runs", "attempts",
                "retries", "handled", "failed", "gives");
    for (size_t i = 0; i < json_len(steps); i++) {
        const struct json *s = json_item(steps, i);
        long long handled = count(s, "handled_by_default") + count(s, "handled_by_branch");
        buf_add_fmt(&c->out, "  %-24.*s %8lld %8lld %8lld %8lld %8lld  %.*s\n", P(text_of(s, "id")),
                    count(s, "runs"), count(s, "attempts"), count(s, "retries"), handled,
                    count(s, "failed"), P(text_of(s, "simulated")));
    }
}

/* What a reader should know, one line each. */
static void print_findings(struct call *c, const struct json *report)
{
    const struct json *steps = json_at(report, "steps"), *undone = json_at(report, "compensation");
    const struct json *never = json_at(report, "never_reached");
    const struct json *broken = json_at(report, "broken_promises");
    size_t before = c->out.n;

    for (size_t i = 0; i < json_len(steps); i++) {
        const struct json *s = json_item(steps, i);
        Str id = text_of(s, "id");
        if (text_of(s, "error").n)
            buf_add_fmt(&c->out, "  %.*s fails by itself: %.*s\n", P(id),
                        P(str_head(text_of(s, "error"), 300)));
        if (count(s, "waits_for_ever"))
            buf_add_fmt(&c->out,
                        "  %.*s waits for ever when nobody answers (%lld runs, --seed %lld): set "
                        "max_wait.\n",
                        P(id), count(s, "waits_for_ever"), count(s, "seed"));
        if (count(s, "unknown_outcome"))
            buf_add_fmt(
                &c->out,
                "  %.*s is not repeated when the server dies in the middle of it: it failed "
                "%lld times as unknown_outcome.\n",
                P(id), count(s, "unknown_outcome"));
        if (str_eq(text_of(s, "after_crash"), S("without_key")))
            buf_add_fmt(
                &c->out,
                "  %.*s is done twice when the server dies in the middle of it, and sends no "
                "key by which the far end could tell (%lld times here).\n",
                P(id), count(s, "repeated_after_crash"));
    }
    if (count(undone, "incomplete"))
        buf_add_fmt(&c->out,
                    "  What was done could not all be undone in %lld of %lld runs that had to "
                    "(--seed %lld).\n",
                    count(undone, "incomplete"), count(undone, "runs"), count(undone, "seed"));
    for (size_t i = 0; i < json_len(never); i++)
        buf_add_fmt(&c->out, "  %.*s was never reached.\n",
                    P(json_str_of(json_item(never, i), S(""))));
    for (size_t i = 0; i < json_len(broken); i++)
        buf_add_fmt(
            &c->out, "  A promise of Heddle was broken, please report it: %.*s (--seed %lld)\n",
            P(text_of(json_item(broken, i), "promise")), count(json_item(broken, i), "seed"));
    if (c->out.n == before)
        buf_add_c(&c->out, "  Nothing else to say.\n");
}

static void print_trace(struct call *c, const struct json *report)
{
    const struct json *trace = json_at(report, "trace");

    for (size_t i = 0; i < json_len(trace); i++) {
        const struct json *line = json_item(trace, i);
        buf_add_fmt(&c->out, "%14.3f s  %.*s\n", json_double_of(json_at(line, "at_ms"), 0) / 1000,
                    P(text_of(line, "what")));
    }
    buf_add_char(&c->out, '\n');
}

static void print_report(struct call *c, const struct json *report)
{
    const struct json *faults = json_at(report, "faults");
    bool placeholders = false;

    print_trace(c, report);
    buf_add_fmt(&c->out, "%.*s: %lld simulated runs, failures at a rate of %g\n\n",
                P(text_of(report, "workflow")), count(report, "done"), c->what.fail);
    print_outcomes(c, report);
    if (json_bool_of(json_at(report, "input_made_up"), false))
        buf_add_fmt(&c->out, "\nInput, made up (give it with --input): %.*s\n",
                    P(str_head(json_text(c->cli->a, json_at(report, "input")), 300)));
    print_errors(c, report);
    print_steps(c, report);
    buf_add_c(&c->out, "\nWhat to know:\n");
    print_findings(c, report);
    for (size_t i = 0; i < json_len(json_at(report, "steps")); i++)
        placeholders =
            placeholders ||
            str_eq(text_of(json_item(json_at(report, "steps"), i), "simulated"), S("placeholder"));
    buf_add_fmt(&c->out,
                "\nThere were %lld crashes, %lld times the store was away, %lld lost answers of "
                "commits, %lld answers that came twice.\n",
                count(faults, "crashes"), count(faults, "store_away"),
                count(faults, "lost_answers"), count(faults, "answered_twice"));
    if (placeholders)
        buf_add_c(&c->out,
                  "Nothing outside was called. Steps marked \"placeholder\" gave a made-up "
                  "value of the right shape;\nwhat they really give can be set with --mocks.\n");
}

/* ---- the call ---- */

static Err in_fiber(void *arg)
{
    struct call *c = arg;
    AUTO(arena) *a = arena_new(REPORT_MEMORY);
    struct json *report;

    TRY(read_given(c));
    TRY(wf_simulate(a, &c->what, &report));
    c->out = BUF(MIB(64));
    if (cli_has(c->cli, "json")) {
        json_write_pretty(&c->out, report);
        buf_add_char(&c->out, '\n');
    } else {
        print_report(c, report);
    }
    if (json_len(json_at(report, "outcomes")) > 1 ||
        !json_at(json_at(report, "outcomes"), "succeeded"))
        c->cli->exit = CLI_FAILED;
    Err e = buf_ok(&c->out);
    return e == OK ? cli_print(buf_str(&c->out)) : e;
}

static Err run_in_fiber(void *arg)
{
    struct call *c = arg;
    Err e = in_fiber(c);
    struct err_record record = *err_record();

    buf_done(&c->out);
    wf_def_unref(c->def);
    *err_record() = record;
    return e;
}

static Err run(struct cli *cli)
{
    static const char *const no_env[] = {NULL};
    struct call *c = arena_new_of(cli->a, struct call);
    AUTO_BUF(complaints, KIB(4));
    struct config_input none = {.env = no_env, .complaints = &complaints};

    c->cli = cli;
    TRY(config_load(cli->a, &none, &c->config)); /* it goes by no settings: the defaults */
    c->config.shards = 1;
    c->config.log.level = LOG_LEVEL_WARN;
    return boot_run(&c->config, run_in_fiber, c);
}

static const struct cli_option options[] = {
    {"seeds", "N", "How many runs are simulated; 1000 if not given"},
    {"seed", "N", "One run alone, with all that happens in it"},
    {"fail", "RATE", "How often what can fail does, from 0 to 1; 0.1 if not given"},
    {"input", "JSON",
     "What runs are started with: JSON, @FILE, or - for standard input; made up by the trigger's "
     "schema if not given"},
    {"mocks", "FILE",
     "What steps give: a file with {\"STEP\": {\"output\": ..., \"handle\": ...}}, or such JSON"},
    {"json", NULL, "Print the report as JSON"},
    {0},
};

const struct cli_verb cmd_simulate = {
    .name = "simulate",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .summary = "Show how a workflow behaves when things go wrong",
    .details =
        "Runs the workflow many times under a virtual clock. What is computed is computed as in "
        "production; nothing outside is called. Steps that would call out give their mock or a "
        "placeholder of the right shape, and fail, take too long, are rate-limited or cut off as "
        "often as --fail says; people and events answer late, twice or never; the server dies and "
        "comes back, its database goes away, and answers of commits get lost.\n\n"
        "The same seed is the same run on every machine: --seed prints what happens in it. Ends "
        "with 0 if all runs succeeded, 1 if some did not, 3 if the workflow is not valid.",
    .options = options,
    .run = run,
};
