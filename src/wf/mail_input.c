/* src/wf/mail_input.c - what a run gets of a mail. */
#include "base/crypto.h"
#include "net/mime.h"
#include "rt/work.h"
#include "wf/mail.h"

enum { TEXT_MAX = 2 << 20, JSON_MAX = 128 << 20 };

static bool contains_nocase(struct arena *a, Str text, Str part)
{
    return str_find(str_lower(a, text), str_lower(a, part)) != SIZE_MAX;
}

bool mail_fits(const struct wf_email_cfg *cfg, Str head)
{
    AUTO(arena) *a = arena_new(MIB(16)); /* of a head: MIME_HEAD_MAX and copies of it */
    struct mime_message m = {0};

    mime_parse(a, str_head(head, MIME_HEAD_MAX), &m);
    Str from = mime_words(a, mime_header(&m.headers, S("From")));
    Str subject = mime_words(a, mime_header(&m.headers, S("Subject")));
    return (!cfg->from.n || contains_nocase(a, from, cfg->from)) &&
           (!cfg->subject.n || contains_nocase(a, subject, cfg->subject));
}

/* ---- on a worker ---- */

struct job {
    struct arena *a;
    const struct mail_source *source;
    struct mime_message m;
    struct buf text, html;
    size_t room; /* bytes of attachments that may still come along */
    bool cut;
    struct json *input;
};

static struct json *addresses(struct job *j, const char *header)
{
    struct json *list = json_arr(j->a);
    MimeAddresses found = {0};

    mime_addresses(j->a, mime_header(&j->m.headers, str_c(header)), &found);
    vec_each(&found, x)
        json_push(j->a, list,
                  json_obj(j->a, "name", json_str(j->a, x->name), "address",
                           json_str(j->a, x->address), NULL));
    return list;
}

/* All values of one name, one a line. */
static Str joined(struct job *j, size_t from)
{
    Str name = j->m.headers.at[from].name;
    AUTO_BUF(all, MIB(1));

    for (size_t i = from; i < j->m.headers.n; i++) {
        const struct mime_header *h = &j->m.headers.at[i];
        if (!str_eq_nocase(h->name, name))
            continue;
        if (i > from)
            buf_add_char(&all, '\n');
        buf_add(&all, mime_words(j->a, h->value));
    }
    return str_dup(j->a, buf_str(&all));
}

static struct json *headers(struct job *j)
{
    struct json *all = json_obj(j->a, NULL);

    for (size_t i = 0; i < j->m.headers.n; i++) {
        Str name = str_lower(j->a, j->m.headers.at[i].name);
        if (!json_get(all, name))
            json_set(j->a, all, name, json_str(j->a, joined(j, i)));
    }
    return all;
}

static bool is_text(const struct mime_part *p, Str type)
{
    return str_eq(p->type, type) && !p->file_name.n && !str_eq(p->disposition, S("attachment"));
}

static Err add_text(struct job *j, const struct mime_part *p, struct buf *to)
{
    bool cut;
    Str text;

    TRY(mime_part_text(j->a, p, TEXT_MAX - to->n, &text, &cut));
    if (to->n && text.n)
        buf_add_char(to, '\n');
    buf_add(to, text);
    j->cut = j->cut || cut || to->failed;
    to->failed = false;
    return OK;
}

static Err add_attachment(struct job *j, struct json *list, const struct mime_part *p)
{
    const struct wf_email_cfg *cfg = j->source->cfg;
    bool wanted = str_eq(cfg->attachments, S("content"));
    struct json *content = NULL;
    uint8_t hash[32];
    Str bytes;

    TRY(mime_part_bytes(j->a, p, &bytes));
    crypto_sha256(bytes, hash);
    /* Of the last one of a mail that was read in part not all is there. */
    bool whole = !j->source->cut || p + 1 < j->m.parts.at + j->m.parts.n;
    if (wanted && whole && bytes.n <= j->room) {
        j->room -= bytes.n;
        content = json_str(j->a, crypto_base64(j->a, bytes));
    }
    json_push(j->a, list,
              json_obj(j->a, "name", json_str(j->a, p->file_name), "type", json_str(j->a, p->type),
                       "size", json_int(j->a, (int64_t)bytes.n), "sha256",
                       json_str(j->a, crypto_hex(j->a, hash, sizeof hash)), "inline",
                       json_bool(j->a, str_eq(p->disposition, S("inline"))), "content_id",
                       p->content_id.n ? json_str(j->a, p->content_id) : json_null(j->a), "content",
                       content ? content : json_null(j->a), "content_omitted",
                       wanted && !content ? json_bool(j->a, true) : NULL, NULL));
    return OK;
}

static Err add_parts(struct job *j, struct json *attachments)
{
    vec_each(&j->m.parts, p) {
        if (is_text(p, S("text/plain")))
            TRY(add_text(j, p, &j->text));
        else if (is_text(p, S("text/html")))
            TRY(add_text(j, p, &j->html));
        else
            TRY(add_attachment(j, attachments, p));
    }
    return OK;
}

static struct json *text_or_null(struct arena *a, const struct buf *text)
{
    return text->n ? json_str(a, str_dup(a, buf_str(text))) : json_null(a);
}

static struct json *date(struct job *j)
{
    Usec at;

    if (mime_date(mime_header(&j->m.headers, S("Date")), &at) != OK)
        return json_null(j->a);
    return json_time(j->a, at);
}

static Err read_all(struct job *j)
{
    const struct mail_source *s = j->source;
    struct json *attachments = json_arr(j->a);
    struct arena *a = j->a;
    Str id = str_trim(mime_header(&j->m.headers, S("Message-ID")));

    TRY(add_parts(j, attachments));
    j->input = json_obj(
        a, "message_id", id.n ? json_str(a, id) : json_null(a), "from", addresses(j, "From"), "to",
        addresses(j, "To"), "cc", addresses(j, "Cc"), "reply_to", addresses(j, "Reply-To"),
        "subject", json_str(a, mime_words(a, mime_header(&j->m.headers, S("Subject")))), "date",
        date(j), "received_at", json_time(a, s->message->arrived), "text",
        text_or_null(a, &j->text), "html", text_or_null(a, &j->html), "headers", headers(j),
        "attachments", attachments, "size", json_int(a, (int64_t)s->message->size), "cut",
        json_bool(a, s->cut || j->cut || j->m.cut), "folder", json_str(a, s->cfg->folder), "uid",
        json_int(a, s->message->uid), NULL);
    return OK;
}

static Str content_of(const struct json *attachment)
{
    return json_str_of(json_at(attachment, "content"), S(""));
}

/* A trigger that gives more than a step may fails its run: the largest contents are left out then.
 */
static void keep_below(struct job *j, size_t max)
{
    AUTO_BUF(text, JSON_MAX);
    const struct json *all = json_at(j->input, "attachments");

    json_write(&text, j->input);
    for (size_t n = text.n; n > max;) {
        struct json *largest = NULL;
        for (size_t i = 0; i < json_len(all); i++)
            if (content_of(json_item(all, i)).n > content_of(largest).n)
                largest = json_item(all, i);
        if (!largest)
            break;
        n -= content_of(largest).n;
        json_set(j->a, largest, S("content"), json_null(j->a));
        json_set(j->a, largest, S("content_omitted"), json_bool(j->a, true));
    }
}

static Err work(void *arg)
{
    struct job *j = arg;

    mime_parse(j->a, j->source->message->body, &j->m);
    TRY(read_all(j));
    keep_below(j, j->source->max_output);
    return OK;
}

Err mail_input(struct arena *a, const struct mail_source *source, struct json **ret_input)
{
    struct job j = {.a = a,
                    .source = source,
                    .text = BUF(TEXT_MAX),
                    .html = BUF(TEXT_MAX),
                    .room = source->cfg->max_attachments};

    Err e = work_run(work, &j);
    buf_done(&j.text);
    buf_done(&j.html);
    if (e == OK)
        *ret_input = j.input;
    return e;
}
