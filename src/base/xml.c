/* src/base/xml.c - see xml.h. A pull parser: nothing is built, nothing recurses. */
#include "base/xml.h"

#include "base/utf8.h"

enum { ENTITY_MAX = 12 }; /* "&#x0010FFFF;" */

enum event { START, END, TEXT, CDATA };

static Err bad(const char *what)
{
    return err_detail(E_SYNTAX, "The XML cannot be read: %s.", what);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
    return !is_space(c) && !strchr("<>/=\"'&", c);
}

static void skip_space(Str *s)
{
    while (s->n && is_space(s->p[0]))
        *s = str_skip(*s, 1);
}

/* What stands before @end, which is passed, too. */
static Err until(struct xml *x, size_t skip, Str end, Str *ret_text)
{
    Str s = str_skip(x->rest, skip);
    size_t at = str_find(s, end);

    if (at == SIZE_MAX)
        return bad("it ends in the middle of a mark");
    *ret_text = str_head(s, at);
    x->rest = str_skip(s, at + end.n);
    return OK;
}

static Err take_name(Str *s, Str *ret_name)
{
    size_t n = 0;

    while (n < s->n && is_name(s->p[n]))
        n++;
    if (!n || s->p[n - 1] == ':')
        return bad("an element or an attribute has no name");
    *ret_name = str_head(*s, n);
    *s = str_skip(*s, n);
    return OK;
}

static Err skip_attribute(Str *s)
{
    Str name;

    TRY(take_name(s, &name));
    skip_space(s);
    if (!str_starts(*s, S("=")))
        return bad("an attribute has no value");
    *s = str_skip(*s, 1);
    skip_space(s);
    if (!s->n || (s->p[0] != '"' && s->p[0] != '\''))
        return bad("a value has no quotes");
    size_t end = str_find_char(str_skip(*s, 1), s->p[0]);
    if (end == SIZE_MAX)
        return bad("a value does not end");
    *s = str_skip(*s, end + 2);
    return OK;
}

static Err start_tag(struct xml *x, Str *ret_name)
{
    Str s = str_skip(x->rest, 1), name;

    TRY(take_name(&s, &name));
    for (skip_space(&s); s.n && s.p[0] != '>' && s.p[0] != '/'; skip_space(&s))
        TRY(skip_attribute(&s));
    x->ends = str_starts(s, S("/"));
    s = str_skip(s, x->ends);
    if (!str_starts(s, S(">")))
        return bad("a mark does not end");
    if (x->depth == XML_DEPTH_MAX)
        return bad("it nests too deep");
    x->rest = str_skip(s, 1);
    x->open[x->depth++] = name;
    *ret_name = name;
    return OK;
}

static Err end_tag(struct xml *x)
{
    Str s = str_skip(x->rest, 2), name;

    TRY(take_name(&s, &name));
    skip_space(&s);
    if (!str_starts(s, S(">")))
        return bad("a mark does not end");
    if (!str_eq(name, x->open[x->depth - 1]))
        return bad("an element ends that is not open");
    x->rest = str_skip(s, 1);
    x->depth--;
    return OK;
}

/* In an element: what comes next. */
static Err next(struct xml *x, enum event *ret_event, Str *ret_text)
{
    for (;;) {
        if (x->ends) {
            x->ends = false;
            x->depth--;
            *ret_event = END;
            return OK;
        }
        if (!x->rest.n)
            return bad("it ends in the middle");
        if (x->rest.p[0] != '<') {
            size_t n = str_find_char(x->rest, '<');
            *ret_text = str_head(x->rest, n);
            x->rest = str_skip(x->rest, n);
            *ret_event = TEXT;
            return OK;
        }
        if (str_starts(x->rest, S("<!--"))) {
            TRY(until(x, 4, S("-->"), ret_text));
        } else if (str_starts(x->rest, S("<?"))) {
            TRY(until(x, 2, S("?>"), ret_text));
        } else if (str_starts(x->rest, S("<![CDATA["))) {
            *ret_event = CDATA;
            return until(x, 9, S("]]>"), ret_text);
        } else if (str_starts(x->rest, S("</"))) {
            *ret_event = END;
            return end_tag(x);
        } else {
            *ret_event = START;
            return start_tag(x, ret_text);
        }
    }
}

/* Without the prefix of its namespace. */
static Str local(Str name)
{
    size_t at = str_find_char(name, ':');
    return at == SIZE_MAX ? name : str_skip(name, at + 1);
}

Err xml_begin(struct xml *x, struct arena *a, Str text, Str root)
{
    Str name;

    *x = (struct xml){.a = a, .rest = text};
    if (!utf8_valid(text) || str_find_char(text, 0) != SIZE_MAX)
        return bad("it is not UTF-8");
    if (str_starts(text, S("\xef\xbb\xbf")))
        x->rest = str_skip(text, 3);
    for (;;) {
        skip_space(&x->rest);
        if (str_starts(x->rest, S("<?")))
            TRY(until(x, 2, S("?>"), &name));
        else if (str_starts(x->rest, S("<!--")))
            TRY(until(x, 4, S("-->"), &name));
        else
            break;
    }
    if (str_starts(x->rest, S("<!")))
        return bad("a document type is not taken");
    if (!str_starts(x->rest, S("<")))
        return bad("it is none");
    TRY(start_tag(x, &name));
    if (!str_eq(local(name), root))
        return err_detail(E_SYNTAX, "The XML is a \"%.*s\", not a \"%.*s\".", P(str_head(name, 40)),
                          P(root));
    return OK;
}

bool xml_child(struct xml *x, Str *ret_name, Err *ret_err)
{
    enum event event = TEXT;
    Str text = S("");
    Err e = OK;

    while (e == OK && (event == TEXT || event == CDATA))
        e = next(x, &event, &text);
    *ret_err = e;
    if (e != OK || event == END)
        return false;
    *ret_name = local(text);
    return true;
}

/* ---- texts ---- */

static Err number_of(Str digits, uint32_t *ret_c)
{
    uint32_t base = str_starts(digits, S("x")) ? 16 : 10, c = 0;

    digits = str_skip(digits, base == 16);
    for (size_t i = 0; i < digits.n; i++) {
        char d = digits.p[i];
        uint32_t v = d >= '0' && d <= '9'   ? (uint32_t)(d - '0')
                     : d >= 'a' && d <= 'f' ? (uint32_t)(d - 'a' + 10)
                     : d >= 'A' && d <= 'F' ? (uint32_t)(d - 'A' + 10)
                                            : 16;
        if (v >= base || (c = c * base + v) > 0x10ffff)
            return bad("a number of a character is none");
    }
    if (!digits.n || !c || (c >= 0xd800 && c < 0xe000))
        return bad("a number of a character is none");
    *ret_c = c;
    return OK;
}

/* The entity at the start of @s into @out; how long it is, and what it stands for. */
static Err entity(Str s, char *out, size_t *ret_used, size_t *ret_n)
{
    static const struct {
        Str name;
        uint32_t c;
    } known[] = {{S_INIT("lt"), '<'},
                 {S_INIT("gt"), '>'},
                 {S_INIT("amp"), '&'},
                 {S_INIT("quot"), '"'},
                 {S_INIT("apos"), '\''}};
    size_t end = str_find_char(str_head(s, ENTITY_MAX), ';');
    uint32_t c = 0;

    if (end == SIZE_MAX)
        return bad("an entity does not end");
    Str name = (Str){s.p + 1, end - 1};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(name, known[i].name))
            c = known[i].c;
    if (!c && !str_starts(name, S("#")))
        return bad("an entity is not known");
    if (!c)
        TRY(number_of(str_skip(name, 1), &c));
    *ret_used = end + 1;
    *ret_n = utf8_encode(c, out);
    return OK;
}

/* Into @out, which has room for @s: an entity is never shorter than what it stands for. */
static Err decode(Str s, char *out, size_t *ret_n)
{
    size_t n = 0;

    while (s.n) {
        size_t plain = str_find_char(s, '&'), used = 0, len = 0;
        plain = plain == SIZE_MAX ? s.n : plain;
        memcpy(out + n, s.p, plain);
        n += plain;
        s = str_skip(s, plain);
        if (!s.n)
            break;
        TRY(entity(s, out + n, &used, &len));
        n += len;
        s = str_skip(s, used);
    }
    *ret_n = n;
    return OK;
}

/* How many bytes of the document there are until the end of the open element. */
static Err left(const struct xml *x, size_t *ret_n)
{
    struct xml ahead = *x;

    TRY(xml_skip(&ahead));
    *ret_n = x->rest.n - ahead.rest.n;
    return OK;
}

/* @piece behind *text, which is a piece of the document, or stands in *room with all that follows
 * in its element. */
static Err add(struct xml *x, Str piece, bool plain, Str *text, char **room)
{
    size_t n = piece.n;

    if (!text->n && (plain || str_find_char(piece, '&') == SIZE_MAX)) {
        *text = piece;
        return OK;
    }
    if (!*room) {
        TRY(left(x, &n));
        *room = arena_bytes(x->a, text->n + piece.n + n);
        memcpy(*room, text->p, text->n);
        n = piece.n;
    }
    if (plain)
        memcpy(*room + text->n, piece.p, piece.n);
    else
        TRY(decode(piece, *room + text->n, &n));
    *text = (Str){*room, text->n + n};
    return OK;
}

Err xml_text(struct xml *x, Str *ret_text)
{
    int depth = x->depth;
    Str text = S(""), piece;
    char *room = NULL;

    while (x->depth >= depth) {
        enum event event;
        TRY(next(x, &event, &piece));
        if ((event == TEXT || event == CDATA) && x->depth == depth && piece.n)
            TRY(add(x, piece, event == CDATA, &text, &room));
    }
    *ret_text = text;
    return OK;
}

Err xml_skip(struct xml *x)
{
    int depth = x->depth;
    enum event event;
    Str piece;

    while (x->depth >= depth)
        TRY(next(x, &event, &piece));
    return OK;
}
