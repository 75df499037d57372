/* src/wf/nodes/node_wait_event.c - the "wait_event" node: waits until somebody sends an event of
 * its name and key, or time is up.
 */
#include "wf/nodes/table.h"

enum { NAME_MAX_BYTES = 200, KEY_MAX_BYTES = 1000 };

struct wait_event_cfg {
    struct wf_template *name, *key;
    Usec max_wait, accept_past;
};

static const struct field fields[] = {
    {"name", F_TEMPLATE, offsetof(struct wait_event_cfg, name), .required = true, .title = "Event",
     .help = "The name of the event, such as payment.received."},
    {"key", F_TEMPLATE, offsetof(struct wait_event_cfg, key), .title = "Key",
     .help = "Whose event it is, such as an order number; the sender says the same."},
    {"max_wait", F_USEC, offsetof(struct wait_event_cfg, max_wait), .dflt = "0s",
     .max = 3660.0 * 86400, .title = "Wait at most",
     .help = "Then the way \"timeout\" is taken; 0s: for ever."},
    {"accept_past", F_USEC, offsetof(struct wait_event_cfg, accept_past), .dflt = "10s",
     .max = 86400, .title = "Accept earlier events",
     .help = "An event that came so long before the wait began counts too."},
    {0},
};

static Err read_text(struct wf_step *step, const struct wf_template *t, const char *field,
                     size_t max, Str *ret_text)
{
    *ret_text = S("");
    if (t)
        TRY(wf_template_text(step->a, t, step->scope, step->deadline, ret_text));
    if (ret_text->n > max)
        return err_detail(E_INVALID, "\"%s\" may have %zu bytes at most.", field, max);
    return OK;
}

static Err wait(struct wf_step *step, const void *settings, struct wf_wait *ret_wait)
{
    const struct wait_event_cfg *cfg = settings;

    TRY(read_text(step, cfg->name, "name", NAME_MAX_BYTES, &ret_wait->event));
    TRY(read_text(step, cfg->key, "key", KEY_MAX_BYTES, &ret_wait->key));
    if (!ret_wait->event.n)
        return err_detail(E_INVALID, "The name of the event is empty.");
    ret_wait->what =
        json_obj(step->a, "kind", json_str_c(step->a, "event"), "name",
                 json_str(step->a, ret_wait->event), "key", json_str(step->a, ret_wait->key), NULL);
    ret_wait->span = cfg->max_wait;
    ret_wait->accept_past = cfg->accept_past;
    ret_wait->handle = S("timeout");
    return OK;
}

static struct json *sample(struct arena *a, const void *settings)
{
    struct json *text = json_str(a, S("placeholder"));

    (void)settings;
    return json_obj(a, "id", text, "name", text, "key", text, "data", text, "at", json_time(a, 1),
                    NULL);
}

const struct wf_node_type wf_node_wait_event = {
    .name = "wait_event",
    .title = "Wait for an event",
    .help = "Waits until an event of this name and key is sent, or time is up.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct wait_event_cfg),
    .effects = WF_PURE,
    .handles = "out timeout",
    .wait = wait,
    .sample = sample,
};
