/* src/api/api_chat_page.c - the page of a chat: the conversation so far and a place for the next
 * message. It needs no script: sending waits for the answer, and gives the page with it. */
#include "api/chat.h"
#include "api/page.h"

/* Bytes of a page, as HTML: of all turns, of one answer, of a message to be sent again. The newest
 * turn always fits. */
enum {
    TURNS_SHOWN = 100,
    TALK_MAX = 768 << 10,
    ANSWER_SHOWN = 512 << 10,
    TYPED_SHOWN = 192 << 10,
    TURN_FRAME = 512 /* what stands around it, but the title */
};

struct words {
    const char *you, *send, *message, *working, *no_answer, *look, *problem, *not_found,
        *begin_anew, *busy, *earlier, *longer;
};
static const struct words english = {
    .you = "You",
    .send = "Send",
    .message = "Your message",
    .working = "The answer is not there yet.",
    .no_answer = "This could not be answered.",
    .look = "Look again",
    .problem = "That did not work",
    .not_found = "There is no chat here",
    .begin_anew = "Begin anew",
    .busy = "Your last message was not taken: the one before it is not answered yet.",
    .earlier = "Earlier messages are not shown.",
    .longer = "The answer is longer than this page shows.",
};
static const struct words german = {
    .you = "Sie",
    .send = "Senden",
    .message = "Ihre Nachricht",
    .working = "Die Antwort ist noch nicht da.",
    .no_answer = "Darauf gab es keine Antwort.",
    .look = "Noch einmal nachsehen",
    .problem = "Das hat nicht geklappt",
    .not_found = "Hier ist kein Chat",
    .begin_anew = "Neu beginnen",
    .busy = "Ihre letzte Nachricht wurde nicht angenommen: die davor ist noch nicht beantwortet.",
    .earlier = "Frühere Nachrichten werden nicht gezeigt.",
    .longer = "Die Antwort ist länger, als diese Seite zeigt.",
};

static const struct words *words_of(const struct req *req)
{
    return page_is_german(req) ? &german : &english;
}

static Str title_of(const struct chat_visit *v)
{
    return v->cfg->title.n ? v->cfg->title : v->def->name;
}

static void add_said(struct buf *b, const char *class, Str who, Str text)
{
    buf_add_fmt(b, "<li class=\"%s\"><span class=\"who\">", class);
    page_text(b, who);
    buf_add_c(b, "</span><p>");
    page_text(b, text);
    buf_add_c(b, "</p></li>");
}

static void add_turn(const struct chat_visit *v, struct buf *b, const struct chat_turn *t)
{
    const struct words *w = words_of(v->req);

    add_said(b, "me", str_c(w->you), t->message);
    if (t->answered && !t->failed) {
        Str shown = page_text_head(t->answer, ANSWER_SHOWN);
        add_said(b, "it", title_of(v), shown);
        if (shown.n < t->answer.n)
            add_said(b, "it none", title_of(v), str_c(w->longer));
    } else {
        add_said(b, "it none", title_of(v), str_c(t->answered ? w->no_answer : w->working));
    }
}

/* The newest turns, as many as fit. */
static void add_talk(const struct chat_visit *v, struct buf *b)
{
    size_t first = v->turns.n, left = TALK_MAX;
    size_t frame = TURN_FRAME + 2 * page_text_len(title_of(v));

    while (first > 0) {
        const struct chat_turn *t = &v->turns.at[first - 1];
        size_t need = frame + page_text_len(t->message) +
                      page_text_len(page_text_head(t->answer, ANSWER_SHOWN));
        if (need > left)
            break;
        left -= need;
        first--;
    }
    if (first == v->turns.n)
        return;
    if (v->turns.at[first].n > 1)
        buf_add_fmt(b, "<p class=\"note\">%s</p>", words_of(v->req)->earlier);
    buf_add_c(b, "<ol class=\"talk\">");
    for (size_t i = first; i < v->turns.n; i++)
        add_turn(v, b, &v->turns.at[i]);
    buf_add_c(b, "</ol>");
}

static void add_hidden(struct buf *b, const char *name, Id id)
{
    char text[ID_TEXT_SIZE];

    buf_add_fmt(b, "<input type=\"hidden\" name=\"%s\" value=\"%.*s\">", name,
                P(id_text(id, text)));
}

static void add_form(const struct chat_visit *v, struct buf *b, Str typed)
{
    const struct words *w = words_of(v->req);

    buf_add_c(b, "<form method=\"post\">");
    add_hidden(b, "conversation", v->chat.id);
    add_hidden(b, "key", id_new());
    buf_add_fmt(b,
                "<div class=\"field\"><label for=\"m\">%s</label><textarea id=\"m\" "
                "name=\"message\" rows=\"3\" maxlength=\"30000\" required autofocus>\n",
                w->message);
    page_text(b, page_text_head(typed, TYPED_SHOWN));
    buf_add_fmt(b,
                "</textarea></div><div class=\"acts\"><button>%s</button><a class=\"plain\" "
                "href=\"?\">%s</a></div></form>",
                w->send, w->begin_anew);
}

/* @problem: what became of what was sent last; empty: all went well. */
static Err send_chat(struct chat_visit *v, struct res *res, int status, Str problem, Str typed)
{
    AUTO_BUF(b, PAGE_MAX);

    TRY(api_chat_turns(v, TURNS_SHOWN));
    add_talk(v, &b);
    if (problem.n) {
        buf_add_c(&b, "<p class=\"note bad\" role=\"alert\">");
        page_text(&b, problem);
        buf_add_c(&b, "</p>");
    }
    add_form(v, &b, typed);
    TRY(buf_ok(&b));
    struct page page = {.title = title_of(v), .lead = v->cfg->greeting, .content = buf_str(&b)};
    return page_send(v->req, res, status, &page);
}

/* Failures before there is a chat to show. */
static Err fail(struct req *req, struct res *res, int status, Err e)
{
    const struct words *w = words_of(req);
    struct page page = {.title = str_c(e == E_NOT_FOUND ? w->not_found : w->problem),
                        .lead =
                            e == E_NOT_FOUND ? S("") : str_dup(req->a, str_c(err_client_text(e))),
                        .mark = "bad"};

    return page_send(req, res, status, &page);
}

static Err show(struct req *req, struct res *res)
{
    AUTO_CHAT(v, req);

    TRY(api_chat_begin(&v, res));
    TRY(api_chat_find(&v, S("")));
    return send_chat(&v, res, 200, S(""), S(""));
}

/* The conversation of the page, which begins with its first message. An id that is taken by what
 * this is not, of another workflow or of old, begins another one. */
static Err find(struct chat_visit *v, Str conversation)
{
    Err e = api_chat_find(v, conversation);
    bool taken;
    Id id;

    if (e != E_NOT_FOUND || id_parse(conversation, &id) != OK)
        return e;
    TRY(store_chat_is_taken(api_of(v->req)->db, v->req->a, id, &taken));
    TRY(api_chat_find(v, S("")));
    if (!taken)
        v->chat.id = id;
    return OK;
}

static Err take(struct chat_visit *v, struct res *res)
{
    FormValues values = {0};
    HttpHeaders pairs = {0};

    TRY(page_read(v->req, &values, &pairs));
    Str message = http_header_get(&pairs, S("message"));
    v->asked = http_header_get(&pairs, S("conversation"));
    TRY(find(v, v->asked));
    Err e = api_chat_say(v, message.p ? message : S(""), http_header_get(&pairs, S("key")));
    if (e == E_CONFLICT)
        return send_chat(v, res, 409, str_c(words_of(v->req)->busy), message);
    if (e == E_BAD_INPUT || e == E_TOO_LARGE || e == E_RATE_LIMITED)
        return send_chat(v, res, err_http(e), str_dup(v->req->a, str_c(err_client_text(e))),
                         message);
    TRY(e);
    e = api_chat_await(v);
    if (e != OK && e != E_TIMEOUT && e != E_SHUTDOWN)
        return e;
    return send_chat(v, res, 200, S(""), S(""));
}

Err api_chat_page_take(struct req *req, struct res *res)
{
    AUTO_CHAT(v, req);

    Err e = page_comes_from_here(req)
                ? api_chat_begin(&v, res)
                : err_detail(E_FORBIDDEN, "This was sent by a page of another site.");
    if (e == OK)
        e = take(&v, res);
    return e == OK ? OK : fail(req, res, err_http(e), e);
}

const struct route api_chat_page_routes[] = {
    {HTTP_GET, "/chat/:id", show, NULL, .rate = RATE_API, .fail = fail,
     .summary = "The page of a chat trigger", .out_type = "text/html"},
    {0},
};
