/* src/llm/talk.c - see talk.h. */
#include "llm/talk.h"

#include <stdio.h>

/* ---- ids ---- */

static const Str response_mark = S_INIT("resp_");
enum { HEX = 32, INDEX_HEX = 4, ID_MAX = 48 };

static void write_hex(char out[HEX], Id id)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof id.b; i++) {
        out[2 * i] = digits[id.b[i] >> 4];
        out[2 * i + 1] = digits[id.b[i] & 15];
    }
}

Str llm_response_id(struct arena *a, Id id)
{
    char hex[HEX];

    write_hex(hex, id);
    return str_fmt(a, "%.*s%.*s", P(response_mark), HEX, hex);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(Str text, Id *ret_id)
{
    Id id;

    for (size_t i = 0; i < sizeof id.b; i++) {
        int high = digit_of(text.p[2 * i]), low = digit_of(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        id.b[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}

bool llm_response_id_parse(Str text, Id *ret_id)
{
    return text.n == response_mark.n + HEX && str_starts(text, response_mark) &&
           read_hex(str_skip(text, response_mark.n), ret_id);
}

bool llm_item_id_parse(Str text, Id *ret_response, unsigned *ret_index)
{
    Str head, rest = str_cut(text, '_', &head);
    unsigned index = 0;

    if (rest.n != HEX + INDEX_HEX || !read_hex(rest, ret_response))
        return false;
    for (size_t i = HEX; i < rest.n; i++) {
        int d = digit_of(rest.p[i]);
        if (d < 0)
            return false;
        index = index * 16 + (unsigned)d;
    }
    *ret_index = index;
    return true;
}

/* ---- items as they are sent again ---- */

static void comma(struct buf *list)
{
    if (list->n && list->p[list->n - 1] != '[')
        buf_add_char(list, ',');
}

static void add_text(Str json_text_of_it, struct buf *list)
{
    comma(list);
    buf_add_c(list, "{\"type\":\"message\",\"role\":\"user\",\"content\":");
    buf_add(list, json_text_of_it);
    buf_add_char(list, '}');
}

/* What a model thought is of use to somebody only when it is sealed. */
static bool is_worth_sending(const struct json *item)
{
    return !str_eq(json_str_of(json_at(item, "type"), S("")), S("reasoning")) ||
           json_str_of(json_at(item, "encrypted_content"), S("")).n;
}

static void add_items(const struct json *items, struct buf *list)
{
    for (size_t i = 0; i < json_len(items); i++) {
        struct json *item = json_item(items, i);
        if (!json_is(item, JSON_OBJ) || !is_worth_sending(item))
            continue;
        (void)json_remove(item, S("id")); /* if it is there */
        (void)json_remove(item, S("status"));
        comma(list);
        json_write(list, item);
    }
}

Err llm_talk_add(struct arena *work, Str turn, struct buf *list)
{
    AUTO_BUF(text, MIB(64));
    struct json *v;

    arena_reset(work);
    if (json_parse(work, turn, &v) != OK)
        return err_set(E_CORRUPT, "a turn that was kept is no JSON");
    const struct json *input = json_at(v, "input");
    if (json_is(input, JSON_STR)) {
        json_write(&text, input);
        add_text(buf_str(&text), list);
    } else {
        add_items(input, list);
    }
    add_items(json_at(json_at(v, "response"), "output"), list);
    if (text.failed)
        return buf_ok(&text);
    return buf_ok(list);
}

Err llm_talk_add_input(Str input, struct buf *list)
{
    input = str_trim(input);
    if (str_starts(input, S("\""))) {
        add_text(input, list);
        return buf_ok(list);
    }
    if (!str_starts(input, S("[")) || !str_ends(input, S("]")))
        return err_detail(E_BAD_INPUT, "\"input\" must be a string or a list of items.");
    Str inner = str_trim(str_from(input.p + 1, input.n - 2));
    if (inner.n) {
        comma(list);
        buf_add(list, inner);
    }
    return buf_ok(list);
}

/* ---- items as they are shown ---- */

static const char *prefix_of(const struct json *item)
{
    static const struct {
        Str type;
        const char *prefix;
    } rows[] = {{S_INIT("function_call"), "fc_"},
                {S_INIT("function_call_output"), "fco_"},
                {S_INIT("reasoning"), "rs_"}};
    Str type = json_str_of(json_at(item, "type"), S("message"));

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(type, rows[i].type))
            return rows[i].prefix;
    return "msg_";
}

struct shown {
    const struct json *item; /* NULL: the text of a user */
    const struct json *text;
    char id[ID_MAX];
    Str own_id; /* of an answer */
};

/* Items of a client have ids by their place, from 0x8000 on; those of an answer have their own. */
static Str id_of(struct shown *s, Id response, size_t i)
{
    char hex[HEX];

    if (s->own_id.n)
        return s->own_id;
    write_hex(hex, response);
    int n = snprintf(s->id, sizeof s->id, "%s%.*s%04x", prefix_of(s->item), HEX, hex,
                     0x8000U | (unsigned)(i & 0x7fff));
    return str_from(s->id, (size_t)n);
}

static size_t count_in(const struct json *turn)
{
    const struct json *input = json_at(turn, "input");

    return json_is(input, JSON_ARR) ? json_len(input) : json_is(input, JSON_STR);
}

static size_t count_out(const struct json *turn)
{
    return json_len(json_at(json_at(turn, "response"), "output"));
}

static struct shown item_at(const struct json *turn, size_t i)
{
    const struct json *input = json_at(turn, "input");
    size_t n = count_in(turn);
    struct shown s = {0};

    if (i >= n) {
        s.item = json_item(json_at(json_at(turn, "response"), "output"), i - n);
        s.own_id = json_str_of(json_at(s.item, "id"), S(""));
    } else if (json_is(input, JSON_STR)) {
        s.text = input;
    } else {
        s.item = json_item(input, i);
    }
    return s;
}

/* The content of a message is always shown as a list. */
static void write_content(struct buf *b, const struct json *content, bool said)
{
    if (!json_is(content, JSON_STR)) {
        json_write(b, content);
        return;
    }
    buf_add_fmt(b, "[{\"type\":\"%s\",\"text\":", said ? "output_text" : "input_text");
    json_write(b, content);
    buf_add_c(b, "}]");
}

static void write_shown(struct buf *b, struct shown *s, Id response, size_t i)
{
    bool said = str_eq(json_str_of(json_at(s->item, "role"), S("")), S("assistant"));

    buf_add_c(b, "{\"id\":");
    json_write_str(b, id_of(s, response, i));
    if (!json_at(s->item, "type"))
        buf_add_c(b, ",\"type\":\"message\"");
    if (!json_at(s->item, "status") && !str_starts(id_of(s, response, i), S("rs_")))
        buf_add_c(b, ",\"status\":\"completed\"");
    if (!s->item) {
        buf_add_c(b, ",\"role\":\"user\",\"content\":");
        write_content(b, s->text, false);
    }
    for (size_t k = 0; s->item && k < json_len(s->item); k++) {
        const struct json_member *m = &s->item->obj[k];
        Str name = json_str_of(&m->key, S(""));
        if (str_eq(name, S("id")))
            continue;
        buf_add_char(b, ',');
        json_write_str(b, name);
        buf_add_char(b, ':');
        if (str_eq(name, S("content")))
            write_content(b, &m->val, said);
        else
            json_write(b, &m->val);
    }
    buf_add_char(b, '}');
}

/* ---- items that are named ---- */

static bool refers(const struct json *item, Id *ret_response, unsigned *ret_index)
{
    return str_eq(json_str_of(json_at(item, "type"), S("")), S("item_reference")) &&
           llm_item_id_parse(json_str_of(json_at(item, "id"), S("")), ret_response, ret_index);
}

void llm_talk_refs(const struct json *list, Id *ids, size_t max, size_t *ret_n)
{
    size_t n = 0;
    unsigned index;
    Id id;

    for (size_t i = 0; i < json_len(list) && n <= max; i++) {
        if (!refers(json_item(list, i), &id, &index))
            continue;
        size_t k = 0;
        while (k < n && k < max && !id_eq(ids[k], id))
            k++;
        if (k == n && n < max)
            ids[n] = id;
        n += k == n;
    }
    *ret_n = n;
}

/* The item at @index: of the client, or of the answer. */
static struct json *named_item(struct json *turn, unsigned index)
{
    bool own = index >= 0x8000U;
    struct json *input = json_at(turn, "input");

    if (own && json_is(input, JSON_STR))
        return NULL;
    return own ? json_item(input, index & 0x7fff)
               : json_item(json_at(json_at(turn, "response"), "output"), index);
}

static Err resolve_one(struct arena *work, Id id, unsigned index, struct json **trees,
                       const struct llm_talk_turn *turns, size_t n, struct json **ret_item)
{
    size_t k = 0;

    *ret_item = NULL;
    while (k < n && !id_eq(turns[k].id, id))
        k++;
    if (k == n)
        return OK;
    if (!trees[k])
        TRY(json_parse(work, turns[k].text, &trees[k]));
    *ret_item = named_item(trees[k], index);
    return OK;
}

Err llm_talk_resolve(struct arena *work, const struct json *list, const struct llm_talk_turn *turns,
                     size_t n, struct buf *out, Str *ret_gone)
{
    struct json **trees = arena_array(work, struct json *, n + 1), *found;
    unsigned index;
    Id id;

    buf_add_char(out, '[');
    for (size_t i = 0; i < json_len(list); i++) {
        struct json *item = json_item(list, i);
        if (!refers(item, &id, &index)) {
            comma(out);
            json_write(out, item);
            continue;
        }
        TRY(resolve_one(work, id, index, trees, turns, n, &found));
        if (!json_is(found, JSON_OBJ)) {
            *ret_gone = json_str_of(json_at(item, "id"), S(""));
            return err_set(E_NOT_FOUND, "an item that is not there");
        }
        (void)json_remove(found, S("id"));
        (void)json_remove(found, S("status"));
        if (!is_worth_sending(found))
            continue;
        comma(out);
        json_write(out, found);
    }
    buf_add_char(out, ']');
    return buf_ok(out);
}

/* ---- pages ---- */

/* The place behind which a page begins: that of the item @after, or none. */
static Err survey(struct arena *work, const struct llm_talk_turn *turns, size_t n, Str after,
                  size_t *ret_total, size_t *ret_after)
{
    size_t total = 0, found = SIZE_MAX;
    struct json *v;

    for (size_t k = 0; k < n; k++) {
        arena_reset(work);
        if (json_parse(work, turns[k].text, &v) != OK)
            return err_set(E_CORRUPT, "a turn that was kept is no JSON");
        size_t here = count_in(v) + (k + 1 < n ? count_out(v) : 0);
        for (size_t i = 0; after.n && i < here; i++) {
            struct shown s = item_at(v, i);
            if (str_eq(id_of(&s, turns[k].id, i), after))
                found = total + i;
        }
        total += here;
    }
    *ret_total = total;
    *ret_after = found;
    return OK;
}

/* The items from @from to @to, each at its place in @pieces. */
static Err write_range(struct arena *work, const struct llm_talk_turn *turns, size_t n, size_t from,
                       size_t to, struct buf *text, size_t *ends)
{
    size_t at = 0, k = 0;
    struct json *v;

    for (size_t t = 0; t < n && at < to; t++) {
        arena_reset(work);
        if (json_parse(work, turns[t].text, &v) != OK)
            return err_set(E_CORRUPT, "a turn that was kept is no JSON");
        size_t here = count_in(v) + (t + 1 < n ? count_out(v) : 0);
        for (size_t i = 0; i < here; i++) {
            if (at + i < from || at + i >= to)
                continue;
            struct shown s = item_at(v, i);
            write_shown(text, &s, turns[t].id, i);
            ends[k++] = text->n;
        }
        at += here;
    }
    return buf_ok(text);
}

static Str piece_at(const struct buf *text, const size_t *ends, size_t i)
{
    size_t from = i ? ends[i - 1] : 0;

    return str_from(text->p + from, ends[i] - from);
}

/* {"id":"X",... */
static Str id_in(Str piece)
{
    Str id;

    (void)str_cut(str_skip(piece, S("{\"id\":\"").n), '"', &id);
    return id;
}

static void write_end(struct buf *out, const char *name, Str piece)
{
    buf_add_fmt(out, ",\"%s\":", name);
    if (piece.n)
        buf_add_fmt(out, "\"%.*s\"", P(id_in(piece)));
    else
        buf_add_c(out, "null");
}

Err llm_talk_page(struct arena *work, const struct llm_talk_turn *turns, size_t n,
                  const struct llm_talk_range *range, struct buf *out)
{
    AUTO_BUF(text, MIB(64));
    size_t ends[LLM_TALK_PAGE_MAX], total = 0, after = SIZE_MAX, from, to;
    Str first = S(""), last = S("");

    TRY(survey(work, turns, n, range->after, &total, &after));
    if (range->newest_first) {
        to = after < total ? after : total;
        from = to > range->limit ? to - range->limit : 0;
    } else {
        from = after < total ? after + 1 : 0;
        to = total - from > range->limit ? from + range->limit : total;
    }
    TRY(write_range(work, turns, n, from, to, &text, ends));
    buf_add_c(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < to - from; i++) {
        last = piece_at(&text, ends, range->newest_first ? to - from - 1 - i : i);
        first = i ? first : last;
        buf_add_c(out, i ? "," : "");
        buf_add(out, last);
    }
    buf_add_char(out, ']');
    write_end(out, "first_id", first);
    write_end(out, "last_id", last);
    bool more = range->newest_first ? from > 0 : to < total;
    buf_add_fmt(out, ",\"has_more\":%s}", more ? "true" : "false");
    return buf_ok(out);
}
