/* src/wf/waits.c - steps of a run that wait: how they begin, are answered and end.
 *
 * What is waited for stands in the journal, and for an event in a row that senders look for.
 * Answers come as rows too (store_wait.h): the run's own fiber takes them, records what they lead
 * to, and deletes them in the same transaction. Whoever dies in between leaves them for the next.
 */
#include "base/crypto.h"
#include "store/store_flow.h"
#include "wf/engine_private.h"

enum { ANSWERS_AT_ONCE = 100, LARGE_AT_ONCE = 4, EVENTS_AT_ONCE = 20 };

/* ---- what goes along with the next commit ---- */

struct arena *run_side_arena(struct wf_run *run)
{
    if (!run->side_a)
        run->side_a = arena_new(RUN_MEMORY_MAX);
    return run->side_a;
}

struct side *run_add_side(struct wf_run *run)
{
    struct side *side = arena_new_of(run_side_arena(run), struct side), **at = &run->sides;

    while (*at)
        at = &(*at)->next;
    *at = side;
    return side;
}

void run_write_sides(struct wf_run *run, struct arena *a, struct db_tx *tx)
{
    for (const struct side *side = run->sides; side; side = side->next) {
        switch (side->kind) {
        case SIDE_EVENT_WAIT:
            store_event_wait_insert(tx, &side->wait);
            break;
        case SIDE_APPROVAL:
            store_approval_insert(tx, &side->approval);
            run_tell_approval(run, a, tx, &side->approval);
            run_mail_approval(run, a, tx, &side->approval);
            break;
        case SIDE_CLOSE:
            store_approval_close(tx, side->approval.id, side->approval.outcome, run_now(run));
            break;
        case SIDE_CHILD:
            store_run_insert_due(tx, &side->run, &side->batch);
            store_child_insert(tx, &side->child);
            break;
        case SIDE_STOP:
            store_child_cancel(tx, side->child.run);
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

/* Find out what @n waits for. */
static Err ask_wait(struct wf_run *run, const struct wf_node_run *n, int number,
                    struct wf_wait *ret_wait)
{
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = run_step(run, run_arena(run, n), n, number, &names, &scope);

    TRY(run_check_memory(run, 0));
    return step.node->type->wait(&step, step.node->settings, ret_wait);
}

/* The wait's id; none if nobody can answer it. */
static Id wait_id(const struct wf_node_run *n)
{
    Id id;
    Str text = json_str_of(json_at(n->wait, "id"), S(""));
    return text.n && id_parse(text, &id) == OK ? id : ID_NONE;
}

/* A row by which senders of the event find the run. */
static void add_event_wait(struct wf_run *run, const struct wf_wait *w, Id id)
{
    struct side *side = run_add_side(run);

    side->kind = SIDE_EVENT_WAIT;
    side->wait =
        (struct event_wait){.id = id,
                            .tenant = run->row.tenant,
                            .topic = store_event_topic(run_side_arena(run), w->event, w->key),
                            .run = run->row.id,
                            .created_at = run_now(run)};
    run->look_back = true;
}

/* A row that people see. */
static void add_approval(struct wf_run *run, const struct wf_wait *w, Id id,
                         const struct wf_node_run *n)
{
    struct side *side = run_add_side(run);
    char secret[32];

    crypto_random(secret, sizeof secret);
    side->kind = SIDE_APPROVAL;
    side->approval =
        (struct approval_row){.id = id,
                              .tenant = run->row.tenant,
                              .workflow = run->row.workflow,
                              .run = run->row.id,
                              .body = json_text(run_side_arena(run), w->what),
                              .secret = str_dup(run_side_arena(run), str_from(secret, 32)),
                              .created_at = run_now(run),
                              .due_at = n->due_at};
}

/* Its time is on the run's clock. */
Err run_begin_wait(struct wf_run *run, struct wf_node_run *n, int number)
{
    struct arena *a = run_arena(run, n);
    struct wf_wait w = {0};
    Id id = ID_NONE;
    Usec began = time_mono();
    Err e = ask_wait(run, n, number, &w);

    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    if (e != OK)
        return run_record_failure(run, n, number, e, str_dup(a, str_c(err_client_text(e))), 0,
                                  time_mono() - began);
    if (w.workflow.n)
        return run_begin_child(run, n, number, &w, began);
    if (w.event.n || w.people) {
        id = id_new();
        json_set(a, w.what, S("id"), json_id(a, id));
    }
    if (w.event.n)
        json_set(a, w.what, S("since"), json_time(a, run_now(run) - w.accept_past));
    TRY(run_record(run,
                   (struct wf_event){.kind = WF_EV_STEP_WAITING,
                                     .node = n->node,
                                     .in = n->frame->path,
                                     .attempt = number,
                                     .until = w.span ? usec_add(run_now(run), w.span) : w.until,
                                     .relative = w.span != 0,
                                     .handle = w.handle,
                                     .clock = run_clock(run),
                                     .data = w.what}));
    if (w.event.n)
        add_event_wait(run, &w, id);
    if (w.people)
        add_approval(run, &w, id, n);
    return OK;
}

/* Nobody is to answer the wait of @n any more, which has ended as @outcome says. */
static void end_row(struct wf_run *run, const struct wf_node_run *n, Str outcome)
{
    Id id = wait_id(n);

    if (id_is_none(id))
        return;
    struct side *side = run_add_side(run);
    side->kind = SIDE_END;
    side->wait.id = id;
    if (str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("approval"))) {
        side = run_add_side(run);
        side->kind = SIDE_CLOSE;
        side->approval =
            (struct approval_row){.id = id, .outcome = str_dup(run_side_arena(run), outcome)};
    }
}

void run_drop_waits(struct wf_run *run)
{
    vec_each(&run->state->dropped, n) {
        run_stop_child(run, *n);
        end_row(run, *n, S("ended"));
    }
    run->state->dropped.n = 0;
}

/* Record @ev, which ends the wait of @n or is one of several answers. */
static Err record_answer(struct wf_run *run, struct wf_node_run *n, struct wf_event ev)
{
    Err e = run_record(run, ev);

    if (e == E_TOO_LARGE)
        e = run_record_failure(run, n, ev.attempt, e,
                               str_dup(run_arena(run, n), str_c(err_client_text(e))), 0, 0);
    TRY(e);
    if (n->state == WF_NODE_WAITING)
        return OK;
    run_count_step(&run->def->nodes[n->node], n->state == WF_NODE_DONE, 0);
    end_row(run, n, n->state == WF_NODE_DONE ? n->handle : S("ended"));
    return OK;
}

static struct wf_node_run *step_of_wait(const struct wf_state *s, Id wait)
{
    for (struct wf_node_run *n = s->waits.first; n; n = n->next)
        if (id_eq(wait_id(n), wait))
            return n;
    return NULL;
}

Err run_end_wait(struct wf_run *run, struct wf_node_run *n)
{
    Id id = wait_id(n);
    struct wf_event ev;

    /* What was answered in time counts, also when it was not heard yet; @n may be gone then. */
    if (!id_is_none(id)) {
        do {
            TRY(run_take_mail(run));
            if (step_of_wait(run->state, id) != n)
                return OK;
        } while (run->mail); /* more than are looked at in one go */
    }
    wf_core_due(run_arena(run, n), n, &ev);
    run_stop_child(run, n);
    return record_answer(run, n, ev);
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

static bool holds(const struct wf_cycle *c, Id id)
{
    vec_each(&c->taken, it)
        if (id_eq(*it, id))
            return true;
    return false;
}

/* Whether @event has answered a step of frame @f from which a path leads to @node. */
static bool was_taken_in(const struct wf_run *run, struct arena *a, const struct wf_frame *f,
                         int node, Str text, Id id)
{
    const struct wf_def *def = run->def;
    int count = f->cycle ? def->nodes[f->cycle->step->node].body->n : def->n_nodes;

    for (int i = 0; i < count; i++) {
        const struct wf_node_run *n = &f->nodes[i];
        bool took = def->nodes[n->node].type->wait && n->state == WF_NODE_DONE &&
                    str_eq(json_str_of(json_at(n->output, "id"), S("")), text);
        if ((took || (n->inside && n->state == WF_NODE_DONE && holds(n->inside, id))) &&
            leads_to(a, def, n->node, node))
            return true;
    }
    return false;
}

/* Whether @event has answered a step that comes before @n, in this round or one before: then it
 * does not count again. Steps beside each other, and so the items of an iteration, may all have it.
 * No clock is asked: they are of different machines. */
static bool was_taken(const struct wf_run *run, const struct wf_node_run *n,
                      const struct json *event)
{
    AUTO(arena) *a = arena_new(MIB(1));
    Str text = json_str_of(json_at(event, "id"), S(""));
    int node = n->node;
    Id id;

    if (!text.n || id_parse(text, &id) != OK)
        return false;
    for (const struct wf_frame *f = n->frame; f; f = wf_frame_above(f)) {
        if (was_taken_in(run, a, f, node, text, id))
            return true;
        if (f->cycle && f->cycle->rules.rounds && holds(f->cycle, id))
            return true;
        node = f->cycle ? f->cycle->step->node : -1;
    }
    return false;
}

/* Let @body answer the wait of @n; nothing happens when it cannot any more. */
static Err answer_with(struct wf_run *run, struct wf_node_run *n, Str body)
{
    const struct json_limits limits = {.bytes = EVENT_TEXT_MAX + MIB(1)};
    struct arena *a = run_arena(run, n);
    struct wf_event ev;
    struct json *answer;

    Err e = run_check_memory(run, body.n);
    if (e == OK)
        e = json_parse_limits(a, str_dup(a, body), &limits, &answer);
    if (e != OK)
        return run_record_failure(run, n, n->attempt, e, str_dup(a, str_c(err_client_text(e))), 0,
                                  0);
    if (run_is_child_wait(n)) {
        wf_core_child_answer(a, run->state, n, answer, run_now(run), &ev);
        return record_answer(run, n, ev);
    }
    if (was_taken(run, n, answer) || !wf_core_answer(a, n, answer, &ev))
        return OK;
    return record_answer(run, n, ev);
}

Err run_take_mail(struct wf_run *run)
{
    AUTO(arena) *a = arena_new(MIB(256));
    AnswerRows rows = {0};
    int64_t mail = 0;
    int limit = ANSWERS_AT_ONCE;
    Err e;

    if (run->state->run == WF_RUN_QUEUED)
        return run_flow_hear(run);
    do {
        e = store_answers_of(run->engine->db, a, run->row.id, limit, &mail, &rows);
        if (e == E_TOO_LARGE && limit > LARGE_AT_ONCE) { /* results of other runs */
            limit = LARGE_AT_ONCE;
            arena_reset(a);
            e = store_answers_of(run->engine->db, a, run->row.id, limit, &mail, &rows);
        }
    } while (run_try_again(run, e));
    TRY(e);
    run->mail = rows.n == (size_t)limit;
    vec_each(&rows, row) {
        struct wf_node_run *n = step_of_wait(run->state, row->wait);
        if (n)
            TRY(answer_with(run, n, row->body));
        struct side *side = run_add_side(run);
        side->kind = SIDE_TAKEN;
        side->answer = (struct answer_row){.wait = row->wait,
                                           .source = str_dup(run_side_arena(run), row->source)};
    }
    if (mail && !run->mail)
        run_see_mail(run, mail);
    return run_commit(run);
}

static Err look_back_for(struct wf_run *run, struct wf_node_run *n, bool *ret_found)
{
    const struct json *what = n->wait;
    Str name = json_str_of(json_at(what, "name"), S(""));
    Str key = json_str_of(json_at(what, "key"), S(""));
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO(arena) *own = arena_new(KIB(64));
    EventRows rows = {0};
    Usec since;
    Err e;

    if (time_parse_rfc3339(json_str_of(json_at(what, "since"), S("")), &since) != OK)
        return OK; /* it does not wait for an event */
    Str topic = store_event_topic(own, name, key);
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
            TRY(answer_with(run, n, row->body));
            *ret_found = n->state != WF_NODE_WAITING;
            if (*ret_found)
                return OK;
        }
    } while (rows.n == EVENTS_AT_ONCE);
    return OK;
}

/* A wait for an event that was not looked back for; NULL. */
static struct wf_node_run *next_unseen(const struct wf_state *s)
{
    struct wf_node_run *n = s->waits.first;

    while (n && n->looked_back)
        n = n->next;
    return n;
}

Err run_look_back(struct wf_run *run, bool *ret_found)
{
    struct wf_node_run *n;

    run->look_back = false;
    while ((n = next_unseen(run->state))) {
        bool found = false;
        n->looked_back = true;
        TRY(look_back_for(run, n, &found));
        *ret_found |= found;
    }
    return OK;
}
