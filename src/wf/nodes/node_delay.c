/* src/wf/nodes/node_delay.c - the "delay" node: waits for a duration, or until a time.
 *
 * The wait is a row in the journal with the time at which it ends; while it lasts there is no fiber
 * and, when it is long, no memory. The graph is held up only behind this node.
 */
#include "wf/nodes/table.h"

enum { DAYS_MAX = 3660 };

struct delay_cfg {
    Str mode, unit;
    struct wf_value *duration;
    struct wf_template *until;
};

static const struct field fields[] = {
    {"mode", F_ENUM, offsetof(struct delay_cfg, mode), .dflt = "duration",
     .one_of = "duration until", .title = "Wait"},
    {"duration", F_VALUE, offsetof(struct delay_cfg, duration), .required = true,
     .when = "mode=duration", .title = "Duration",
     .help = "A number in the unit below, or a text such as 90s, 1h30m or PT1H30M (ISO 8601)."},
    {"unit", F_ENUM, offsetof(struct delay_cfg, unit), .dflt = "seconds",
     .one_of = "seconds minutes hours days", .when = "mode=duration", .title = "Unit",
     .help = "Of a duration that is a number alone."},
    {"until", F_TEMPLATE, offsetof(struct delay_cfg, until), .required = true, .when = "mode=until",
     .title = "Until", .help = "A time such as 2026-11-20T08:00:00+01:00 (RFC 3339)."},
    {0},
};

static Usec unit_of(Str unit)
{
    return str_eq(unit, S("days"))      ? USEC_DAY
           : str_eq(unit, S("hours"))   ? USEC_H
           : str_eq(unit, S("minutes")) ? USEC_MIN
                                        : USEC_S;
}

static Err too_long(void)
{
    return err_detail(E_INVALID, "A wait may take %d days at most.", DAYS_MAX);
}

/* A number counts in @unit, also when it comes as text. */
static Err read_duration(struct arena *a, const struct json *v, Usec unit, Usec *ret_span)
{
    struct json *number;
    Str text = str_trim(json_str_of(v, S("")));
    Usec span = 0;

    if (json_is(v, JSON_STR) && json_parse(a, text, &number) == OK && json_is_number(number))
        v = number;
    if (json_is_number(v)) {
        double n = json_double_of(v, -1);
        if (n < 0)
            return err_detail(E_INVALID, "A duration cannot be negative.");
        if (n * (double)unit > (double)DAYS_MAX * (double)USEC_DAY)
            return too_long();
        *ret_span = (Usec)(n * (double)unit + 0.5);
        return OK;
    }
    if (!json_is(v, JSON_STR) ||
        (time_parse_span(text, &span) != OK && time_parse_iso_span(text, &span) != OK))
        return err_detail(E_INVALID, "The duration must be a number or a text such as \"90s\", "
                                     "\"1h30m\" or \"PT1H30M\"; years and months are of no fixed "
                                     "length.");
    if (span > DAYS_MAX * USEC_DAY)
        return too_long();
    *ret_span = span;
    return OK;
}

static Err read_until(Str text, Usec *ret_until)
{
    if (time_parse_rfc3339(str_trim(text), ret_until) != OK)
        return err_detail(E_INVALID,
                          "\"until\" must be a time such as 2026-11-20T08:00:00Z, not "
                          "\"%.*s\".",
                          P(str_head(text, 60)));
    return *ret_until > time_wall() + DAYS_MAX * USEC_DAY ? too_long() : OK;
}

/* What has no template in it is read now. */
static void check(struct wf_check *ck, void *settings)
{
    const struct delay_cfg *cfg = settings;
    const struct wf_scope none = {0};
    struct json *v;
    Usec at;

    if (cfg->duration && wf_value_is_fixed(cfg->duration) &&
        wf_value_eval(ck->a, cfg->duration, &none, USEC_NEVER, &v) == OK &&
        read_duration(ck->a, v, unit_of(cfg->unit), &at) != OK)
        wf_check_problem(ck, S("duration"), S("range"), "%s", err_client_text(E_INVALID));
    /* A time that is too far away today may not be when the run comes to it. */
    if (cfg->until && wf_template_is_fixed(cfg->until) &&
        time_parse_rfc3339(str_trim(wf_template_source(cfg->until)), &at) != OK)
        wf_check_problem(ck, S("until"), S("type"),
                         "\"until\" must be a time such as 2026-11-20T08:00:00Z.");
}

static Err wait(struct wf_step *step, const void *settings, struct wf_wait *ret_wait)
{
    const struct delay_cfg *cfg = settings;
    struct json *v;
    Str text;

    ret_wait->what = json_obj(step->a, "kind", json_str_c(step->a, "delay"), NULL);
    if (cfg->until) {
        TRY(wf_template_text(step->a, cfg->until, step->scope, step->deadline, &text));
        TRY(read_until(text, &ret_wait->until));
        ret_wait->until = usec_max(ret_wait->until, 1);
        return OK;
    }
    TRY(wf_value_eval(step->a, cfg->duration, step->scope, step->deadline, &v));
    TRY(read_duration(step->a, v, unit_of(cfg->unit), &ret_wait->span));
    ret_wait->span = usec_max(ret_wait->span, 1);
    return OK;
}

const struct wf_node_type wf_node_delay = {
    .name = "delay",
    .title = "Delay",
    .help = "Waits for a while, or until a time.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct delay_cfg),
    .effects = WF_PURE,
    .check = check,
    .wait = wait,
};
