/* src/api/page_form.c - the fields of a form as controls that need no script. Each control has its
 * label, its hint and what is wrong with it tied to it, for those who hear a page. */
#include "api/page.h"

enum { RADIOS_MAX = 5 };

struct drawing {
    struct buf *b;
    const struct page_words *w;
    struct arena *a;
    const FormValues *values;
    const struct form_field *f;
    const struct form_error *error; /* NULL: it is right */
    int index;
};

static const struct form_error *error_of(const FormErrors *errors, Str field)
{
    if (errors)
        vec_each(errors, e)
            if (str_eq(e->field, field))
                return e;
    return NULL;
}

static Str error_text(const struct page_words *w, struct arena *a, const struct form_error *e)
{
    const char *words = e->wrong < FORM_OTHERWISE ? w->wrong[e->wrong] : NULL;
    Str number, rest, head;

    if (!words)
        return e->message;
    size_t at = str_find(str_c(words), S("%s"));
    if (at == SIZE_MAX)
        return str_c(words);
    number = json_text(a, json_double(a, e->limit));
    if (str_ends(number, S(".0")))
        number.n -= 2;
    head = str_head(str_c(words), at);
    rest = str_skip(str_c(words), at + 2);
    return str_fmt(a, "%.*s%.*s%.*s", P(head), P(number), P(rest));
}

/* Whether @value was given for the field. */
static bool was_given(const struct drawing *d, Str value)
{
    if (!d->values)
        return str_eq(d->f->initial, value) && value.n;
    vec_each(d->values, v)
        if (str_eq(v->name, d->f->name) && str_eq(v->value, value))
            return true;
    return false;
}

static Str given(const struct drawing *d)
{
    if (!d->values)
        return d->f->initial;
    vec_each(d->values, v)
        if (str_eq(v->name, d->f->name))
            return v->value;
    return S("");
}

static void attribute(struct buf *b, const char *name, Str value)
{
    buf_add_fmt(b, " %s=\"", name);
    page_text(b, value);
    buf_add_c(b, "\"");
}

static void add_name(const struct drawing *d)
{
    buf_add_c(d->b, " name=\"f.");
    page_text(d->b, d->f->name);
    buf_add_c(d->b, "\"");
}

/* What hint and error say belongs to the control. */
static void add_ties(const struct drawing *d)
{
    if (d->f->help.n || d->error) {
        buf_add_c(d->b, " aria-describedby=\"");
        if (d->f->help.n)
            buf_add_fmt(d->b, "h%d%s", d->index, d->error ? " " : "");
        if (d->error)
            buf_add_fmt(d->b, "e%d", d->index);
        buf_add_c(d->b, "\"");
    }
    if (d->error)
        buf_add_c(d->b, " aria-invalid=\"true\"");
}

static void add_label(const struct drawing *d)
{
    page_text(d->b, d->f->title);
    if (!d->f->required && d->f->kind != FORM_BOOLEAN)
        buf_add_fmt(d->b, " <span class=\"opt\">(%s)</span>", d->w->optional);
}

static void add_hint(const struct drawing *d)
{
    if (!d->f->help.n)
        return;
    buf_add_fmt(d->b, "<p class=\"hint\" id=\"h%d\">", d->index);
    page_text(d->b, d->f->help);
    buf_add_c(d->b, "</p>");
}

static void add_error(const struct drawing *d)
{
    if (!d->error)
        return;
    buf_add_fmt(d->b, "<p class=\"err\" id=\"e%d\">", d->index);
    page_text(d->b, error_text(d->w, d->a, d->error));
    buf_add_c(d->b, "</p>");
}

static void add_limits(const struct drawing *d)
{
    static const char *const pairs[][2] = {
        {"minimum", "min"},
        {"maximum", "max"},
        {"minLength", "minlength"},
        {"maxLength", "maxlength"},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const struct json *v = json_get(d->f->schema, str_c(pairs[i][0]));
        if (json_is_number(v))
            attribute(d->b, pairs[i][1], json_text(d->a, v));
    }
    if (d->f->kind == FORM_NUMBER)
        buf_add_c(d->b, " step=\"any\" inputmode=\"decimal\"");
}

static const char *input_type(enum form_kind kind)
{
    static const char *const types[] = {
        [FORM_TEXT] = "text",     [FORM_EMAIL] = "email",    [FORM_URL] = "url",
        [FORM_DATE] = "date",     [FORM_TIME] = "time",      [FORM_PASSWORD] = "password",
        [FORM_NUMBER] = "number", [FORM_INTEGER] = "number", [FORM_FILE] = "file",
        [FORM_FILES] = "file",
    };

    return types[kind];
}

static void add_required(const struct drawing *d)
{
    if (d->f->required)
        buf_add_c(d->b, " required");
}

static void add_input(const struct drawing *d)
{
    bool file = d->f->kind == FORM_FILE || d->f->kind == FORM_FILES;

    buf_add_fmt(d->b, "<input id=\"c%d\" type=\"%s\"", d->index, input_type(d->f->kind));
    add_name(d);
    if (d->f->kind == FORM_EMAIL)
        buf_add_c(d->b, " autocomplete=\"email\"");
    if (d->f->kind == FORM_FILES)
        buf_add_c(d->b, " multiple");
    if (!file)
        add_limits(d);
    add_required(d);
    add_ties(d);
    if (!file && d->f->kind != FORM_PASSWORD)
        attribute(d->b, "value", given(d));
    buf_add_c(d->b, ">");
}

static void add_lines(const struct drawing *d)
{
    buf_add_fmt(d->b, "<textarea id=\"c%d\" rows=\"5\"", d->index);
    add_name(d);
    add_limits(d);
    add_required(d);
    add_ties(d);
    buf_add_c(d->b, ">\n"); /* the first line end of a textarea is not part of it */
    page_text(d->b, given(d));
    buf_add_c(d->b, "</textarea>");
}

static void add_select(const struct drawing *d)
{
    buf_add_fmt(d->b, "<select id=\"c%d\"", d->index);
    add_name(d);
    add_required(d);
    add_ties(d);
    buf_add_fmt(d->b, "><option value=\"\">%s</option>", d->w->choose);
    for (size_t i = 0; i < json_len(d->f->options); i++) {
        Str one = json_str_of(json_item(d->f->options, i), S(""));
        buf_add_fmt(d->b, "<option%s>", was_given(d, one) ? " selected" : "");
        page_text(d->b, one);
        buf_add_c(d->b, "</option>");
    }
    buf_add_c(d->b, "</select>");
}

static void add_option(const struct drawing *d, const char *type, Str value, Str words, bool on)
{
    buf_add_fmt(d->b, "<label class=\"one\"><input type=\"%s\"", type);
    add_name(d);
    attribute(d->b, "value", value);
    if (on)
        buf_add_c(d->b, " checked");
    if (d->f->required && strcmp(type, "radio") == 0)
        buf_add_c(d->b, " required");
    add_ties(d);
    buf_add_c(d->b, "><span>");
    page_text(d->b, words);
    buf_add_c(d->b, "</span></label>");
}

/* Several controls under one legend. */
static void add_group(const struct drawing *d, const char *type)
{
    bool radio = strcmp(type, "radio") == 0, any = false;

    buf_add_fmt(d->b, "<fieldset class=\"field\" id=\"c%d\"><legend>", d->index);
    add_label(d);
    buf_add_c(d->b, "</legend>");
    add_hint(d);
    for (size_t i = 0; i < json_len(d->f->options); i++) {
        Str one = json_str_of(json_item(d->f->options, i), S(""));
        bool on = was_given(d, one);
        any = any || on;
        add_option(d, type, one, one, on);
    }
    if (radio && !d->f->required) /* what was chosen can be taken back */
        add_option(d, type, S(""), str_c(d->w->choose_none), !any);
    add_error(d);
    buf_add_c(d->b, "</fieldset>");
}

static void add_boolean(const struct drawing *d)
{
    buf_add_fmt(d->b,
                "<div class=\"field\"><label class=\"one\"><input type=\"checkbox\" "
                "value=\"true\" id=\"c%d\"",
                d->index);
    add_name(d);
    if (given(d).n)
        buf_add_c(d->b, " checked");
    if (json_bool_of(json_at(d->f->schema, "const"), false))
        buf_add_c(d->b, " required");
    add_ties(d);
    buf_add_c(d->b, "><span>");
    add_label(d);
    buf_add_c(d->b, "</span></label>");
    add_hint(d);
    add_error(d);
    buf_add_c(d->b, "</div>");
}

static void add_field(const struct drawing *d)
{
    if (d->f->kind == FORM_BOOLEAN) {
        add_boolean(d);
        return;
    }
    if (d->f->kind == FORM_CHOICES ||
        (d->f->kind == FORM_CHOICE && json_len(d->f->options) <= RADIOS_MAX)) {
        add_group(d, d->f->kind == FORM_CHOICES ? "checkbox" : "radio");
        return;
    }
    buf_add_fmt(d->b, "<div class=\"field\"><label for=\"c%d\">", d->index);
    add_label(d);
    buf_add_c(d->b, "</label>");
    add_hint(d);
    if (d->f->kind == FORM_LINES)
        add_lines(d);
    else if (d->f->kind == FORM_CHOICE)
        add_select(d);
    else
        add_input(d);
    add_error(d);
    buf_add_c(d->b, "</div>");
}

void page_fields(struct buf *b, const struct page_words *w, struct arena *a,
                 const FormFields *fields, const FormValues *values, const FormErrors *errors)
{
    for (size_t i = 0; i < fields->n; i++) {
        struct drawing d = {.b = b,
                            .w = w,
                            .a = a,
                            .values = values,
                            .f = &fields->at[i],
                            .error = error_of(errors, fields->at[i].name),
                            .index = (int)i};
        add_field(&d);
    }
}

void page_errors(struct buf *b, const struct page_words *w, struct arena *a,
                 const FormFields *fields, const FormValues *values, const FormErrors *errors)
{
    bool files = false; /* no browser fills them in again */

    if (!errors->n)
        return;
    buf_add_fmt(b, "<div class=\"note bad\" role=\"alert\"><strong>%s</strong><ul>",
                errors->n == 1 ? w->check_one : w->check);
    for (size_t i = 0; i < fields->n; i++) {
        const struct form_error *e = error_of(errors, fields->at[i].name);
        if (!e)
            continue;
        buf_add_fmt(b, "<li><a href=\"#c%zu\">", i);
        page_text(b, fields->at[i].title);
        buf_add_c(b, "</a></li>");
    }
    vec_each(errors, e) {
        if (e->field.n)
            continue;
        buf_add_c(b, "<li>");
        page_text(b, error_text(w, a, e));
        buf_add_c(b, "</li>");
    }
    buf_add_c(b, "</ul>");
    vec_each(values, v)
        files = files || v->file_name.n;
    if (files)
        buf_add_fmt(b, "<p>%s</p>", w->sent_again);
    buf_add_c(b, "</div>");
}
