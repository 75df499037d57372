/* src/main/cmd_price.c - "heddle price import|list|set": what models cost, from the server's shell.
 *
 * They open the database beside a running server or without one; the server sees a change within
 * seconds. */
#include "llm/prices.h"
#include "main/cmd_store.h"
#include "rt/work.h"

static const int64_t MICROS = 1000000;

/* ---- import ---- */

static Err import(struct store_call *call)
{
    struct cli *cli = call->cli;
    Str path = cli->args.at[0], text;
    AUTO(arena) *a = arena_new(4 * (size_t)LLM_PRICES_TEXT_MAX);
    struct llm_import done;
    Err e = work_read_file(a, str_eq(path, S("-")) ? "/dev/stdin" : str_dup_c(a, path),
                           LLM_PRICES_TEXT_MAX, &text);

    if (e != OK)
        return err_detail(e, "%.*s cannot be read: %s", P(path), err_client_text(e));
    TRY(llm_prices_import(call->boot.llm, auth_home_tenant, text, &done));
    return cli_print(
        str_fmt(cli->a, "%lld prices were imported, %lld entries have none that is understood\n",
                (long long)done.imported, (long long)done.skipped));
}

static Err run_import(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY, import);
}

/* ---- list ---- */

/* "2.5" of 2500000. */
static Str dollars(struct arena *a, int64_t micros)
{
    Str text =
        str_fmt(a, "%lld.%06lld", (long long)(micros / MICROS), (long long)(micros % MICROS));

    while (str_ends(text, S("0")))
        text.n--;
    if (str_ends(text, S(".")))
        text.n--;
    return text;
}

static void add_unit(struct buf *out, struct arena *a, const char *name, int64_t micros)
{
    if (micros)
        buf_add_fmt(out, "  %s %.*s", name, P(dollars(a, micros)));
}

static Err list(struct store_call *call)
{
    struct cli *cli = call->cli;
    AUTO(arena) *a = arena_new(MIB(128));
    ModelPriceRows rows;
    AUTO_BUF(out, MIB(16));

    TRY(store_model_price_page(call->boot.db, a, auth_home_tenant,
                               cli->args.n ? cli->args.at[0] : S(""), S(""), ID_NONE,
                               2 * LLM_PRICES_MAX, &rows));
    vec_each(&rows, row) {
        struct json *v;
        struct llm_price p;
        TRY(json_parse(a, row->prices, &v));
        TRY(llm_price_read(v, &p));
        buf_add_fmt(&out, "%-6s  %-16.*s  %-40.*s  input %.*s  cached %.*s  output %.*s",
                    row->imported ? "import" : "own", P(row->provider), P(row->model),
                    P(dollars(a, p.usual.input)), P(dollars(a, p.usual.cached_input)),
                    P(dollars(a, p.usual.output)));
        add_unit(&out, a, "image", p.image);
        add_unit(&out, a, "characters", p.character);
        add_unit(&out, a, "minute", p.second * 60 / MICROS);
        buf_add_char(&out, '\n');
    }
    TRY(buf_ok(&out));
    return cli_print(buf_str(&out));
}

static Err run_list(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_DATA, list);
}

/* ---- set ---- */

/* Dollars with up to six digits behind the point, as millionths. */
static Err read_dollars(Str text, int64_t *ret_micros)
{
    Str whole, part = str_cut(text, '.', &whole);
    uint64_t units = 0, micros = 0;
    bool bad = !whole.n || part.n > 6 || str_to_u64(whole, &units) != OK || units > 1000000 ||
               (part.p && (!part.n || str_to_u64(part, &micros) != OK));

    if (bad)
        return err_detail(E_BAD_INPUT,
                          "\"%.*s\" is no amount of dollars: such as 2.5, with at most six digits "
                          "behind the point.",
                          P(str_head(text, 64)));
    for (size_t i = part.n; i < 6; i++)
        micros *= 10;
    *ret_micros = (int64_t)units * MICROS + (int64_t)micros;
    return OK;
}

static const struct price_option {
    const char *option, *member;
} price_options[] = {
    {"input", "input"},
    {"output", "output"},
    {"cached-input", "cached_input"},
    {"cache-write", "cache_write"},
    {"reasoning", "reasoning"},
    {"image", "image"},
    {"characters", "character"},
    {"minute", "second"},
};

static Err set(struct store_call *call)
{
    struct cli *cli = call->cli;
    struct json *v = json_obj(cli->a, NULL);
    int64_t micros = 0;

    for (size_t i = 0; i < ARRAY_LEN(price_options); i++) {
        if (!cli_has(cli, price_options[i].option))
            continue;
        TRY(read_dollars(cli_get(cli, price_options[i].option), &micros));
        if (str_eq(str_c(price_options[i].option), S("minute")))
            micros = (micros * MICROS + 59) / 60; /* of a million seconds */
        json_set(cli->a, v, str_c(price_options[i].member), json_int(cli->a, micros));
    }
    return llm_prices_put(call->boot.llm, cli->a, auth_home_tenant, cli->args.at[0],
                          cli->args.at[1], v);
}

static Err run_set(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY, set);
}

/* ---- */

static const struct cli_option set_options[] = {
    {"input", "DOLLARS", "For a million tokens of the prompt"},
    {"output", "DOLLARS", "For a million tokens of the answer"},
    {"cached-input", "DOLLARS", "Of the prompt, from a cache; as --input if not given"},
    {"cache-write", "DOLLARS", "Of the prompt, into a cache; as --input if not given"},
    {"reasoning", "DOLLARS", "Of the answer, spent on reasoning; as --output if not given"},
    {"image", "DOLLARS", "For each image"},
    {"characters", "DOLLARS", "For a million characters that are spoken"},
    {"minute", "DOLLARS", "For a minute of sound"},
    {0},
};

const struct cli_verb cmd_price_import = {
    .name = "price import",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .summary = "Import what models cost",
    .details =
        "FILE is LiteLLM's model_prices_and_context_window.json, or - for standard input. It "
        "takes the place of what was imported before; prices that were set stay, and come "
        "first. A running server sees it within seconds.",
    .settings = "data database.url",
    .run = run_import,
};

const struct cli_verb cmd_price_list = {
    .name = "price list",
    .args = "[PROVIDER]",
    .max_args = 1,
    .summary = "List what models cost",
    .details = "In US dollars for a million tokens or characters, each image, a minute of sound.",
    .settings = "data database.url",
    .run = run_list,
};

const struct cli_verb cmd_price_set = {
    .name = "price set",
    .args = "PROVIDER MODEL",
    .min_args = 2,
    .max_args = 2,
    .summary = "Set what a model costs",
    .details = "PROVIDER is a provider's name or a kind of providers, MODEL its own name for the "
               "model. A running server sees it within seconds.",
    .options = set_options,
    .settings = "data database.url",
    .run = run_set,
};
