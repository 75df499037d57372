/* src/main/apply.c - a file that says which providers, routes, prices, teams, users, keys and
 * limits there are to be: its sections, and the order in which they are applied. */
#include "main/apply.h"

#include "base/json.h"
#include "rt/work.h"

enum { SECRET_MAX = 64 * 1024 };

void apply_note(struct apply *ap, const char *what, Str name, const char *change)
{
    if (change && !*change) {
        ap->same++;
        return;
    }
    if (change)
        ap->changed++;
    else
        ap->made++;
    buf_add_fmt(ap->out, "%c %s %.*s%s%s\n", change ? '~' : '+', what, P(name), change ? ": " : "",
                change ? change : "");
}

Err apply_members(const struct json *v, const char *known)
{
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "It must be a mapping.");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S("")), word, rest = str_c(known);
        bool found = false;
        while (rest.n && !found) {
            rest = str_cut(rest, ' ', &word);
            found = str_eq(word, name);
        }
        if (!found)
            return err_detail(E_INVALID, "There is no \"%.*s\"; there are: %s.",
                              P(str_head(name, 64)), known);
    }
    return OK;
}

Err apply_secret(struct apply *ap, const struct json *v, Str *ret_secret)
{
    Str text = json_str_of(v, S("")), path = json_str_of(json_at(v, "file"), S(""));

    *ret_secret = (Str){0};
    if (!v || json_is(v, JSON_NULL))
        return OK;
    if (str_starts(text, S("${")) && str_find_char(text, '}') == text.n - 1)
        return apply_expand(ap->a, ap->env, text, ret_secret);
    if (!path.n || json_len(v) != 1)
        return err_detail(E_INVALID, "A secret stands as \"${NAME}\", of the environment, or as "
                                     "{file: PATH}; never in the file itself.");
    TRY(apply_expand(ap->a, ap->env, path, &path));
    Err e = work_read_file(ap->a, str_dup_c(ap->a, path), SECRET_MAX, ret_secret);
    if (e != OK)
        return err_detail(e, "%.*s cannot be read: %s", P(path), err_client_text(e));
    *ret_secret = str_trim(*ret_secret);
    return ret_secret->n ? OK : err_detail(E_INVALID, "%.*s is empty.", P(path));
}

/* ---- sections ---- */

/* In this order: routes name providers, users teams, keys both, and guards keys. */
static const struct section {
    const char *name;
    bool list;
    Err (*apply)(struct apply *ap, const struct json *v) YIELDS;
} sections[] = {
    {"providers", true, apply_provider}, {"routes", true, apply_route},
    {"prices", true, apply_price},       {"teams", true, apply_team},
    {"users", true, apply_user},         {"keys", true, apply_key},
    {"guards", true, apply_guard},       {"limits", false, apply_limits},
};

static Err apply_entry(struct apply *ap, const struct section *s, const struct json *v, size_t i)
{
    Err e = s->apply(ap, v);

    if (e == OK || e == E_CANCELLED)
        return e;
    Str why = str_dup(ap->a, str_c(err_client_text(e)));
    return s->list ? err_detail(e, "%s, entry %zu: %.*s", s->name, i + 1, P(why))
                   : err_detail(e, "%s: %.*s", s->name, P(why));
}

static Err apply_section(struct apply *ap, const struct section *s, const struct json *v)
{
    if (!s->list)
        return apply_entry(ap, s, v, 0);
    if (!json_is(v, JSON_ARR) || json_len(v) > APPLY_ENTRIES_MAX)
        return err_detail(E_INVALID, "\"%s\" must be a list of at most %d entries.", s->name,
                          APPLY_ENTRIES_MAX);
    for (size_t i = 0; i < json_len(v); i++)
        TRY(apply_entry(ap, s, json_item(v, i), i));
    return OK;
}

static Err apply_all(struct apply *ap, const struct json *v)
{
    ap->made = ap->changed = ap->same = 0;
    buf_reset(ap->out);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        const struct json *section = json_get(v, str_c(sections[i].name));
        if (section && !json_is(section, JSON_NULL))
            TRY(apply_section(ap, &sections[i], section));
    }
    return buf_ok(ap->out);
}

Err apply_text(struct apply *ap, Str text)
{
    struct json *v;
    bool dry = ap->dry;

    TRY(apply_parse(ap->a, text, &v));
    TRY(apply_members(v, "providers routes prices teams users keys guards limits"));
    ap->dry = true; /* all of it is looked at before anything is written */
    Err e = apply_all(ap, v);
    ap->dry = dry;
    if (e != OK)
        buf_reset(ap->out); /* nothing of it was done */
    TRY(e);
    return dry ? OK : apply_all(ap, v);
}

struct input {
    struct buf *text;
    bool failed;
};

/* Standard input may be a socket, which cannot be opened by a name. */
static Err read_input(void *arg)
{
    struct input *in = arg;
    size_t got = 1;

    while (got) {
        char *to = buf_room(in->text, KIB(64));
        if (!to)
            return buf_ok(in->text);
        got = fread(to, 1, KIB(64), stdin);
        buf_added(in->text, got);
    }
    in->failed = ferror(stdin);
    return OK;
}

static Err read_file(struct apply *ap, Str path, Str *ret_text)
{
    AUTO_BUF(text, APPLY_FILE_MAX);
    struct input in = {&text, false};

    if (!str_eq(path, S("-")))
        return work_read_file(ap->a, str_dup_c(ap->a, path), APPLY_FILE_MAX, ret_text);
    TRY(work_run(read_input, &in));
    *ret_text = str_dup(ap->a, buf_str(&text));
    return in.failed ? err_set(E_UNAVAILABLE, "standard input cannot be read") : OK;
}

Err apply_file(struct apply *ap, Str path)
{
    Str text;
    Err e = read_file(ap, path, &text);

    if (e != OK)
        return err_detail(e, "%.*s cannot be read: %s", P(path), err_client_text(e));
    e = apply_text(ap, text);
    if (e == OK || e == E_CANCELLED)
        return e;
    Str why = str_dup(ap->a, str_c(err_client_text(e)));
    return err_detail(e, "%.*s: %.*s", P(path), P(why));
}
