/* src/main/cmd_provider.c - "heddle provider add|list|test": model providers from the server's
 * shell.
 *
 * They open the database beside a running server or without one; the server sees a change within
 * seconds. A credential is read from standard input or the environment: command lines are seen by
 * other users.
 */
#include "main/cmd_store.h"
#include "rt/work.h"

#include <errno.h>
#include <unistd.h>

/* ---- add ---- */

struct input {
    char text[LLM_CREDENTIAL_MAX + 2];
    size_t n;
};

static Err read_input(void *arg)
{
    struct input *in = arg;

    while (in->n < sizeof in->text) {
        ssize_t n = read(STDIN_FILENO, in->text + in->n, sizeof in->text - in->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_detail(E_IO, "The credential cannot be read from standard input.");
        if (n == 0)
            return OK;
        in->n += (size_t)n;
    }
    return err_detail(E_TOO_LARGE, "A credential has at most %d bytes.", LLM_CREDENTIAL_MAX);
}

static Err read_credential(struct store_call *call, Str *ret_credential)
{
    struct input *in = arena_new_of(call->cli->a, struct input);

    if (!cli_has(call->cli, "credential-stdin"))
        return OK;
    TRY(work_run(read_input, in));
    *ret_credential = str_trim(str_from(in->text, in->n));
    if (!ret_credential->n)
        return err_detail(E_BAD_INPUT, "Standard input holds no credential.");
    return OK;
}

/* --probe and --probe-model, as the JSON of a rule; what is wrong with it is said when it is
 * stored. */
static Str probe_of(const struct cli *cli)
{
    struct json *v = json_obj(cli->a, "every", json_str(cli->a, cli_get(cli, "probe")), NULL);

    if (!cli_has(cli, "probe"))
        return S("");
    if (cli_has(cli, "probe-model")) {
        json_set(cli->a, v, S("kind"), json_str(cli->a, S("completion")));
        json_set(cli->a, v, S("model"), json_str(cli->a, cli_get(cli, "probe-model")));
    }
    return json_text(cli->a, v);
}

static Err add(struct store_call *call)
{
    struct cli *cli = call->cli;
    Str kind = cli->args.at[0], name = cli_get(cli, "name"), timeout = cli_get(cli, "timeout");
    const struct llm_kind *k = llm_kind_find(kind);
    struct provider_row row = {
        .tenant = auth_home_tenant,
        .name = name.n ? name : kind,
        .kind = kind,
        .base_url = cli_has(cli, "base-url") ? cli_get(cli, "base-url") : S(""),
        .api_version = cli_has(cli, "api-version") ? cli_get(cli, "api-version") : S(""),
        .private_network = cli_has(cli, "private-network") || (k && k->private_network),
        .enabled = true,
        .probe = probe_of(cli),
    };

    if (cli_has(cli, "probe-model") && !cli_has(cli, "probe"))
        return err_detail(E_BAD_INPUT, "--probe-model needs --probe: how often it is asked.");
    if (timeout.n && time_parse_span(timeout, &row.timeout) != OK)
        return err_detail(E_BAD_INPUT, "--timeout takes a span such as 10m.");
    TRY(read_credential(call, &row.credential));
    TRY(llm_provider_create(call->boot.llm, cli->a, &row));
    return cli_print(str_fmt(cli->a, "%.*s\n", P(id_str(cli->a, row.id))));
}

static Err run_add(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY, add);
}

/* ---- list ---- */

/* As the server that asked last saw it. */
static void list_state(struct cli *cli, struct buf *out, const struct llm_provider *p,
                       const ProviderStateRows *rows)
{
    char at[TIME_RFC3339_SIZE];

    if (!p->probe.every)
        return;
    vec_each(rows, row) {
        if (!id_eq(row->provider, p->id))
            continue;
        buf_add_fmt(out, "  %.*s, asked %.*s", P(row->state),
                    P(str_dup(cli->a, time_rfc3339(row->asked_at, at))));
        if (row->error.n)
            buf_add_fmt(out, ": %.*s", P(row->error));
        return;
    }
    buf_add_c(out, "  not asked yet");
}

static Err list(struct store_call *call)
{
    AUTO(llm_view) *view = llm_view_take(call->boot.llm);
    AUTO_BUF(out, MIB(4));
    ProviderStateRows states;

    TRY(store_provider_state_list(call->boot.db, call->cli->a, auth_home_tenant, &states));

    for (size_t i = 0; i < llm_view_count(view); i++) {
        const struct llm_provider *p = llm_view_at(view, i);
        char id[ID_TEXT_SIZE];
        buf_add_fmt(&out, "%.*s  %-16.*s  %-17s  %-11s  %-13s  %.*s", P(id_text(p->id, id)),
                    P(p->name), p->kind->name,
                    p->from_environment ? "environment"
                    : p->enabled        ? "on"
                                        : "off",
                    p->sealed           ? "key unreadable"
                    : p->has_credential ? "with key"
                                        : "no key",
                    P(p->base_url));
        list_state(call->cli, &out, p, &states);
        buf_add_char(&out, '\n');
    }
    TRY(buf_ok(&out));
    return cli_print(buf_str(&out));
}

static Err run_list(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY | NEEDS_DATA, list);
}

/* ---- test ---- */

static Err test(struct store_call *call)
{
    AUTO(llm_view) *view = llm_view_take(call->boot.llm);
    struct cli *cli = call->cli;
    Str name = cli->args.at[0];
    const struct llm_provider *p = llm_view_named(view, auth_home_tenant, name);
    LlmNames names;

    if (!p)
        return err_detail(E_NOT_FOUND,
                          "There is no provider \"%.*s\"; \"heddle provider list\" shows those "
                          "there are.",
                          P(str_head(name, LLM_NAME_MAX)));
    Usec from = time_mono();
    TRY(llm_models_fetch(call->boot.llm, cli->a, p, &names));
    return cli_print(str_fmt(cli->a, "%.*s answers in %lld ms and has %zu models\n", P(p->name),
                             (long long)((time_mono() - from) / USEC_MS), names.n));
}

static Err run_test(struct cli *cli)
{
    return cmd_with_store(cli, NEEDS_GATEWAY | NEEDS_DATA, test);
}

/* ---- */

static const struct cli_option add_options[] = {
    {"name", "NAME", "The first part of its models' names; the kind if not given"},
    {"base-url", "URL", "Where it is; that of the kind if not given"},
    {"api-version", "VERSION", "Of Azure's API; the usual one if not given"},
    {"credential-stdin", NULL, "Read its key from standard input"},
    {"private-network", NULL, "It may be on this machine or in a private network"},
    {"timeout", "SPAN", "How long an answer may take; 10m if not given"},
    {"probe", "SPAN", "Ask it so often if it is there; never if not given"},
    {"probe-model", "MODEL", "By having this model say a word, which may cost something"},
    {0},
};

#define SETTINGS "data database.url egress.allow openai.base_url"

const struct cli_verb cmd_provider_add = {
    .name = "provider add",
    .args = "KIND",
    .min_args = 1,
    .max_args = 1,
    .summary = "Add a model provider and print its id",
    .details =
        "Kinds: anthropic, azure, deepseek, gemini, groq, llamacpp, mistral, ollama, openai, "
        "openai-compatible, openrouter, tgi, vllm. Works whether the server runs or not; a "
        "running one sees it "
        "within seconds. The credential is sealed with the master key.",
    .options = add_options,
    .settings = SETTINGS,
    .run = run_add,
};

const struct cli_verb cmd_provider_list = {
    .name = "provider list",
    .summary = "List model providers",
    .settings = SETTINGS,
    .run = run_list,
};

const struct cli_verb cmd_provider_test = {
    .name = "provider test",
    .args = "NAME",
    .min_args = 1,
    .max_args = 1,
    .summary = "Call a model provider to see whether it answers",
    .settings = SETTINGS,
    .run = run_test,
};
