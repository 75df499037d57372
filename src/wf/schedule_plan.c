/* src/wf/schedule_plan.c - what a schedule means. */
#include "wf/schedule_plan.h"

static bool is_interval(const struct wf_schedule_cfg *cfg)
{
    return str_eq(cfg->repeat, S("interval"));
}

Usec wf_schedule_next(const struct wf_schedule_cfg *cfg, Usec anchor, Usec after)
{
    if (after == USEC_NEVER)
        return USEC_NEVER;
    if (!is_interval(cfg))
        return wf_cron_next(&cfg->plan, cfg->tz, after);
    /* Before the anchor too: it may have been set by a clock that was wrong. */
    Usec past = (after - anchor) % cfg->every;
    return usec_add(after, cfg->every - (past < 0 ? past + cfg->every : past));
}

Usec wf_schedule_due(const struct wf_schedule_cfg *cfg, Id workflow, Usec at)
{
    char key[sizeof workflow.b + sizeof at];

    if (!cfg->jitter || at == USEC_NEVER)
        return at;
    memcpy(key, workflow.b, sizeof workflow.b);
    memcpy(key + sizeof workflow.b, &at, sizeof at);
    return at + (Usec)(str_hash(str_from(key, sizeof key)) % (uint64_t)(cfg->jitter + 1));
}

/* How many times there are in @after < time <= @to, and the one that stands @nth among them, from
 * 0. */
static int64_t count_times(const struct wf_schedule_cfg *cfg, Usec anchor, Usec after, Usec to,
                           int64_t nth, Usec *ret_nth)
{
    int64_t n = 0;

    for (Usec t = wf_schedule_next(cfg, anchor, after); t <= to;
         t = wf_schedule_next(cfg, anchor, t)) {
        if (n == nth)
            *ret_nth = t;
        n++;
    }
    return n;
}

/* The first of the latest @n times from @from to @to; @from is one of them. Looked for from the
 * end, in windows that grow, so that the length of an outage does not matter. */
static Usec first_of_latest(const struct wf_schedule_cfg *cfg, Usec anchor, Usec from, Usec to,
                            int64_t n)
{
    Usec found = from;

    for (Usec window = USEC_MIN;; window *= 4) {
        Usec after = to - window > from - 1 ? to - window : from - 1;
        int64_t count = count_times(cfg, anchor, after, to, -1, &found);
        if (count >= n || after < from) {
            (void)count_times(cfg, anchor, after, to, count > n ? count - n : 0, &found);
            return found;
        }
    }
}

struct wf_schedule_turn wf_schedule_turn(const struct wf_schedule_cfg *cfg,
                                         const struct schedule_row *row, Usec now)
{
    Usec at = row->next_at, past = usec_max(now - cfg->jitter, at);

    if (row->due_at > now)
        return (struct wf_schedule_turn){.next_at = at};
    if (row->due_at > now - WF_SCHEDULE_GRACE)
        return (struct wf_schedule_turn){at, wf_schedule_next(cfg, row->anchor, at), false};
    if (str_eq(cfg->catch_up, S("skip"))) {
        Usec next = wf_schedule_next(cfg, row->anchor, usec_max(past - WF_SCHEDULE_GRACE, at));
        return (struct wf_schedule_turn){0, next, true};
    }
    int64_t n = str_eq(cfg->catch_up, S("all")) ? cfg->catch_up_limit : 1;
    Usec fire = first_of_latest(cfg, row->anchor, at, past, n);
    return (struct wf_schedule_turn){fire, wf_schedule_next(cfg, row->anchor, fire), fire > at};
}

bool wf_schedule_row(struct arena *a, const struct wf_def *def, Id tenant, Id workflow, int version,
                     Usec now, struct schedule_row *ret_row)
{
    const struct wf_schedule_cfg *cfg = &wf_trigger_cfg(def)->schedule;
    char every[TIME_RFC3339_SIZE], jitter[TIME_RFC3339_SIZE];

    if (!wf_schedule_is_set(def))
        return false;
    Usec anchor = now - now % USEC_S; /* times that people can read */
    Usec next = wf_schedule_next(cfg, anchor, now);
    *ret_row = (struct schedule_row){
        .workflow = workflow,
        .tenant = tenant,
        .version = version,
        /* What makes it fire at other times; the rest is looked up in the version. */
        .spec = str_fmt(a, "%.*s|%.*s|%.*s|%.*s|%.*s", P(cfg->repeat), P(cfg->cron),
                        P(is_interval(cfg) ? time_span(cfg->every, every) : S("")),
                        P(cfg->timezone), P(time_span(cfg->jitter, jitter))),
        .anchor = anchor,
        .next_at = next,
        .due_at = wf_schedule_due(cfg, workflow, next),
    };
    return true;
}

Str wf_schedule_local(struct arena *a, const struct tz *tz, Usec at)
{
    int offset = tz_offset_at(tz, at / USEC_S), lead = offset < 0 ? -offset : offset;
    char text[TIME_RFC3339_SIZE];
    Str local = str_head(time_rfc3339(at + offset * USEC_S, text), 19);

    if (!offset)
        return str_fmt(a, "%.*sZ", P(local));
    return str_fmt(a, "%.*s%c%02d:%02d", P(local), offset < 0 ? '-' : '+', lead / 3600,
                   lead / 60 % 60);
}

struct json *wf_schedule_input(struct arena *a, const struct wf_schedule_cfg *cfg, Usec at,
                               Usec now)
{
    return json_obj(a, "scheduled_at", json_time(a, at), "started_at", json_time(a, now),
                    "timezone", json_str(a, cfg->timezone), "local_time",
                    json_str(a, wf_schedule_local(a, cfg->tz, at)), NULL);
}

struct json *wf_schedule_times(struct arena *a, const struct wf_schedule_cfg *cfg, Usec anchor,
                               Usec after, int n)
{
    struct json *times = json_arr(a);

    for (int i = 0; i < n; i++) {
        after = wf_schedule_next(cfg, anchor, after);
        if (after == USEC_NEVER)
            break;
        json_push(a, times,
                  json_obj(a, "at", json_time(a, after), "local",
                           json_str(a, wf_schedule_local(a, cfg->tz, after)), NULL));
    }
    return times;
}
