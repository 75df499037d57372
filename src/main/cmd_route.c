/* src/main/cmd_route.c - "heddle route add|delete|list": names for models and who answers for them,
 * from the server's shell.
 *
 * They open the database beside a running server or without one; the server sees a change within
 * seconds. */
#include "llm/route.h"
#include "main/cmd_store.h"

/* ---- add ---- */

/* "provider/model", and behind commas "weight=3" and "max=10". */
static Err read_target(struct arena *a, Str text, struct json **ret_target)
{
    Str name, provider, word, rest = str_cut(text, ',', &name);
    Str model = str_cut(name, '/', &provider);
    struct json *target =
        json_obj(a, "provider", json_str(a, provider), "model", json_str(a, model), NULL);

    if (!provider.n || !model.n)
        return err_detail(E_BAD_INPUT, "--target takes PROVIDER/MODEL; \"%.*s\" is none.",
                          P(str_head(text, 128)));
    while (rest.p) {
        Str key, value;
        uint64_t n;
        rest = str_cut(rest, ',', &word);
        value = str_cut(word, '=', &key);
        bool weight = str_eq(key, S("weight"));
        if ((!weight && !str_eq(key, S("max"))) || str_to_u64(value, &n) != OK || n > INT32_MAX)
            return err_detail(E_BAD_INPUT,
                              "behind a target stand weight=N and max=N; \"%.*s\" is neither.",
                              P(str_head(word, 64)));
        json_set(a, target, weight ? S("weight") : S("max_concurrent"), json_int(a, (int64_t)n));
    }
    *ret_target = target;
    return OK;
}

static Err read_targets(const struct cli *cli, Str *ret_text)
{
    struct json *targets = json_arr(cli->a), *target = NULL;

    vec_each(&cli->given, g) {
        if (strcmp(g->name, "target") != 0)
            continue;
        TRY(read_target(cli->a, g->value, &target));
        json_push(cli->a, targets, target);
    }
    if (!json_len(targets))
        return err_detail(E_BAD_INPUT, "--target PROVIDER/MODEL is needed: who answers.");
    *ret_text = json_text(cli->a, targets);
    return OK;
}

static Err add(struct store_call *call)
{
    struct cli *cli = call->cli;
    Str timeout = cli_get(cli, "timeout"), balance = cli_get(cli, "balance");
    struct model_route_row row = {.tenant = auth_home_tenant,
                                  .name = cli->args.at[0],
                                  .balance = balance.n ? balance : llm_balance_names[LLM_ORDER],
                                  .sticky = cli_has(cli, "sticky") ? cli_get(cli, "sticky") : S(""),
                                  .context =
                                      cli_has(cli, "context") ? cli_get(cli, "context") : S("")};
    uint64_t attempts = 0;

    if (timeout.n && time_parse_span(timeout, &row.timeout) != OK)
        return err_detail(E_BAD_INPUT, "--timeout takes a span such as 20s.");
    if (cli_has(cli, "attempts") &&
        (str_to_u64(cli_get(cli, "attempts"), &attempts) != OK || attempts < 1 || attempts > 1000))
        return err_detail(E_BAD_INPUT, "--attempts takes a number from 1 to %d.", LLM_ATTEMPTS_MAX);
    row.attempts = (int)attempts;
    if (cli_has(cli, "cache"))
        row.cache = json_text(
            cli->a, json_obj(cli->a, "ttl", json_str(cli->a, cli_get(cli, "cache")), NULL));
    if (cli_has(cli, "hedge"))
        row.hedge = json_text(
            cli->a, json_obj(cli->a, "after", json_str(cli->a, cli_get(cli, "hedge")), NULL));
    TRY(read_targets(cli, &row.targets));
    TRY(llm_route_create(call->boot.llm, cli->a, &row));
    return cli_print(str_fmt(cli->a, "%.*s\n", P(id_str(cli->a, row.id))));
}

static Err run_add(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY, add);
}

/* ---- delete ---- */

static const struct llm_route *find(const struct llm_view *view, Str name)
{
    Id id;

    return id_parse(name, &id) == OK ? llm_route_get(view, auth_home_tenant, id)
                                     : llm_route_named(view, auth_home_tenant, name);
}

static Err delete (struct store_call *call)
{
    AUTO(llm_view) *view = llm_view_take(call->boot.llm);
    Str name = call->cli->args.at[0];
    const struct llm_route *r = find(view, name);

    if (!r)
        return err_detail(
            E_NOT_FOUND, "There is no route \"%.*s\"; \"heddle route list\" shows those there are.",
            P(str_head(name, LLM_ROUTE_NAME_MAX)));
    return llm_route_delete(call->boot.llm, call->cli->a, auth_home_tenant, r->id);
}

static Err run_delete(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY | NEEDS_DATA, delete);
}

/* ---- list ---- */

static void list_target(struct buf *out, const struct llm_route_target *t)
{
    buf_add_fmt(out, "  %.*s/%.*s", P(t->provider), P(t->model));
    if (t->weight != 1)
        buf_add_fmt(out, ",weight=%u", t->weight);
    if (t->concurrent)
        buf_add_fmt(out, ",max=%u", t->concurrent);
}

static Err list(struct store_call *call)
{
    AUTO(llm_view) *view = llm_view_take(call->boot.llm);
    AUTO_BUF(out, MIB(16));

    for (size_t i = 0; i < llm_route_count(view); i++) {
        const struct llm_route *r = llm_route_at(view, i);
        char id[ID_TEXT_SIZE];
        buf_add_fmt(&out, "%.*s  %-24.*s  %-8.*s", P(id_text(r->id, id)), P(r->name),
                    P(llm_balance_names[r->balance]));
        for (unsigned k = 0; k < r->n_targets; k++)
            list_target(&out, &r->targets[k]);
        buf_add_char(&out, '\n');
    }
    TRY(buf_ok(&out));
    return cli_print(buf_str(&out));
}

static Err run_list(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY | NEEDS_DATA, list);
}

/* ---- */

static const struct cli_option add_options[] = {
    {"target", "PROVIDER/MODEL",
     "Who answers; \",weight=N\" and \",max=N\" calls at once may follow", true},
    {"balance", "WORD", "order, weighted or fastest; order if not given"},
    {"context", "WORD", "What becomes of requests that are too long: none, error or trim"},
    {"sticky", "HEADER", "Calls with the same value of this header go to the same target"},
    {"attempts", "N", "How often targets are called for one call; 3 if not given"},
    {"timeout", "SPAN", "How long a target may be silent; that of its provider if not given"},
    {"cache", "SPAN", "For how long answers are kept for the same call of the same key"},
    {"hedge", "SPAN", "A second target is called when the first is silent for so long; or p95"},
    {0},
};

#define SETTINGS "data database.url"

const struct cli_verb cmd_route_add = {
    .name = "route add",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Make a name for models and print its id",
    .details = "Works whether the server runs or not; a running one sees it within seconds.",
    .options = add_options,
    .settings = SETTINGS,
    .run = run_add,
};

const struct cli_verb cmd_route_delete = {
    .name = "route delete",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Delete a route, by its name or id",
    .settings = SETTINGS,
    .run = run_delete,
};

const struct cli_verb cmd_route_list = {
    .name = "route list",
    .summary = "List routes and their targets",
    .settings = SETTINGS,
    .run = run_list,
};
