/* src/llm/body.c - finding and changing a few members of a JSON object without building it. */
#include "llm/body.h"

#include "base/json.h"
#include "base/json_scan.h"

enum state {
    AT_ROOT,      /* the outermost object has not begun */
    AT_VALUE,     /* a value must follow */
    AT_ITEM,      /* behind "[": a value or "]" */
    AT_FIRST_KEY, /* behind "{": a name or "}" */
    AT_KEY,       /* behind "," in an object */
    AT_COLON,
    AT_NEXT, /* behind a value: "," or an end */
    IN_STRING,
    IN_ESCAPE,
    IN_NUMBER,
    IN_WORD,
    AT_END,
};

void llm_scan_init(struct llm_scan *s, struct llm_member *members, size_t n)
{
    memset(s, 0, offsetof(struct llm_scan, key));
    s->members = members;
    s->n_members = n;
    for (size_t i = 0; i < n; i++)
        members[i].from = members[i].to = 0;
}

static Err broken(const struct llm_scan *s, size_t at)
{
    return err_detail(E_SYNTAX, "The body is not valid JSON: byte %zu is not what may stand there.",
                      s->at + at + 1);
}

static bool in_object(const struct llm_scan *s)
{
    unsigned level = s->depth - 1;
    return s->objects[level / 64] >> (level % 64) & 1;
}

static Err enter(struct llm_scan *s, bool object)
{
    if (s->depth == LLM_SCAN_DEPTH)
        return err_detail(E_TOO_LARGE, "The body is nested deeper than %d levels.", LLM_SCAN_DEPTH);
    uint64_t bit = (uint64_t)1 << (s->depth % 64);
    uint64_t *word = &s->objects[s->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    s->depth++;
    s->state = object ? AT_FIRST_KEY : AT_ITEM;
    return OK;
}

/* A value has ended before the byte @end. */
static void value_done(struct llm_scan *s, size_t end)
{
    s->state = s->depth ? AT_NEXT : AT_END;
    if (s->depth == 1 && s->open) {
        s->open->to = end;
        s->open = NULL;
    }
}

static Err leave(struct llm_scan *s, bool object, size_t at)
{
    if (s->depth == 0 || in_object(s) != object)
        return broken(s, at);
    s->depth--;
    value_done(s, s->at + at + 1);
    return OK;
}

/* ---- names ---- */

static void key_add(struct llm_scan *s, const char *p, size_t n)
{
    if (!s->in_key || s->depth != 1)
        return;
    for (size_t i = 0; i < n && s->key_n < LLM_SCAN_KEY; i++)
        s->key[s->key_n++] = p[i];
}

static Err key_match(struct llm_scan *s, Str key)
{
    for (size_t i = 0; i < s->n_members; i++) {
        struct llm_member *m = &s->members[i];
        if (!str_eq(key, m->name))
            continue;
        if (m->to)
            return err_detail(E_BAD_INPUT, "The body has \"%.*s\" twice.", P(m->name));
        s->open = m;
        return OK;
    }
    return OK;
}

/* "mod\u0065l" is "model". A name that does not fit into the key is longer than any wanted one. */
static Err key_done(struct llm_scan *s)
{
    s->in_key = false;
    s->state = AT_COLON;
    if (s->depth != 1 || s->key_n == LLM_SCAN_KEY)
        return OK;
    if (!s->key_escaped)
        return key_match(s, str_from(s->key, s->key_n));
    AUTO(arena) *a = arena_new(KIB(8));
    struct json *v;
    Str text = str_fmt(a, "\"%.*s\"", (int)s->key_n, s->key);
    if (json_parse(a, text, &v) != OK)
        return err_detail(E_SYNTAX, "The body is not valid JSON: a name has a bad escape.");
    return key_match(s, json_str_of(v, S("")));
}

/* ---- bytes ---- */

static bool is_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static Err begin_value(struct llm_scan *s, char c, size_t at)
{
    if (s->depth == 1 && s->open)
        s->open->from = s->at + at;
    switch (c) {
    case '{':
    case '[':
        return enter(s, c == '{');
    case '"':
        s->state = IN_STRING;
        return OK;
    case 't':
    case 'f':
    case 'n':
        s->state = IN_WORD;
        s->word[0] = c;
        s->word_n = 1;
        return OK;
    default:
        if (c != '-' && !(c >= '0' && c <= '9'))
            return broken(s, at);
        s->state = IN_NUMBER;
        return OK;
    }
}

/* One byte between values. */
static Err structure(struct llm_scan *s, char c, size_t at)
{
    switch ((enum state)s->state) {
    case AT_ROOT:
        if (c != '{')
            return err_detail(E_BAD_INPUT, "The body must be a JSON object.");
        return enter(s, true);
    case AT_ITEM:
        if (c == ']')
            return leave(s, false, at);
        return begin_value(s, c, at);
    case AT_VALUE:
        return begin_value(s, c, at);
    case AT_FIRST_KEY:
        if (c == '}')
            return leave(s, true, at);
        [[fallthrough]];
    case AT_KEY:
        if (c != '"')
            return broken(s, at);
        s->state = IN_STRING;
        s->in_key = true;
        s->key_escaped = false;
        s->key_n = 0;
        return OK;
    case AT_COLON:
        if (c != ':')
            return broken(s, at);
        s->state = AT_VALUE;
        return OK;
    case AT_NEXT:
        if (c != ',')
            return c == '}' || c == ']' ? leave(s, c == '}', at) : broken(s, at);
        s->state = in_object(s) ? AT_KEY : AT_VALUE;
        return OK;
    default:
        return broken(s, at);
    }
}

/* The inside of a string from @at on; gives where to go on. */
static Err string(struct llm_scan *s, Str piece, size_t *at)
{
    const char *p = piece.p + *at, *end = piece.p + piece.n;
    /* Texts are full of escapes; in names they are looked at. */
    const char *stop = s->in_key ? json_scan(p, end, true) : json_scan_text(p, end);

    key_add(s, p, (size_t)(stop - p));
    *at = (size_t)(stop - piece.p);
    if (stop == end)
        return OK;
    ++*at;
    if (*stop == '\\') {
        key_add(s, stop, 1);
        s->key_escaped = true;
        s->state = IN_ESCAPE;
        return OK;
    }
    if (*stop != '"')
        return broken(s, *at - 1);
    if (s->in_key)
        return key_done(s);
    value_done(s, s->at + *at);
    return OK;
}

static Err word(struct llm_scan *s, char c, size_t at)
{
    static const Str words[] = {S_INIT("true"), S_INIT("false"), S_INIT("null")};

    s->word[s->word_n++] = c;
    Str seen = str_from(s->word, s->word_n);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(seen, words[i])) {
            value_done(s, s->at + at + 1);
            return OK;
        }
        if (str_starts(words[i], seen))
            return OK;
    }
    return broken(s, at);
}

Err llm_scan_feed(struct llm_scan *s, Str piece)
{
    size_t at = 0;

    while (at < piece.n) {
        char c = piece.p[at];
        if (s->state == IN_STRING) {
            TRY(string(s, piece, &at));
            continue;
        }
        if (s->state == IN_NUMBER) {
            if (is_number(c)) {
                at++;
                continue;
            }
            value_done(s, s->at + at);
        }
        if (s->state == IN_ESCAPE) {
            key_add(s, &c, 1);
            s->state = IN_STRING;
        } else if (s->state == IN_WORD) {
            TRY(word(s, c, at));
        } else if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            TRY(structure(s, c, at));
        }
        at++;
    }
    s->at += piece.n;
    return OK;
}

Err llm_scan_end(struct llm_scan *s)
{
    if (s->state == AT_END)
        return OK;
    if (s->state == AT_ROOT)
        return err_detail(E_BAD_INPUT, "The body must be a JSON object; it is empty.");
    return err_detail(E_SYNTAX, "The body is not valid JSON: it ends too early.");
}

Err llm_scan_text(Str text, struct llm_member *members, size_t n)
{
    struct llm_scan s;

    llm_scan_init(&s, members, n);
    TRY(llm_scan_feed(&s, text));
    return llm_scan_end(&s);
}

void llm_body_edit(Str body, const struct llm_edit *edits, size_t n, struct buf *out)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        buf_add(out, str_from(body.p + at, edits[i].from - at));
        buf_add(out, edits[i].with);
        at = edits[i].to;
    }
    buf_add(out, str_skip(body, at));
}
