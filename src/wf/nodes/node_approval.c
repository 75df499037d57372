/* src/wf/nodes/node_approval.c - the "approval" node: waits until people have decided, or time is
 * up.
 */
#include "base/json_schema.h"
#include "net/smtp.h"
#include "wf/nodes/table.h"

enum { SUBJECT_MAX = 500, MESSAGE_MAX = 20000, APPROVERS_MAX = 50, APPROVER_MAX = 200 };

struct approval_cfg {
    struct wf_template *subject, *message;
    struct wf_value *approvers;
    bool email;
    int64_t approvals;
    const struct json *form;
    Usec max_wait;
};

static const struct field fields[] = {
    {"subject", F_TEMPLATE, offsetof(struct approval_cfg, subject), .required = true,
     .title = "Question", .help = "What is to be approved, in a line."},
    {"message", F_TEMPLATE, offsetof(struct approval_cfg, message), .title = "Details",
     .help = "What one should know to decide.", .lines = true},
    {"approvers", F_VALUE, offsetof(struct approval_cfg, approvers), .title = "Approvers",
     .help = "Names or addresses, as a list or with commas: each gets a link of their own. Who may "
             "decide in the console or by API always may."},
    {"email", F_BOOL, offsetof(struct approval_cfg, email), .title = "Send the links by e-mail",
     .help = "Approvers are addresses then, and each gets a mail with their link. Needs a mail "
             "server in the settings."},
    {"approvals", F_INT, offsetof(struct approval_cfg, approvals), .dflt = "1", .min = 1, .max = 20,
     .title = "Approvals", .help = "How many must approve; one that rejects decides."},
    {"form", F_JSON, offsetof(struct approval_cfg, form), .title = "Form",
     .help = "JSON Schema of what an approver fills in."},
    {"max_wait", F_USEC, offsetof(struct approval_cfg, max_wait), .dflt = "0s",
     .max = 3660.0 * 86400, .title = "Wait at most",
     .help = "Then the way \"timeout\" is taken; 0s: for ever."},
    {0},
};

static void check(struct wf_check *ck, void *settings)
{
    const struct approval_cfg *cfg = settings;
    AUTO(json_schema) *schema = NULL;

    if (cfg->email && !cfg->approvers)
        wf_check_problem(ck, S("approvers"), S("required"),
                         "\"email\" needs \"approvers\", the addresses to send to.");
    if (cfg->form && json_schema_compile(cfg->form, NULL, 0, 0, &schema) != OK)
        wf_check_problem(ck, S("form"), S("schema"), "\"form\" is no JSON Schema: %s",
                         err_client_text(E_INVALID));
}

static Err add_approver(struct wf_step *step, struct json *list, Str name)
{
    name = str_trim(name);
    if (name.n == 0)
        return OK;
    if (name.n > APPROVER_MAX)
        return err_detail(E_INVALID, "The name of an approver may have %d bytes at most.",
                          APPROVER_MAX);
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_str_of(json_item(list, i), S("")), name))
            return OK;
    if (json_len(list) == APPROVERS_MAX)
        return err_detail(E_INVALID, "There may be %d approvers at most.", APPROVERS_MAX);
    json_push(step->a, list, json_str(step->a, name));
    return OK;
}

static Err read_approvers(struct wf_step *step, const struct approval_cfg *cfg, struct json *list)
{
    struct json *v = NULL;
    Str name;

    if (cfg->approvers)
        TRY(wf_value_eval(step->a, cfg->approvers, step->scope, step->deadline, &v));
    if (json_is(v, JSON_STR)) {
        for (Str rest = json_str_of(v, S("")); rest.p;) {
            rest = str_cut(rest, ',', &name);
            TRY(add_approver(step, list, name));
        }
    } else if (json_is(v, JSON_ARR)) {
        for (size_t i = 0; i < json_len(v); i++) {
            if (!json_is(json_item(v, i), JSON_STR))
                return err_detail(E_INVALID, "\"approvers\" must be a list of texts.");
            TRY(add_approver(step, list, json_str_of(json_item(v, i), S(""))));
        }
    } else if (v && !json_is(v, JSON_NULL)) {
        return err_detail(E_INVALID, "\"approvers\" must be a list of texts, or one with commas.");
    }
    if (json_len(list) && json_len(list) < (size_t)cfg->approvals)
        return err_detail(E_INVALID, "%lld approvals are needed, and there are %zu approvers.",
                          (long long)cfg->approvals, json_len(list));
    return OK;
}

/* All of them get a mail. */
static Err check_addresses(const struct wf_step *step, const struct json *approvers)
{
    if (!step->env->sends_mail)
        return err_detail(E_UNSUPPORTED, "This server sends no e-mail: its setting smtp.url is "
                                         "empty.");
    if (!json_len(approvers))
        return err_detail(E_INVALID, "There is no approver to send an e-mail to.");
    for (size_t i = 0; i < json_len(approvers); i++) {
        Str name = json_str_of(json_item(approvers, i), S(""));
        if (!smtp_is_address(name))
            return err_detail(E_INVALID, "The approver \"%.*s\" is no e-mail address.",
                              P(str_head(name, 100)));
    }
    return OK;
}

static Err read_text(struct wf_step *step, const struct wf_template *t, size_t max, Str *ret_text)
{
    *ret_text = S("");
    if (t)
        TRY(wf_template_text(step->a, t, step->scope, step->deadline, ret_text));
    *ret_text = str_head(*ret_text, max);
    return OK;
}

static Err wait(struct wf_step *step, const void *settings, struct wf_wait *ret_wait)
{
    const struct approval_cfg *cfg = settings;
    struct json *approvers = json_arr(step->a);
    Str subject, message;

    TRY(read_text(step, cfg->subject, SUBJECT_MAX, &subject));
    TRY(read_text(step, cfg->message, MESSAGE_MAX, &message));
    TRY(read_approvers(step, cfg, approvers));
    if (cfg->email)
        TRY(check_addresses(step, approvers));
    ret_wait->what = json_obj(
        step->a, "kind", json_str_c(step->a, "approval"), "node", json_str(step->a, step->node->id),
        "subject", json_str(step->a, subject), "message", json_str(step->a, message), "approvers",
        approvers, "needed", json_int(step->a, cfg->approvals), "form",
        cfg->form ? (struct json *)(uintptr_t)cfg->form : json_null(step->a), NULL);
    if (cfg->email)
        json_set(step->a, ret_wait->what, S("email"), json_bool(step->a, true));
    ret_wait->span = cfg->max_wait;
    ret_wait->handle = S("timeout");
    ret_wait->people = true;
    return OK;
}

const struct wf_node_type wf_node_approval = {
    .name = "approval",
    .title = "Approval",
    .help = "Waits until people have approved or rejected, or time is up.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct approval_cfg),
    .effects = WF_PURE,
    .handles = "approve reject timeout",
    .check = check,
    .wait = wait,
};
