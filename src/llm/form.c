/* src/llm/form.c - a form of several parts: where its fields stand. */
#include "llm/form.h"

#include "base/buf.h"

/* ---- headers with parameters ---- */

/* The next "; name=value" of *rest; the value without its quotes. False at the end, or at what is
 * none: *ret_bad. */
static bool next_param(Str *rest, Str *ret_name, Str *ret_value, bool *ret_bad)
{
    Str s = str_trim(*rest);

    *ret_bad = false;
    if (!s.n)
        return false;
    *ret_bad = true;
    if (!str_starts(s, S(";")))
        return false;
    s = str_trim(str_skip(s, 1));
    Str value = str_cut(s, '=', ret_name);
    if (!value.p || !ret_name->n)
        return false;
    size_t end = 0;
    if (str_starts(value, S("\""))) {
        end = 1 + str_find_char(str_skip(value, 1), '"');
        if (end == 0 || value.p[end - 1] == '\\') /* is it the end? Some say so, others not */
            return false;
        *ret_value = str_from(value.p + 1, end - 1);
        *rest = str_skip(value, end + 1);
    } else {
        while (end < value.n && value.p[end] != ';')
            end++;
        *ret_value = str_trim(str_head(value, end));
        *rest = str_skip(value, end);
    }
    *ret_name = str_trim(*ret_name);
    *ret_bad = false;
    return true;
}

static bool is_boundary(Str s)
{
    static const Str others = S_INIT("'()+_,-./:=? ");

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!plain && str_find_char(others, c) == SIZE_MAX)
            return false;
    }
    return s.n > 0 && s.n <= LLM_FORM_BOUNDARY_MAX && s.p[s.n - 1] != ' ';
}

Err llm_form_boundary(Str content_type, Str *ret_boundary)
{
    Str type, rest = str_cut(content_type, ';', &type), name, value, found = {0};
    bool bad = false;

    if (!str_eq_nocase(str_trim(type), S("multipart/form-data")))
        return err_detail(E_MEDIA_TYPE, "This call takes multipart/form-data.");
    if (rest.p)
        rest = str_from(rest.p - 1, rest.n + 1);
    while (next_param(&rest, &name, &value, &bad)) {
        if (!str_eq_nocase(name, S("boundary")))
            continue;
        bad = found.p != NULL;
        if (bad)
            break;
        found = value;
    }
    if (bad || !is_boundary(found))
        return err_detail(E_MEDIA_TYPE, "The Content-Type names no boundary that can be one.");
    *ret_boundary = found;
    return OK;
}

/* ---- parts ---- */

static Err wrong(const char *why)
{
    return err_detail(E_SYNTAX, "The form cannot be read: %s.", why);
}

static Err read_disposition(Str value, struct llm_form_part *p)
{
    Str type, rest = str_cut(value, ';', &type), name, text;
    bool bad = false;

    if (!str_eq_nocase(str_trim(type), S("form-data")) || !rest.p)
        return wrong("a part is no form-data");
    rest = str_from(rest.p - 1, rest.n + 1);
    while (next_param(&rest, &name, &text, &bad)) {
        if (str_eq_nocase(name, S("name"))) {
            if (p->name.p || str_find_char(text, '\\') != SIZE_MAX)
                return wrong("a part's name can be read in two ways");
            p->name = text;
        } else if (str_eq_nocase(name, S("name*"))) {
            return wrong("a part's name is written in a form of its own");
        }
        p->file |= str_eq_nocase(name, S("filename")) || str_eq_nocase(name, S("filename*"));
    }
    if (bad)
        return wrong("a part's Content-Disposition is not plain");
    return p->name.n ? OK : wrong("a part has no name");
}

static Err read_line(Str line, struct llm_form_part *p)
{
    Str name, value = str_cut(line, ':', &name);

    if (!value.p || !name.n || str_starts(name, S(" ")) || str_starts(name, S("\t")))
        return wrong("a part's head is no list of headers");
    value = str_trim(value);
    if (str_eq_nocase(name, S("content-disposition"))) {
        if (p->name.p)
            return wrong("a part has two names");
        return read_disposition(value, p);
    }
    if (str_eq_nocase(name, S("content-transfer-encoding")) && !str_eq_nocase(value, S("binary")) &&
        !str_eq_nocase(value, S("8bit")) && !str_eq_nocase(value, S("7bit")))
        return wrong("a part has an encoding of its own");
    return OK;
}

/* The head of the part that begins at @at; its value begins at *ret_at. */
static Err read_head(Str body, size_t at, struct llm_form_part *p, size_t *ret_at)
{
    static const Str line_end = S_INIT("\r\n");
    size_t begun = at;

    for (;;) {
        Str rest = str_head(str_skip(body, at), LLM_FORM_HEAD_MAX);
        size_t n = str_find(rest, line_end);
        if (n == SIZE_MAX || at - begun > LLM_FORM_HEAD_MAX)
            return body.n - begun > LLM_FORM_HEAD_MAX
                       ? err_detail(E_TOO_LARGE, "A part's head has more than %d bytes.",
                                    LLM_FORM_HEAD_MAX)
                       : wrong("it ends in the head of a part");
        at += n + line_end.n;
        if (n == 0)
            break;
        TRY(read_line(str_head(rest, n), p));
    }
    *ret_at = at;
    return p->name.p ? OK : wrong("a part has no Content-Disposition");
}

/* Behind the boundary at @at: 1 for another part, 0 for the end; -1 for neither. */
static int behind(Str body, size_t *at)
{
    Str rest = str_skip(body, *at);

    if (str_starts(rest, S("\r\n"))) {
        *at += 2;
        return 1;
    }
    if (!str_starts(rest, S("--")))
        return -1;
    rest = str_skip(rest, 2);
    return rest.n == 0 || str_eq(rest, S("\r\n")) ? 0 : -1;
}

Err llm_form_read(Str body, Str boundary, struct llm_form *form)
{
    char text[4 + LLM_FORM_BOUNDARY_MAX] = "\r\n--";
    int more;

    form->n = 0;
    if (boundary.n > LLM_FORM_BOUNDARY_MAX)
        return wrong("its boundary is too long");
    memcpy(text + 4, boundary.p, boundary.n);
    Str mark = str_from(text, 4 + boundary.n);
    size_t at = mark.n - 2;
    if (!str_starts(body, str_skip(mark, 2)))
        return wrong("it does not begin with its boundary");
    while ((more = behind(body, &at)) > 0) {
        struct llm_form_part p = {0};
        if (form->n == LLM_FORM_PARTS_MAX)
            return err_detail(E_TOO_LARGE, "A form has at most %d parts.", LLM_FORM_PARTS_MAX);
        TRY(read_head(body, at, &p, &p.from));
        size_t n = str_find(str_skip(body, p.from), mark);
        if (n == SIZE_MAX)
            return wrong("it ends in a part");
        p.to = p.from + n;
        at = p.to + mark.n;
        form->parts[form->n++] = p;
    }
    if (form->n == 0)
        return wrong("it has no part");
    return more == 0 ? OK : wrong("behind a boundary stands what should not");
}
