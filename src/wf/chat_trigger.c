/* src/wf/chat_trigger.c - the settings of a chat trigger: who may talk to the workflow, how much of
 * the conversation it is told, and how long conversations are kept. */
#include "wf/flow_plan.h"
#include "wf/nodes/node_trigger.h"

const struct field wf_chat_settings[] = {
    {"title", F_STR, offsetof(struct wf_chat_cfg, title), .max = 200, .title = "Heading",
     .help = "Default: the name of the workflow."},
    {"greeting", F_STR, offsetof(struct wf_chat_cfg, greeting), .max = 4000, .title = "Greeting",
     .lines = true},
    {"auth", F_ENUM, offsetof(struct wf_chat_cfg, auth), .dflt = "none",
     .one_of = "none basic bearer", .title = "Authentication"},
    {"user", F_STR, offsetof(struct wf_chat_cfg, user), .required = true, .when = "auth=basic",
     .title = "User"},
    {"secret", F_STR, offsetof(struct wf_chat_cfg, secret), .required = true,
     .when = "auth=basic,bearer", .secret = true, .title = "Secret"},
    {"history", F_INT, offsetof(struct wf_chat_cfg, history), .dflt = "20", .min = 0, .max = 100,
     .title = "History", .help = "How many messages before this one the workflow is told."},
    {"keep", F_USEC, offsetof(struct wf_chat_cfg, keep), .dflt = "30d", .min = 60,
     .max = 3660.0 * 86400, .title = "Keep",
     .help = "How long a conversation is kept after its last message."},
    {"rate_limit", F_OBJECT, offsetof(struct wf_chat_cfg, rate_limit), .sub = wf_rate_fields,
     .title = "Rate limit", .help = "How many messages are taken; the others get 429."},
    {0},
};

void wf_chat_check(struct wf_check *ck, const struct wf_chat_cfg *cfg)
{
    if (str_eq(cfg->auth, S("none")))
        wf_check_warning(ck, S("chat/auth"), S("open_chat"),
                         "Whoever knows the address of this chat can start the workflow.");
    if (json_at(ck->data, "input"))
        wf_check_problem(ck, S("input"), S("not_used"),
                         "The input of a chat is {message, history, conversation_id}: it has no "
                         "schema of its own.");
}
