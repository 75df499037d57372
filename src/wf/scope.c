/* src/wf/scope.c - bodies: the items of an iteration and the rounds of a loop, as part of the core.
 *
 * Each item or round is a frame with the states of the body's nodes, in an arena of its own.
 * Beginning and ending items takes no events: that follows from what happened to their steps, and
 * from the count in the event that opened the container. At no time are there more frames than may
 * run at once, so that a list of any length costs its results and nothing else. Rounds end by an
 * event, which has what the variables are set to.
 */
#include "wf/core_private.h"

enum {
    ERRORS_KEPT = 20,
    FRAME_MEMORY_MAX = 1 << 30, /* never met: see run_check_memory() */
};

/* ---- lists ---- */

void core_list_add(struct wf_steps *list, struct wf_node_run *n)
{
    n->prev = list->last;
    n->next = NULL;
    *(list->last ? &list->last->next : &list->first) = n;
    list->last = n;
    list->n++;
}

void core_list_take(struct wf_steps *list, struct wf_node_run *n)
{
    *(n->prev ? &n->prev->next : &list->first) = n->next;
    *(n->next ? &n->next->prev : &list->last) = n->prev;
    n->prev = n->next = NULL;
    list->n--;
}

/* ---- paths ---- */

Str wf_path_text(struct arena *a, const struct wf_def *def, const struct wf_path *path)
{
    AUTO_BUF(b, KIB(1));

    for (int i = 0; i < path->depth; i++)
        buf_add_fmt(&b, "%s%.*s[%d]", i ? "/" : "", P(def->nodes[path->at[i].node].id),
                    path->at[i].index);
    return str_dup(a, buf_str(&b));
}

/* One "id[12]". */
static Err read_place(const struct wf_def *def, Str text, int parent, int *ret_node, int *ret_index)
{
    size_t open = str_find_char(text, '[');
    int64_t index;

    if (open == SIZE_MAX || text.n < open + 3 || text.p[text.n - 1] != ']' ||
        str_to_i64((Str){text.p + open + 1, text.n - open - 2}, &index) != OK || index < 0 ||
        index > INT32_MAX)
        return err_detail(E_SYNTAX, "\"%.*s\" must be such as \"iteration-1[12]\".",
                          P(str_head(text, 80)));
    int node = wf_def_node(def, str_head(text, open));
    if (node < 0 || !def->nodes[node].body || def->nodes[node].parent != parent)
        return err_detail(E_NOT_FOUND, "There is no node \"%.*s\" with items or rounds there.",
                          P(str_head(text, open < 64 ? open : 64)));
    *ret_node = node;
    *ret_index = (int)index;
    return OK;
}

Err wf_path_read(const struct wf_def *def, Str text, struct wf_path *ret_path)
{
    struct wf_path path = {0};
    int parent = -1;

    for (bool more = text.n > 0; more; more = text.p != NULL) {
        Str place;
        text = str_cut(text, '/', &place);
        if (path.depth == WF_DEPTH_MAX)
            return err_detail(E_SYNTAX, "A scope has at most %d parts.", WF_DEPTH_MAX);
        TRY(read_place(def, place, parent, &path.at[path.depth].node, &path.at[path.depth].index));
        parent = path.at[path.depth++].node;
    }
    *ret_path = path;
    return OK;
}

/* ---- finding ---- */

static struct wf_frame *frame_of(const struct wf_cycle *c, int index)
{
    struct wf_frame *f = c->table ? c->table[(unsigned)index & c->mask] : NULL;

    while (f && f->index != index)
        f = f->chain;
    return f;
}

struct wf_node_run *core_step_in(const struct wf_state *s, const struct wf_frame *f, int node)
{
    if (node < 0 || node >= s->def->n_nodes)
        return NULL;
    if (s->def->nodes[node].parent != (f->cycle ? f->cycle->step->node : -1))
        return NULL;
    return &f->nodes[f->cycle ? s->def->nodes[node].place : node];
}

struct wf_frame *wf_core_frame(const struct wf_state *s, const struct wf_path *path)
{
    struct wf_frame *f = (struct wf_frame *)(uintptr_t)&s->root;

    for (int i = 0; f && i < path->depth; i++) {
        const struct wf_node_run *n = core_step_in(s, f, path->at[i].node);
        f = n && n->inside ? frame_of(n->inside, path->at[i].index) : NULL;
    }
    return f;
}

struct wf_node_run *wf_core_step(const struct wf_state *s, const struct wf_frame *f, int node)
{
    struct wf_node_run *n = NULL;

    for (f = f ? f : &s->root; f && !n; f = wf_frame_above(f))
        n = core_step_in(s, f, node);
    return n;
}

struct wf_frame *wf_core_frame_kept(const struct wf_state *s, const struct wf_path *path)
{
    struct wf_frame *f = (struct wf_frame *)(uintptr_t)&s->root;

    for (int i = 0; f && i < path->depth; i++) {
        const struct wf_node_run *n = core_step_in(s, f, path->at[i].node);
        f = n ? wf_core_turn(s, n, path->at[i].index) : NULL;
    }
    return f;
}

/* The outermost frame around @f, or @f, that is stopped. */
static struct wf_frame *stopped_top(struct wf_frame *f)
{
    struct wf_frame *top = NULL;

    for (; f; f = wf_frame_above(f))
        if (f->stopped)
            top = f;
    return top;
}

bool wf_frame_is_stopped(const struct wf_frame *f)
{
    return stopped_top((struct wf_frame *)(uintptr_t)f) != NULL;
}

struct wf_cycle *wf_core_lacks(const struct wf_frame *f)
{
    struct wf_cycle *lacks = NULL;

    for (; f && f->cycle; f = wf_frame_above(f))
        if (!f->cycle->rules.rounds && !f->cycle->items)
            lacks = f->cycle;
    return lacks;
}

void core_count_running(struct wf_frame *f, int change)
{
    for (; f; f = wf_frame_above(f))
        f->running += change;
}

/* ---- frames ---- */

/* @f lives: the state knows it, and its cycle. */
static void link_frame(struct wf_state *s, struct wf_frame *f)
{
    struct wf_frame **head = &f->cycle->table[(unsigned)f->index & f->cycle->mask];

    f->chain = *head;
    *head = f;
    f->cycle->live++;
    f->next = s->frames;
    if (s->frames)
        s->frames->prev = f;
    s->frames = f;
}

static void unlink_from_cycle(struct wf_frame *f)
{
    struct wf_frame **at = &f->cycle->table[(unsigned)f->index & f->cycle->mask];

    while (*at != f)
        at = &(*at)->chain;
    *at = f->chain;
    f->cycle->live--;
}

/* One that is asked for, or around those. */
static bool is_wanted(const struct wf_keep *k, const struct wf_frame *f)
{
    int depth = f->path.depth;
    bool asked = depth == k->in.depth + 1 && f->cycle->step->node == k->node &&
                 f->index >= k->from && f->index < k->to;

    if (!k->wanted || (!asked && depth > k->in.depth))
        return false;
    for (int i = 0; i < depth - asked; i++)
        if (f->path.at[i].node != k->in.at[i].node || f->path.at[i].index != k->in.at[i].index)
            return false;
    return true;
}

static void begin_frame(struct wf_state *s, struct wf_cycle *c)
{
    const struct wf_body *body = s->def->nodes[c->step->node].body;
    const struct wf_frame *above = c->step->frame;
    struct arena *a = arena_new(FRAME_MEMORY_MAX);
    struct wf_frame *f = arena_new_of(a, struct wf_frame);

    f->a = a;
    f->cycle = c;
    f->index = c->begun++;
    f->path = above->path;
    f->path.at[f->path.depth].node = c->step->node;
    f->path.at[f->path.depth++].index = f->index;
    f->nodes = arena_array(a, struct wf_node_run, body->n);
    f->left = body->n;
    for (int i = 0; i < body->n; i++) {
        struct wf_node_run *n = &f->nodes[i];
        n->node = body->nodes[i];
        n->frame = f;
        n->waiting_in = s->def->nodes[n->node].n_in;
    }
    if (c->rules.rounds && is_wanted(&s->keep, f))
        f->vars = core_vars_json(a, c, true);
    f->bytes = arena_used(a);
    s->frame_bytes += f->bytes;
    link_frame(s, f);
    for (int i = 0; i < body->n_starts; i++)
        core_push_ready(s, &f->nodes[s->def->nodes[body->starts[i]].place]);
}

/* Call fn(s, f) for each frame of @c that lives; it may end that one. */
static void each_frame(struct wf_state *s, struct wf_cycle *c,
                       void (*fn)(struct wf_state *s, struct wf_frame *f))
{
    for (unsigned i = 0; c->table && i <= c->mask; i++) {
        struct wf_frame *next;
        for (struct wf_frame *f = c->table[i]; f; f = next) {
            next = f->chain;
            fn(s, f);
        }
    }
}

static void unlink_from_state(struct wf_state *s, struct wf_frame *f)
{
    *(f->prev ? &f->prev->next : &s->frames) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->prev = f->next = NULL;
}

/* @f and all below it are over: they are freed with the next event. */
static void bury(struct wf_state *s, struct wf_frame *f)
{
    const struct wf_body *body = s->def->nodes[f->cycle->step->node].body;

    for (int i = 0; i < body->n; i++) {
        struct wf_cycle *c = f->nodes[i].inside;
        if (!c)
            continue;
        each_frame(s, c, bury); /* no deeper than WF_DEPTH_MAX */
        core_end_cycle(s, c);
        c->table = NULL;
    }
    unlink_from_state(s, f);
    if (is_wanted(&s->keep, f)) {
        f->next = s->keep.kept;
        s->keep.kept = f;
        return;
    }
    s->frame_bytes -= f->bytes;
    f->next = s->dead;
    s->dead = f;
}

void core_tidy(struct wf_state *s)
{
    while (s->dead) {
        struct wf_frame *f = s->dead;
        s->dead = f->next;
        arena_free(f->a);
    }
}

void core_free_frames(void *state)
{
    struct wf_state *s = state;

    core_tidy(s);
    s->dead = s->frames;
    s->frames = NULL;
    core_tidy(s);
    s->dead = s->keep.kept;
    s->keep.kept = NULL;
    core_tidy(s);
}

struct wf_frame *wf_core_turn(const struct wf_state *s, const struct wf_node_run *n, int index)
{
    if (!n->inside)
        return NULL;
    struct wf_frame *f = frame_of(n->inside, index);
    if (!f && n->inside->over && n->inside->over->index == index)
        f = n->inside->over;
    for (struct wf_frame *k = s->keep.kept; k && !f; k = k->next)
        if (k->cycle == n->inside && k->index == index)
            f = k;
    return f;
}

void core_end_cycle(struct wf_state *s, struct wf_cycle *c)
{
    core_vars_end(s, c);
    if (c->over)
        bury(s, c->over);
    c->over = NULL;
}

/* ---- stopping ---- */

static void stop_frame(struct wf_state *s, struct wf_frame *f);

/* Take what has not begun, or waits, out. */
static void drop(struct wf_state *s, struct wf_node_run *n)
{
    switch (n->state) {
    case WF_NODE_IDLE:
        if (n->queued)
            core_list_take(&s->ready, n);
        n->queued = false;
        return;
    case WF_NODE_RETRY:
        core_list_take(&s->retrying, n);
        n->state = WF_NODE_FAILED;
        return;
    case WF_NODE_WAITING:
        core_list_take(&s->waits, n);
        n->state = WF_NODE_SKIPPED;
        vec_push(s->a, &s->dropped, n);
        return;
    case WF_NODE_OPEN:
        if (n->queued)
            core_list_take(&s->settled, n);
        n->queued = false;
        each_frame(s, n->inside, stop_frame); /* no deeper than WF_DEPTH_MAX */
        return;
    default:
        return;
    }
}

/* Nothing begins in @f any more. */
static void stop_frame(struct wf_state *s, struct wf_frame *f)
{
    const struct wf_body *body = s->def->nodes[f->cycle->step->node].body;

    if (f->stopped)
        return;
    f->stopped = true;
    s->stops++;
    for (int i = 0; i < body->n; i++)
        drop(s, &f->nodes[i]);
}

/* ---- ends ---- */

/* There is something to decide about @c. */
static void push_settled(struct wf_state *s, struct wf_cycle *c)
{
    c->step->queued = true;
    core_list_add(&s->settled, c->step);
}

/* Results come in any order: there is room for the first @n. */
static void fill_results(struct wf_cycle *c, int n)
{
    while (json_len(c->results) < (size_t)n)
        json_push(c->a, c->results, NULL);
}

static void end_item(struct wf_state *s, struct wf_frame *f)
{
    struct wf_cycle *c = f->cycle;
    const struct json *output = f->failed || c->closing ? NULL : wf_core_output_of(f->a, s, f);

    c->done++;
    if (f->failed && c->rules.on_item_error == WF_ITEM_SKIP) {
        if (!c->skipped)
            c->skipped = arena_array(c->a, bool, c->count);
        c->skipped[f->index] = true;
    }
    if (output) {
        fill_results(c, f->index + 1);
        c->results->arr[f->index] = *json_dup(c->a, output);
    }
    if (!c->closing && c->begun < c->count)
        begin_frame(s, c);
}

static void end_frame(struct wf_state *s, struct wf_frame *f)
{
    struct wf_cycle *c = f->cycle;

    unlink_from_cycle(f);
    if (c->rules.rounds && !f->failed) {
        c->done++;
        c->over = f; /* what it gave is still asked for */
    } else {
        if (!c->rules.rounds)
            end_item(s, f);
        bury(s, f);
    }
    if (!c->live)
        push_settled(s, c);
}

void core_settle(struct wf_state *s, struct wf_frame *f)
{
    struct wf_frame *top = stopped_top(f);

    if (top)
        f = top;
    if (f->cycle && (top ? f->running == 0 : f->left == 0))
        end_frame(s, f);
}

static void end_if_quiet(struct wf_state *s, struct wf_frame *f)
{
    if (f->running == 0)
        end_frame(s, f);
}

/* ---- failures ---- */

static struct wf_error item_error(struct wf_state *s, const struct wf_node_run *n)
{
    const struct wf_cycle *c = n->frame->cycle;

    return (struct wf_error){str_dup(c->a, n->error.code),
                             str_fmt(c->a, "%s %d, node %.*s: %.*s",
                                     c->rules.rounds ? "Round" : "Item", n->frame->index,
                                     P(s->def->nodes[n->node].id), P(n->error.message))};
}

static void keep_error(struct wf_state *s, struct wf_cycle *c, const struct wf_node_run *n)
{
    if (!c->errors)
        c->errors = json_arr(c->a);
    if (json_len(c->errors) >= ERRORS_KEPT)
        return;
    struct wf_error e = {str_dup(c->a, n->error.code), str_dup(c->a, n->error.message)};
    json_push(c->a, c->errors,
              json_obj(c->a, "index", json_int(c->a, n->frame->index), "node",
                       json_str(c->a, s->def->nodes[n->node].id), "code", json_str(c->a, e.code),
                       "message", json_str(c->a, e.message), NULL));
}

void core_fail_in_body(struct wf_state *s, struct wf_node_run *n)
{
    struct wf_frame *f = n->frame;
    struct wf_cycle *c = f->cycle;

    if (wf_frame_is_stopped(f))
        return;
    f->failed = true;
    c->failed++;
    if (!c->rules.rounds)
        keep_error(s, c, n);
    stop_frame(s, f);
    if (!c->rules.rounds && c->rules.on_item_error != WF_ITEM_FAIL)
        return;
    c->closing = true;
    c->error = item_error(s, n);
    each_frame(s, c, stop_frame);
    /* The others that have nothing in flight end now; @f by whoever settles it. */
    f->running++;
    each_frame(s, c, end_if_quiet);
    f->running--;
}

void core_taken(struct wf_state *s, const struct wf_frame *f, const struct json *output)
{
    Id id;
    Str text = json_str_of(json_at(output, "id"), S(""));

    (void)s;
    if (!text.n || id_parse(text, &id) != OK)
        return;
    for (; f->cycle; f = wf_frame_above(f))
        vec_push(f->cycle->a, &f->cycle->taken, id);
}

/* ---- opening, rounds and closing ---- */

bool core_open(struct wf_state *s, struct wf_node_run *n, const struct json *data)
{
    const struct wf_node *node = &s->def->nodes[n->node];
    int64_t count = json_int_of(json_at(data, "count"), -1);
    struct arena *a = core_arena(s, n->frame);
    struct wf_cycle *c = arena_new_of(a, struct wf_cycle);

    if (count < 0 || count > WF_CYCLE_MAX || !node->body)
        return false;
    *c = (struct wf_cycle){.step = n, .a = a, .rules = node->cycle, .count = (int)count};
    int limit = c->rules.rounds ? 1 : c->rules.parallel;
    for (c->mask = 1; (int)c->mask < limit; c->mask = c->mask * 2 + 1)
        ;
    c->table = arena_array(a, struct wf_frame *, c->mask + 1);
    n->inside = c;
    n->state = WF_NODE_OPEN;
    if (c->rules.rounds) {
        core_vars_open(s, c, json_at(data, "vars"));
    } else {
        c->results = json_arr(a);
    }
    while (c->begun < c->count && c->begun < limit)
        begin_frame(s, c);
    if (!c->live)
        push_settled(s, c);
    return true;
}

bool core_round(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev)
{
    struct wf_cycle *c = n->inside;

    if (n->state != WF_NODE_OPEN || !c->over || c->ended_by.n)
        return false;
    struct wf_frame *over = c->over;
    bool again = str_eq(ev->handle, S("again")) && c->begun < c->count;
    if (!again)
        c->last = json_dup(c->a, wf_core_output_of(over->a, s, over));
    core_vars_change(s, c, ev->data);
    c->over = NULL;
    bury(s, over);
    if (again) {
        core_list_take(&s->settled, n);
        n->queued = false;
        begin_frame(s, c);
    } else {
        c->ended_by = str_eq(ev->handle, S("until")) ? S("until") : S("max_rounds");
    }
    return true;
}

/* What failed and is to be left out is taken out, the rest moves up. */
static void leave_out(struct wf_cycle *c)
{
    uint32_t n = 0;

    for (int i = 0; c->skipped && i < c->count; i++)
        if (!c->skipped[i])
            c->results->arr[n++] = c->results->arr[i];
    if (c->skipped)
        c->results->n = n;
    c->skipped = NULL;
}

struct json *core_cycle_output(struct wf_state *s, struct wf_node_run *n)
{
    struct wf_cycle *c = n->inside;
    struct arena *a = c->a;

    (void)s;
    if (c->rules.rounds)
        return json_obj(a, "rounds", json_int(a, c->done), "ended_by", json_str(a, c->ended_by),
                        "vars", core_vars_json(a, c, true), "last",
                        c->last ? (struct json *)(uintptr_t)c->last : json_null(a), NULL);
    fill_results(c, c->count);
    leave_out(c);
    return json_obj(a, "results", c->results, "count", json_int(a, c->count), "failed",
                    json_int(a, c->failed), "errors", c->errors ? c->errors : json_arr(a), NULL);
}

/* ---- what names in a body mean ---- */

struct json *wf_cycle_item(struct arena *a, const struct wf_cycle *c, int index)
{
    if (json_is(c->items, JSON_OBJ) && (size_t)index < json_len(c->items))
        return json_obj(a, "key", &c->items->obj[index].key, "value", &c->items->obj[index].val,
                        NULL);
    return json_item(c->items, (size_t)index);
}

struct json *wf_frame_json(struct arena *a, const struct wf_frame *f)
{
    const struct wf_cycle *c = f->cycle;

    if (c->rules.rounds)
        return json_obj(a, "index", json_int(a, f->index), "vars",
                        f->vars ? f->vars : core_vars_json(a, c, false), NULL);
    return json_obj(a, "item", wf_cycle_item(a, c, f->index), "index", json_int(a, f->index),
                    "count", json_int(a, c->count), NULL);
}

/* ---- the events that the caller records ---- */

void wf_core_open(struct arena *a, const struct wf_node_run *n, const struct wf_opening *opening,
                  struct wf_event *ret_event)
{
    struct json *data =
        json_obj(a, "count", json_int(a, opening->count), "vars", opening->vars, NULL);

    *ret_event = (struct wf_event){.kind = WF_EV_STEP_OPENED,
                                   .node = n->node,
                                   .in = n->frame->path,
                                   .attempt = 1,
                                   .data = data};
}

void wf_core_round(struct arena *a, const struct wf_node_run *n, const struct wf_round *round,
                   struct wf_event *ret_event)
{
    const struct wf_cycle *c = n->inside;

    *ret_event = (struct wf_event){
        .kind = WF_EV_STEP_ROUND,
        .node = n->node,
        .in = n->frame->path,
        .attempt = 1,
        .handle = round->over            ? S("until")
                  : c->begun == c->count ? S("max_rounds")
                                         : S("again"),
        .data = round->set || round->append
                    ? json_obj(a, "set", round->set, "append", round->append, NULL)
                    : NULL};
}

void wf_core_close(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                   struct wf_event *ret_event)
{
    if (n->inside->closing)
        wf_core_give_up(a, s, n, 1, n->inside->error, ret_event);
    else
        *ret_event = (struct wf_event){
            .kind = WF_EV_STEP_FINISHED, .node = n->node, .in = n->frame->path, .attempt = 1};
}
