/* src/net/imap_parse.c - see imap_parse.h. */
#include "net/imap_parse.h"

#include "base/buf.h"
#include "base/crypto.h"
#include "base/utf8.h"
#include "net/mime.h"

enum { LIST_DEPTH_MAX = 32 };

static Err broken(const char *what)
{
    return err_detail(E_SYNTAX, "The server's answer is not IMAP: %s.", what);
}

/* ---- words ---- */

static Str take_word(Str s, Str *ret_word)
{
    Str rest = str_cut(s, ' ', ret_word);
    return rest.p ? rest : str_from(s.p + s.n, 0);
}

bool imap_has_word(Str list, Str word)
{
    Str w;

    for (Str rest = list; rest.n;) {
        rest = take_word(rest, &w);
        if (str_eq_nocase(w, word))
            return true;
    }
    return false;
}

static bool status_of(Str word, enum imap_status *ret_status)
{
    static const Str names[] = {S_INIT("OK"), S_INIT("NO"), S_INIT("BAD"), S_INIT("BYE"),
                                S_INIT("PREAUTH")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(word, names[i])) {
            *ret_status = (enum imap_status)i;
            return true;
        }
    return false;
}

bool imap_literal(Str line, bool first, uint64_t *ret_size)
{
    enum imap_status status;
    Str word;

    if (first) { /* words for people may end like one */
        Str rest = take_word(line, &word);
        if (!str_eq(word, S("*")))
            return false;
        (void)take_word(rest, &word);
        if (status_of(word, &status))
            return false;
    }
    if (line.n < 3 || line.p[line.n - 1] != '}')
        return false;
    line.n--;
    if (line.p[line.n - 1] == '+')
        line.n--;
    size_t n = line.n;
    while (n && line.p[n - 1] >= '0' && line.p[n - 1] <= '9')
        n--;
    return n && n < line.n && line.p[n - 1] == '{' && str_to_u64(str_skip(line, n), ret_size) == OK;
}

/* ---- values of a FETCH ---- */

static Str skip_spaces(Str s)
{
    while (s.n && *s.p == ' ')
        s = str_skip(s, 1);
    return s;
}

/* A string: quoted (as it stands between the quotes), literal, or an atom; NIL is empty. */
static Err take_string(Str s, Str *ret_string, Str *ret_rest)
{
    uint64_t size;
    size_t n = 0;

    if (s.n && *s.p == '"') {
        for (n = 1; n < s.n && s.p[n] != '"'; n++)
            if (s.p[n] == '\\')
                n++;
        if (n >= s.n)
            return broken("a quoted string does not end");
        *ret_string = str_from(s.p + 1, n - 1);
        *ret_rest = str_skip(s, n + 1);
        return OK;
    }
    if (s.n && *s.p == '~')
        s = str_skip(s, 1);
    if (s.n && *s.p == '{') {
        size_t end = str_find(s, S("}\r\n"));
        if (end == SIZE_MAX)
            return broken("a literal has no size");
        Str digits = str_from(s.p + 1, end - 1);
        if (str_ends(digits, S("+")))
            digits.n--;
        s = str_skip(s, end + 3);
        if (str_to_u64(digits, &size) != OK || size > s.n)
            return broken("a literal is shorter than it says");
        *ret_string = str_head(s, (size_t)size);
        *ret_rest = str_skip(s, (size_t)size);
        return OK;
    }
    while (n < s.n && !strchr(" ()\r\n", s.p[n]))
        n++;
    if (n == 0)
        return broken("a value is missing");
    *ret_string = str_head(s, n);
    if (str_eq_nocase(*ret_string, S("NIL")))
        *ret_string = S("");
    *ret_rest = str_skip(s, n);
    return OK;
}

/* Any value, also a list. */
static Err skip_value(Str s, Str *ret_rest)
{
    int depth = 0;
    Str string;

    do {
        s = skip_spaces(s);
        if (s.n && (*s.p == '(' || *s.p == ')')) {
            depth += *s.p == '(' ? 1 : -1;
            if (depth < 0 || depth > LIST_DEPTH_MAX)
                return broken("its lists do not fit");
            s = str_skip(s, 1);
        } else {
            TRY(take_string(s, &string, &s));
        }
    } while (depth > 0);
    *ret_rest = s;
    return OK;
}

/* The name of an item: "UID", "BODY[HEADER.FIELDS (A B)]<0>". */
static Err take_item(Str s, Str *ret_item, Str *ret_rest)
{
    size_t n = 0;
    bool section = false;

    for (; n < s.n; n++) {
        if (s.p[n] == '[')
            section = true;
        if (s.p[n] == ']')
            section = false;
        if (!section && (s.p[n] == ' ' || s.p[n] == ')'))
            break;
        if (s.p[n] == '\r' || s.p[n] == '\n')
            return broken("the name of an item has a line end");
    }
    if (n == 0 || n == s.n)
        return broken("an item of a message is missing");
    *ret_item = str_head(s, n);
    *ret_rest = skip_spaces(str_skip(s, n));
    return OK;
}

static Err read_number(Str s, uint64_t max, uint64_t *ret_number)
{
    if (str_to_u64(s, ret_number) != OK || *ret_number > max)
        return broken("a number is none");
    return OK;
}

static Err read_item(Str item, Str s, struct imap_message *m, Str *ret_rest)
{
    uint64_t number;
    Str value;

    if (str_starts_nocase(item, S("BODY[")) || str_starts_nocase(item, S("RFC822.HEADER"))) {
        TRY(take_string(s, &m->body, ret_rest));
        m->has_body = true;
        return OK;
    }
    if (str_eq_nocase(item, S("UID"))) {
        TRY(take_string(s, &value, ret_rest));
        TRY(read_number(value, UINT32_MAX, &number));
        m->uid = (uint32_t)number;
        return OK;
    }
    if (str_eq_nocase(item, S("RFC822.SIZE"))) {
        TRY(take_string(s, &value, ret_rest));
        return read_number(value, INT64_MAX, &m->size);
    }
    if (str_eq_nocase(item, S("INTERNALDATE"))) {
        TRY(take_string(s, &value, ret_rest));
        if (mime_date(value, &m->arrived) != OK)
            return broken("the time at which a message arrived is none");
        return OK;
    }
    return skip_value(s, ret_rest);
}

static Err read_fetch(Str s, struct imap_message *m)
{
    Str item;

    if (!s.n || *s.p != '(')
        return broken("a message has no list of items");
    s = skip_spaces(str_skip(s, 1));
    while (s.n && *s.p != ')') {
        TRY(take_item(s, &item, &s));
        TRY(read_item(item, s, m, &s));
        s = skip_spaces(s);
    }
    return s.n ? OK : broken("the items of a message do not end");
}

/* ---- responses ---- */

/* "[CODE arguments] words for people" */
static void read_text(Str s, struct imap_response *r)
{
    size_t end;

    if (s.n && *s.p == '[' && (end = str_find_char(s, ']')) != SIZE_MAX) {
        r->code = str_from(s.p + 1, end - 1);
        s = skip_spaces(str_skip(s, end + 1));
    }
    r->text = s;
}

static Err read_untagged(Str s, struct imap_response *r)
{
    uint64_t number;
    Str word, rest = take_word(s, &word);

    if (status_of(word, &r->status)) {
        r->kind = IMAP_STATUS;
        read_text(rest, r);
    } else if (str_eq_nocase(word, S("CAPABILITY"))) {
        r->kind = IMAP_CAPABILITY;
        r->list = rest;
    } else if (str_eq_nocase(word, S("SEARCH"))) {
        r->kind = IMAP_SEARCH;
        r->list = rest;
    } else if (word.n && word.p[0] >= '0' && word.p[0] <= '9') {
        TRY(read_number(word, UINT32_MAX, &number));
        r->number = (uint32_t)number;
        rest = take_word(rest, &word);
        if (str_eq_nocase(word, S("EXISTS")))
            r->kind = IMAP_EXISTS;
        if (str_eq_nocase(word, S("EXPUNGE")))
            r->kind = IMAP_EXPUNGE;
        if (str_eq_nocase(word, S("FETCH"))) {
            r->kind = IMAP_FETCH;
            return read_fetch(rest, &r->message);
        }
    }
    return OK;
}

Err imap_parse(Str text, struct imap_response *ret_response)
{
    struct imap_response r = {0};
    Str word, rest = take_word(text, &word);

    if (str_eq(word, S("*"))) {
        TRY(read_untagged(rest, &r));
    } else if (word.n && word.p[0] == '+') {
        r.kind = IMAP_CONTINUE;
        r.text = rest;
    } else {
        r.kind = IMAP_TAGGED;
        r.tag = word;
        rest = take_word(rest, &word);
        if (!r.tag.n || !status_of(word, &r.status) || r.status > IMAP_BAD)
            return broken("a line is no response");
        read_text(rest, &r);
    }
    *ret_response = r;
    return OK;
}

Err imap_uids(struct arena *a, Str list, size_t max, ImapUids *ret_uids)
{
    uint64_t number;
    Str word;

    while (list.n) {
        list = take_word(list, &word);
        if (!word.n)
            continue;
        if (word.p[0] == '(') /* "(MODSEQ 5)" ends it */
            break;
        TRY(read_number(word, UINT32_MAX, &number));
        if (ret_uids->n == max)
            return err_detail(E_TOO_LARGE, "The server named more than %zu messages at once.", max);
        vec_push(a, ret_uids, (uint32_t)number);
    }
    return OK;
}

/* ---- names of folders ---- */

static void add_utf16(struct buf *b, uint32_t c)
{
    if (c > 0xffff) {
        c -= 0x10000;
        add_utf16(b, 0xd800 | c >> 10);
        add_utf16(b, 0xdc00 | (c & 0x3ff));
        return;
    }
    buf_add_char(b, (char)(c >> 8));
    buf_add_char(b, (char)(c & 0xff));
}

/* Characters beyond ASCII: "&...-", base64 with "," for "/", without "=". */
static void add_shifted(struct buf *b, struct arena *a, struct buf *wide)
{
    if (!wide->n)
        return;
    Str text = crypto_base64(a, buf_str(wide));
    buf_add_char(b, '&');
    for (size_t i = 0; i < text.n && text.p[i] != '='; i++)
        buf_add_char(b, text.p[i] == '/' ? ',' : text.p[i]);
    buf_add_char(b, '-');
    buf_reset(wide);
}

Err imap_folder_name(struct arena *a, Str name, Str *ret_quoted)
{
    AUTO_BUF(out, KIB(16));
    AUTO_BUF(wide, KIB(8));
    size_t n;

    if (!name.n || name.n > 1000 || !utf8_valid(name) || utf8_control_free(name) < name.n)
        return err_detail(E_INVALID, "This is no name of a folder.");
    buf_add_char(&out, '"');
    for (Str s = name; s.n; s = str_skip(s, n)) {
        uint32_t c = utf8_decode(s, &n);
        if (c > 0x7e) {
            add_utf16(&wide, c);
            continue;
        }
        add_shifted(&out, a, &wide);
        if (c == '"' || c == '\\')
            buf_add_char(&out, '\\');
        buf_add_char(&out, (char)c);
        if (c == '&')
            buf_add_char(&out, '-');
    }
    add_shifted(&out, a, &wide);
    buf_add_char(&out, '"');
    *ret_quoted = str_dup(a, buf_str(&out));
    return buf_ok(&out);
}
