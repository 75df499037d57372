/* src/wf/waits.c - steps of a run that wait: how they begin, are answered and end.
 *
 * What is waited for stands in the journal, and for an event in a row that senders look for.
 * Answers come as rows too (store_wait.h): the run's own fiber takes them, records what they lead
 * to, and deletes them in the same transaction. Whoever dies in between leaves them for the next.
 */
#include "base/crypto.h"
#include "store/store_flow.h"
#include "wf/engine_private.h"

enum { ANSWERS_AT_ONCE = 100, EVENTS_AT_ONCE = 20 };

/* ---- what goes along with the next commit ---- */

struct side *run_add_side(struct wf_run *run)
{
    struct side *side = arena_new_of(run->a, struct side), **at = &run->sides;

    while (*at)
        at = &(*at)->next;
    *at = side;
    return side;
}

void run_write_sides(const struct wf_run *run, struct db_tx *tx)
{
    for (const struct side *side = run->sides; side; side = side->next) {
        switch (side->kind) {
        case SIDE_EVENT_WAIT:
            store_event_wait_insert(tx, &side->wait);
            break;
        case SIDE_APPROVAL:
            store_approval_insert(tx, &side->approval);
            break;
        case SIDE_CLOSE:
            store_approval_close(tx, side->approval.id, side->approval.outcome, run_now(run));
            break;
        case SIDE_END:
            store_wait_end(tx, side->wait.id);
            break;
        case SIDE_TAKEN:
            store_answer_taken(tx, &side->answer);
            break;
        case SIDE_SEEN:
            store_mail_seen(tx, run->row.id, run->row.lease_epoch, side->mail);
            break;
        case SIDE_FLOW_SLEEP:
            store_flow_sleep(tx, run->row.id);
            break;
        case SIDE_FLOW_RETURN:
            store_flow_return(tx, run->row.id);
            break;
        }
    }
}

/* ---- beginning and ending ---- */

/* Find out what @node waits for. */
static Err ask_wait(struct wf_run *run, int node, int number, struct wf_wait *ret_wait)
{
    const struct wf_node *n = &run->def->nodes[node];
    struct wf_names names = {run->a, run->state, &run->facts};
    struct wf_scope scope = wf_core_scope(&names);
    struct wf_step step = run_step(run, run->a, n, number, &scope);

    TRY(run_check_memory(run, 0));
    return n->type->wait(&step, n->settings, ret_wait);
}

/* The wait's id; none if nobody can answer it. */
static Id wait_id(const struct wf_state *s, int node)
{
    Id id;
    Str text = json_str_of(json_at(s->nodes[node].wait, "id"), S(""));
    return text.n && id_parse(text, &id) == OK ? id : ID_NONE;
}

/* A row by which senders of the event find the run. */
static void add_event_wait(struct wf_run *run, const struct wf_wait *w, Id id)
{
    struct side *side = run_add_side(run);

    side->kind = SIDE_EVENT_WAIT;
    side->wait = (struct event_wait){.id = id,
                                     .tenant = run->row.tenant,
                                     .topic = store_event_topic(run->a, w->event, w->key),
                                     .run = run->row.id,
                                     .created_at = run_now(run)};
    run->look_back = true;
}

/* A row that people see. */
static void add_approval(struct wf_run *run, const struct wf_wait *w, Id id, int node)
{
    struct side *side = run_add_side(run);
    char secret[32];

    crypto_random(secret, sizeof secret);
    side->kind = SIDE_APPROVAL;
    side->approval = (struct approval_row){.id = id,
                                           .tenant = run->row.tenant,
                                           .workflow = run->row.workflow,
                                           .run = run->row.id,
                                           .body = json_text(run->a, w->what),
                                           .secret = str_dup(run->a, str_from(secret, 32)),
                                           .created_at = run_now(run),
                                           .due_at = run->state->nodes[node].due_at};
}

/* Its time is on the run's clock. */
Err run_begin_wait(struct wf_run *run, int node, int number)
{
    struct wf_wait w = {0};
    Id id = ID_NONE;
    Usec began = time_mono();
    Err e = ask_wait(run, node, number, &w);

    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    if (e != OK)
        return run_record_failure(run, node, number, e, str_dup(run->a, str_c(err_client_text(e))),
                                  0, time_mono() - began);
    if (w.event.n || w.people) {
        id = id_new();
        json_set(run->a, w.what, S("id"), json_id(run->a, id));
    }
    if (w.event.n)
        json_set(run->a, w.what, S("since"), json_time(run->a, run_now(run) - w.accept_past));
    TRY(run_record(run,
                   (struct wf_event){.kind = WF_EV_STEP_WAITING,
                                     .node = node,
                                     .attempt = number,
                                     .until = w.span ? usec_add(run_now(run), w.span) : w.until,
                                     .relative = w.span != 0,
                                     .handle = w.handle,
                                     .clock = run_clock(run),
                                     .data = w.what}));
    if (w.event.n)
        add_event_wait(run, &w, id);
    if (w.people)
        add_approval(run, &w, id, node);
    return OK;
}

/* Record @ev, which ends the wait of a node or is one of several answers. */
static Err record_answer(struct wf_run *run, struct wf_event ev)
{
    const struct wf_node_run *n = &run->state->nodes[ev.node];
    Id id = wait_id(run->state, ev.node);
    Err e = run_record(run, ev);

    if (e == E_TOO_LARGE)
        e = run_record_failure(run, ev.node, ev.attempt, e,
                               str_dup(run->a, str_c(err_client_text(e))), 0, 0);
    TRY(e);
    if (n->state == WF_NODE_WAITING)
        return OK;
    run_count_step(&run->def->nodes[ev.node], n->state == WF_NODE_DONE, 0);
    if (id_is_none(id))
        return OK;
    struct side *side = run_add_side(run);
    side->kind = SIDE_END;
    side->wait.id = id;
    if (str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("approval"))) {
        side = run_add_side(run);
        side->kind = SIDE_CLOSE;
        side->approval = (struct approval_row){
            .id = id, .outcome = n->state == WF_NODE_DONE ? n->handle : S("ended")};
    }
    return OK;
}

Err run_end_wait(struct wf_run *run, int node)
{
    struct wf_event ev;

    /* What was answered in time counts, also when it was not heard yet. */
    if (!id_is_none(wait_id(run->state, node))) {
        do {
            TRY(run_take_mail(run));
            if (run->state->nodes[node].state != WF_NODE_WAITING)
                return OK;
        } while (run->mail); /* more than are looked at in one go */
    }
    wf_core_due(run->a, run->state, node, &ev);
    return record_answer(run, ev);
}

/* ---- answers ---- */

void run_see_mail(struct wf_run *run, int64_t mail)
{
    struct side *side = run_add_side(run);
    side->kind = SIDE_SEEN;
    side->mail = mail;
}

bool run_try_again(const struct wf_run *run, Err e)
{
    if (e == OK || !run_may_pass(e) || run_must_stop(run))
        return false;
    fiber_shield();
    Err slept = fiber_sleep(500 * USEC_MS);
    fiber_unshield();
    (void)slept; /* a shielded sleep ends by itself */
    return true;
}

static int node_of_wait(const struct wf_state *s, Id wait)
{
    for (int i = 0; i < s->n_waits; i++)
        if (id_eq(wait_id(s, s->waits[i]), wait))
            return s->waits[i];
    return -1;
}

/* Whether a path leads from node @from to @to. Each node is looked at once; in @a. */
static bool leads_to(struct arena *a, const struct wf_def *def, int from, int to)
{
    bool *met = arena_array(a, bool, def->n_nodes);
    int *left = arena_array(a, int, def->n_nodes), n = 0;

    left[n++] = from;
    while (n > 0) {
        const struct wf_node *node = &def->nodes[left[--n]];
        for (int i = 0; i < node->n_out; i++) {
            int next = def->edges[node->out[i]].to;
            if (next == to)
                return true;
            if (!met[next])
                left[n++] = next;
            met[next] = true;
        }
    }
    return false;
}

/* Whether @event has answered a step that comes before @node: then it does not count again. Steps
 * beside each other may all have it. No clock is asked: they are of different machines. */
static bool was_taken(const struct wf_state *s, int node, const struct json *event)
{
    AUTO(arena) *a = arena_new(MIB(1));
    Str id = json_str_of(json_at(event, "id"), S(""));

    for (int i = 0; i < s->def->n_nodes; i++) {
        const struct wf_node_run *n = &s->nodes[i];
        if (s->def->nodes[i].type->wait && n->state == WF_NODE_DONE && id.n &&
            str_eq(json_str_of(json_at(n->output, "id"), S("")), id) &&
            leads_to(a, s->def, i, node))
            return true;
    }
    return false;
}

/* Let @body answer the wait of @node; nothing happens when it cannot any more. */
static Err answer_with(struct wf_run *run, int node, Str body)
{
    const struct json_limits limits = {.bytes = MIB(8)};
    struct wf_event ev;
    struct json *answer;

    Err e = run_check_memory(run, body.n);
    if (e == OK)
        e = json_parse_limits(run->a, str_dup(run->a, body), &limits, &answer);
    if (e != OK)
        return run_record_failure(run, node, run->state->nodes[node].attempt, e,
                                  str_dup(run->a, str_c(err_client_text(e))), 0, 0);
    if (was_taken(run->state, node, answer) ||
        !wf_core_answer(run->a, run->state, node, answer, &ev))
        return OK;
    return record_answer(run, ev);
}

Err run_take_mail(struct wf_run *run)
{
    AUTO(arena) *a = arena_new(MIB(256));
    AnswerRows rows = {0};
    int64_t mail = 0;
    Err e;

    if (run->state->run == WF_RUN_QUEUED)
        return run_flow_hear(run);
    do
        e = store_answers_of(run->engine->db, a, run->row.id, ANSWERS_AT_ONCE, &mail, &rows);
    while (run_try_again(run, e));
    TRY(e);
    run->mail = rows.n == ANSWERS_AT_ONCE;
    vec_each(&rows, row) {
        int node = node_of_wait(run->state, row->wait);
        if (node >= 0)
            TRY(answer_with(run, node, row->body));
        struct side *side = run_add_side(run);
        side->kind = SIDE_TAKEN;
        side->answer =
            (struct answer_row){.wait = row->wait, .source = str_dup(run->a, row->source)};
    }
    if (mail && !run->mail)
        run_see_mail(run, mail);
    return run_commit(run);
}

static Err look_back_for(struct wf_run *run, int node, bool *ret_found)
{
    const struct json *what = run->state->nodes[node].wait;
    Str name = json_str_of(json_at(what, "name"), S(""));
    Str key = json_str_of(json_at(what, "key"), S(""));
    AUTO(arena) *a = arena_new(MIB(64));
    EventRows rows = {0};
    Usec since;
    Err e;

    if (time_parse_rfc3339(json_str_of(json_at(what, "since"), S("")), &since) != OK)
        return OK; /* it does not wait for an event */
    Str topic = store_event_topic(run->a, name, key);
    Id after = id_floor(since);
    do {
        arena_reset(a);
        do
            e = store_events_since(run->engine->db, a, run->row.tenant, topic, after,
                                   EVENTS_AT_ONCE, &rows);
        while (run_try_again(run, e));
        TRY(e);
        vec_each(&rows, row) {
            after = row->id;
            TRY(answer_with(run, node, row->body));
            *ret_found = run->state->nodes[node].state != WF_NODE_WAITING;
            if (*ret_found)
                return OK;
        }
    } while (rows.n == EVENTS_AT_ONCE);
    return OK;
}

Err run_look_back(struct wf_run *run, bool *ret_found)
{
    run->look_back = false;
    /* From the end: an answer takes its node out of the list. */
    for (int i = run->state->n_waits - 1; i >= 0; i--)
        if (i < run->state->n_waits)
            TRY(look_back_for(run, run->state->waits[i], ret_found));
    return OK;
}
