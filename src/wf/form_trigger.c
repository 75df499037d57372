/* src/wf/form_trigger.c - the settings of a form trigger: the page around the inputs of the
 * workflow, who may see it, and what it says afterwards. */
#include "net/http.h"
#include "wf/flow_plan.h"
#include "wf/nodes/node_trigger.h"

const struct field wf_form_settings[] = {
    {"title", F_STR, offsetof(struct wf_form_cfg, title), .max = 200, .title = "Heading",
     .help = "Default: the name of the workflow."},
    {"description", F_STR, offsetof(struct wf_form_cfg, description), .max = 4000,
     .title = "Description", .lines = true},
    {"button", F_STR, offsetof(struct wf_form_cfg, button), .max = 60, .title = "Button"},
    {"auth", F_ENUM, offsetof(struct wf_form_cfg, auth), .dflt = "none", .one_of = "none basic",
     .title = "Authentication"},
    {"user", F_STR, offsetof(struct wf_form_cfg, user), .required = true, .when = "auth=basic",
     .title = "User"},
    {"secret", F_STR, offsetof(struct wf_form_cfg, secret), .required = true, .when = "auth=basic",
     .secret = true, .title = "Password"},
    {"respond", F_ENUM, offsetof(struct wf_form_cfg, respond), .dflt = "thanks",
     .one_of = "thanks result redirect", .title = "Afterwards",
     .help = "Say thank you at once, wait for the result and show it, or lead somewhere else."},
    {"thanks_title", F_STR, offsetof(struct wf_form_cfg, thanks_title), .max = 200,
     .when = "respond=thanks,result", .title = "Heading afterwards"},
    {"thanks", F_STR, offsetof(struct wf_form_cfg, thanks), .max = 4000,
     .when = "respond=thanks,result", .title = "Text afterwards", .lines = true},
    {"redirect", F_STR, offsetof(struct wf_form_cfg, redirect), .required = true, .max = 2000,
     .when = "respond=redirect", .title = "Address"},
    {"rate_limit", F_OBJECT, offsetof(struct wf_form_cfg, rate_limit), .sub = wf_rate_fields,
     .title = "Rate limit", .help = "How many answers are taken; the others are asked to wait."},
    {0},
};

void wf_form_check(struct wf_check *ck, struct wf_form_cfg *cfg, const struct json *input)
{
    struct url url;

    if (!input)
        wf_check_problem(ck, S("input"), S("required"),
                         "A form asks for the \"input\" of the workflow: give it a schema.");
    else if (wf_form_fields(ck->a, input, &cfg->fields) != OK)
        wf_check_problem(ck, S("input"), S("bad_form"), "%s", err_record()->detail);
    if (str_eq(cfg->auth, S("none")))
        wf_check_warning(ck, S("form/auth"), S("open_form"),
                         "Whoever knows the address of this form can start the workflow.");
    if (!cfg->redirect.n)
        return;
    if (url_parse(ck->a, cfg->redirect, &url) != OK)
        wf_check_problem(ck, S("form/redirect"), S("bad_url"),
                         "\"redirect\" must begin with https:// or http://.");
    else
        cfg->redirect_origin =
            str_fmt(ck->a, "%.*s://%s%.*s%s:%u", P(url.scheme), url.ipv6 ? "[" : "", P(url.host),
                    url.ipv6 ? "]" : "", (unsigned)url.port);
}
