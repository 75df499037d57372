/* src/main/cmd_key_limit.c - "heddle key|team|user limit": what they may use of models, from the
 * server's shell.
 *
 * Without options it is shown; options take the place of all that was set. A running server sees it
 * within ten seconds. */
#include "auth/principal.h"
#include "llm/limits.h"
#include "main/cmd_store.h"

static const int64_t MICROS = 1000000;

/* Dollars, or a plain number, as what the store counts. */
static Err read_amount(Str text, bool dollars, int64_t *ret_n)
{
    Str whole, part = str_cut(text, '.', &whole);
    uint64_t units = 0, micros = 0;
    bool bad = str_to_u64(whole, &units) != OK || units > 1000000000000 ||
               (part.p && (!dollars || !part.n || part.n > 6 || str_to_u64(part, &micros) != OK));

    if (bad)
        return err_detail(E_BAD_INPUT, "\"%.*s\" is no %s.", P(str_head(text, 64)),
                          dollars ? "amount of dollars" : "whole number");
    for (size_t i = part.n; i < 6; i++)
        micros *= 10;
    *ret_n = dollars ? (int64_t)units * MICROS + (int64_t)micros : (int64_t)units;
    return OK;
}

static const struct limit_option {
    const char *option;
    enum llm_what what;
} limit_options[] = {
    {"requests", LLM_REQUESTS},
    {"tokens", LLM_TOKENS},
    {"cost", LLM_COST},
};

/* All of "--cost 5/day --cost 100/month" as {"day": 5000000, "month": 100000000}. */
static Err read_windows(const struct cli *cli, const struct limit_option *o, struct json *limits)
{
    struct json *windows = json_obj(cli->a, NULL);
    int64_t n = 0;

    vec_each(&cli->given, g) {
        Str amount, per;
        if (strcmp(g->name, o->option) != 0)
            continue;
        per = str_cut(g->value, '/', &amount);
        if (!per.n)
            return err_detail(E_BAD_INPUT, "--%s takes an amount and a window, such as 5/day.",
                              o->option);
        TRY(read_amount(amount, o->what == LLM_COST, &n));
        if (json_get(windows, per))
            return err_detail(E_BAD_INPUT, "--%s is given twice for a %.*s.", o->option, P(per));
        json_set(cli->a, windows, per, json_int(cli->a, n));
    }
    if (json_len(windows))
        json_set(cli->a, limits, llm_what_names[o->what], windows);
    return OK;
}

static struct json *read_names(const struct cli *cli, const char *option)
{
    struct json *names = json_arr(cli->a);

    vec_each(&cli->given, g)
        if (strcmp(g->name, option) == 0)
            json_push(cli->a, names, json_str(cli->a, g->value));
    return names;
}

static const struct json *read_cache(const struct cli *cli)
{
    if (!cli_has(cli, "cache"))
        return NULL;
    return json_obj(cli->a, "ttl", json_str(cli->a, cli_get(cli, "cache")), NULL);
}

static Err read_policy(const struct cli *cli, struct json **ret_policy)
{
    struct json *limits = json_obj(cli->a, NULL);

    for (size_t i = 0; i < ARRAY_LEN(limit_options); i++)
        TRY(read_windows(cli, &limit_options[i], limits));
    *ret_policy =
        json_obj(cli->a, "limits", limits, "models", read_names(cli, "model"), "endpoints",
                 read_names(cli, "endpoint"), "cache", read_cache(cli), NULL);
    return OK;
}

static void show_names(struct buf *out, const char *title, const struct json *names)
{
    for (size_t i = 0; i < json_len(names); i++)
        buf_add_fmt(out, "%s  %.*s\n", title, P(json_str_of(json_item(names, i), S(""))));
}

static Err show(const struct json *policy)
{
    const struct json *counters = json_at(policy, "counters");
    AUTO_BUF(out, MIB(1));

    for (size_t i = 0; i < json_len(counters); i++) {
        const struct json *c = json_item(counters, i);
        buf_add_fmt(
            &out, "%-11.*s  %-6.*s  %lld of %lld\n", P(json_str_of(json_at(c, "what"), S(""))),
            P(json_str_of(json_at(c, "per"), S(""))), (long long)json_int_of(json_at(c, "used"), 0),
            (long long)json_int_of(json_at(c, "max"), 0));
    }
    show_names(&out, "model", json_at(policy, "models"));
    show_names(&out, "endpoint", json_at(policy, "endpoints"));
    if (json_at(policy, "cache"))
        buf_add_fmt(&out, "cache  %.*s\n",
                    P(json_str_of(json_at(json_at(policy, "cache"), "ttl"), S(""))));
    TRY(buf_ok(&out));
    return cli_print(out.n ? buf_str(&out) : S("no limits\n"));
}

/* Whom the argument says: a key by its id, a team or a user by its name. */
static Err subject_of(struct store_call *call, Id *ret_id)
{
    struct cli *cli = call->cli;
    Str verb = str_c(cli->verb->name), word;
    struct auth_principal p;

    (void)str_cut(verb, ' ', &word);
    if (str_eq(word, S("key"))) {
        if (id_parse(cli->args.at[0], ret_id) != OK)
            return err_detail(E_BAD_INPUT,
                              "The argument must be the id that \"heddle key list\" shows.");
        return OK;
    }
    TRY(auth_principal_named(call->boot.db, cli->a, auth_home_tenant,
                             str_eq(word, S("team")) ? AUTH_TEAM : AUTH_USER, cli->args.at[0], &p));
    *ret_id = p.id;
    return OK;
}

static Err limit(struct store_call *call)
{
    struct cli *cli = call->cli;
    struct llm_limits *limits = llm_limits_of(call->boot.llm);
    struct json *policy;
    Id id;

    TRY(subject_of(call, &id));
    if (cli_has(cli, "none") && cli->given.n > 1)
        return err_detail(E_BAD_INPUT, "--none stands alone.");
    if (cli->given.n) {
        TRY(read_policy(cli, &policy));
        return llm_limits_put(limits, cli->a, auth_home_tenant, id, policy);
    }
    TRY(llm_limits_show(limits, cli->a, auth_home_tenant, id, &policy));
    return show(policy);
}

static Err run(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY | NEEDS_DATA, limit);
}

static const struct cli_option options[] = {
    {"requests", "N/WINDOW", "Calls in a minute, hour, day or month, such as 60/minute", true},
    {"tokens", "N/WINDOW", "Tokens, of prompts and answers together", true},
    {"cost", "DOLLARS/WINDOW", "Money, such as 2.50/day", true},
    {"model", "NAME", "A model it may call, or how its name begins and *; all if not given", true},
    {"endpoint", "NAME",
     "chat, completions, embeddings, messages, count_tokens, responses, generate_content, "
     "embed_content; all if not given",
     true},
    {"cache", "SPAN",
     "For how long answers are kept for its same calls, 0s: not at all; as the route says if not "
     "given"},
    {"none", NULL, "No limits"},
    {0},
};

const struct cli_verb cmd_key_limit = {
    .name = "key limit",
    .args = "ID",
    .min_args = 1,
    .max_args = 1,
    .summary = "Show or set what a key may use of models",
    .details = "What is given takes the place of all that was set. Windows are those of the "
               "calendar in UTC. A running server sees a change within ten seconds.",
    .options = options,
    .settings = "data database.url",
    .run = run,
};

#define DETAILS                                                                                    \
    "The limits hold for all calls of its keys together. What is given takes the place of all "    \
    "that "                                                                                        \
    "was set. Windows are those of the calendar in UTC. A running server sees a change within "    \
    "ten "                                                                                         \
    "seconds."

const struct cli_verb cmd_team_limit = {
    .name = "team limit",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Show or set what a team may use of models",
    .details = DETAILS,
    .options = options,
    .settings = "data database.url",
    .run = run,
};

const struct cli_verb cmd_user_limit = {
    .name = "user limit",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Show or set what a user may use of models",
    .details = DETAILS,
    .options = options,
    .settings = "data database.url",
    .run = run,
};
