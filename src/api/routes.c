/* src/api/routes.c - every route table of the API, in alphabetical order. */
#include "api/api.h"

void api_add_routes(struct router *router)
{
    router_add(router, api_approvals_routes);
    router_add(router, api_approve_routes);
    router_add(router, api_auth_routes);
    router_add(router, api_cache_routes);
    router_add(router, api_calls_routes);
    router_add(router, api_chat_routes);
    router_add(router, api_chat_page_routes);
    router_add(router, api_diff_routes);
    router_add(router, api_events_routes);
    router_add(router, api_flow_routes);
    router_add(router, api_forms_routes);
    router_add(router, api_gateway_routes);
    router_add(router, api_guards_routes);
    router_add(router, api_hooks_routes);
    router_add(router, api_keys_routes);
    router_add(router, api_limits_routes);
    router_add(router, api_listen_routes);
    router_add(router, api_mailboxes_routes);
    router_add(router, api_model_routes_routes);
    router_add(router, api_polls_routes);
    router_add(router, api_prices_routes);
    router_add(router, api_principals_routes);
    router_add(router, api_prompts_routes);
    router_add(router, api_providers_routes);
    router_add(router, api_reruns_routes);
    router_add(router, api_retention_routes);
    router_add(router, api_runs_routes);
    router_add(router, api_schedules_routes);
    router_add(router, api_simulate_routes);
    router_add(router, api_subscriptions_routes);
    router_add(router, api_system_routes);
    router_add(router, api_tokens_routes);
    router_add(router, api_tries_routes);
    router_add(router, api_usage_routes);
    router_add(router, api_workflows_routes);
}
