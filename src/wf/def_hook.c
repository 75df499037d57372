/* src/wf/def_hook.c - what the webhook of a trigger means for the workflow as a whole: who answers
 * its caller, whose words are streamed, how many calls are taken. */
#include "wf/check.h"
#include "wf/flow_plan.h"
#include "wf/nodes/node_trigger.h"

/* The rate limit of a webhook or a form is one of the gate that its runs pass anyway. */
static void check_own_rate(struct checker *c, Str kind, const struct wf_flow_rate *rate)
{
    static const struct wf_flow none = {.singleton = S_INIT("off")};
    struct wf_def *def = c->def;
    Str at = str_fmt(c->scratch, "data/%.*s/rate_limit", P(kind));

    if (!rate->limit)
        return;
    if (def->flow && def->flow->rate_limit.limit) {
        check_wrong(c, at, S("not_used"),
                    "\"settings.flow\" has a rate limit already, which holds here too: "
                    "set one of them.");
        return;
    }
    if (!def->flow) {
        def->flow = arena_new_of(c->a, struct wf_flow);
        *def->flow = none;
    }
    def->flow->rate_limit = *rate;
    def->flow->rate_of = kind;
    const char *field, *fault = wf_flow_fault(def->flow, &field);
    if (fault && strcmp(field, "rate_limit") == 0)
        check_wrong(c, at, S("not_used"), "%s", fault);
    if (!rate->burst) /* so many in any such time, whenever they come */
        def->flow->rate_limit.burst = rate->limit;
}

static void check_stream_nodes(struct checker *c, const struct json *ids)
{
    for (size_t i = 0; i < json_len(ids); i++) {
        Str id = json_str_of(json_item(ids, i), S(""));
        int node = wf_def_node(c->def, id);
        if (node < 0 || !c->def->nodes[node].type || !c->def->nodes[node].type->speaks)
            check_wrong(c, S("data/webhook/stream_nodes"), S("unknown_node"),
                        "There is no node \"%.*s\" that gives words to stream.",
                        P(str_head(id, 64)));
    }
}

void check_hook(struct checker *c)
{
    struct wf_def *def = c->def;
    const struct wf_trigger_cfg *cfg = def->nodes[def->trigger].settings;
    bool hook = cfg && str_eq(cfg->trigger, S("webhook"));
    bool waits = hook && str_eq(cfg->webhook.respond, S("node"));
    bool chat = cfg && str_eq(cfg->trigger, S("chat")), answers = false;
    bool hears = waits || chat || (hook && str_eq(cfg->webhook.respond, S("stream")));

    for (int i = 0; i < def->n_nodes; i++) {
        struct wf_node *node = &def->nodes[i];
        if (!node->type || !node->type->answers)
            continue;
        answers = true;
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = node;
        if (!hears)
            check_warn(c, S(""), S("nobody_waits"),
                       "Nobody waits for this answer: it is for a chat, or for a webhook that "
                       "answers with \"node\" or \"stream\".");
    }
    c->base = str_fmt(c->scratch, "/nodes/%d", def->trigger);
    c->node = &def->nodes[def->trigger];
    if (waits && !answers)
        check_wrong(c, S("data/webhook/respond"), S("no_respond"),
                    "The caller waits for a \"respond\" node, and the workflow has none.");
    if (hook) {
        check_own_rate(c, S("webhook"), &cfg->webhook.rate_limit);
        check_stream_nodes(c, cfg->webhook.stream_nodes);
    }
    if (cfg && str_eq(cfg->trigger, S("form")))
        check_own_rate(c, S("form"), &cfg->form.rate_limit);
    if (chat && def->flow && wf_flow_gathers(def->flow))
        check_wrong(c, S("data/trigger"), S("not_used"),
                    "Each message of a chat is answered: \"settings.flow\" cannot gather them.");
    if (chat)
        check_own_rate(c, S("chat"), &cfg->chat.rate_limit);
    def->answered = waits;
    c->base = S("");
    c->node = NULL;
}
