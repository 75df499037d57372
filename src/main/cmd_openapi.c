/* src/main/cmd_openapi.c - "heddle openapi": the description of the HTTP API. */
#include "api/api.h"
#include "main/cli.h"

static Err run(struct cli *cli)
{
    AUTO(router) *router = router_new();
    AUTO_BUF(text, MIB(4));

    api_add_routes(router);
    json_write_pretty(&text, api_openapi(cli->a, router));
    buf_add_char(&text, '\n');
    TRY(buf_ok(&text));
    return cli_print(buf_str(&text));
}

const struct cli_verb cmd_openapi = {
    .name = "openapi",
    .summary = "Print the OpenAPI 3.1 document of the HTTP API",
    .run = run,
};
