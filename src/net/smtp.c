/* src/net/smtp.c - see smtp.h. */
#include "net/smtp.h"

#include "base/buf.h"
#include "base/crypto.h"
#include "base/utf8.h"
#include "rt/work.h"

#include <curl/curl.h>
#include <pthread.h>

static const Usec CONNECT_TIMEOUT = 10 * USEC_S, TIMEOUT = 30 * USEC_S;
/* Bytes: of a word of an encoded header (39 are 52 of base64, a line of 73 with its name), of a
 * line of the text, of a plain subject; of a message. */
enum { WORD_MAX = 39, LINE_MAX_BYTES = 74, PLAIN_SUBJECT_MAX = 68, MESSAGE_MAX = 1 << 20 };

/* ---- the message ---- */

static bool is_atom_char(char c)
{
    /* RFC 5321 Dot-string, and what stands beyond ASCII (SMTPUTF8 is the server's affair). */
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && memchr("!#$%&'*+-/=?^_`{|}~.", c, 20));
}

bool smtp_is_address(Str s)
{
    size_t at = str_find_char(s, '@');

    if (s.n > SMTP_ADDRESS_MAX || at == SIZE_MAX || at == 0 || at > 64 || at + 1 == s.n)
        return false;
    for (size_t i = 0; i < at; i++)
        if (!is_atom_char(s.p[i]))
            return false;
    Str domain = str_skip(s, at + 1);
    for (size_t i = 0; i < domain.n; i++) {
        char c = domain.p[i];
        bool edge = i == 0 || i + 1 == domain.n || domain.p[i - 1] == '.';
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (edge || (c != '-' && c != '.')))
            return false;
    }
    return true;
}

static bool is_plain_subject(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return s.n <= PLAIN_SUBJECT_MAX && str_find(s, S("=?")) == SIZE_MAX;
}

/* RFC 2047: words of UTF-8 in base64, each of whole characters, one on a line. */
static void add_subject(struct buf *b, struct arena *a, Str s)
{
    buf_add_c(b, "Subject: ");
    if (is_plain_subject(s)) {
        buf_add(b, s);
    } else {
        for (bool first = true; s.n; first = false) {
            size_t n = s.n > WORD_MAX ? utf8_valid_prefix(str_head(s, WORD_MAX)) : s.n;
            buf_add_fmt(b, "%s=?UTF-8?B?%.*s?=", first ? "" : "\r\n ",
                        P(crypto_base64(a, str_head(s, n))));
            s = str_skip(s, n);
        }
    }
    buf_add_c(b, "\r\n");
}

/* One line as quoted-printable (RFC 2045 section 6.7), in lines of at most 76 characters. */
static void add_line(struct buf *b, Str line)
{
    size_t n = 0;

    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        bool space = (c == ' ' || c == '\t') && i + 1 < line.n;
        bool as_it_is = space || (c > ' ' && c <= '~' && c != '=');
        size_t need = as_it_is ? 1 : 3;
        if (n + need > LINE_MAX_BYTES) {
            buf_add_c(b, "=\r\n");
            n = 0;
        }
        if (as_it_is)
            buf_add_char(b, (char)c);
        else
            buf_add_fmt(b, "=%02X", c);
        n += need;
    }
    buf_add_c(b, "\r\n");
}

static void add_text(struct buf *b, Str text)
{
    while (text.p) {
        Str line, rest = str_cut(text, '\n', &line);
        if (str_ends(line, S("\r")))
            line.n--;
        add_line(b, line);
        text = rest;
    }
}

/* @s on one line. */
static Str one_line(struct arena *a, Str s)
{
    char *p = str_dup_c(a, utf8_repair(a, s));
    Str line = str_c(p);

    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)p[i] < ' ' || p[i] == 127)
            p[i] = ' ';
    return str_trim(line);
}

Str smtp_message_text(struct arena *a, const struct smtp_server *server,
                      const struct smtp_message *m)
{
    AUTO_BUF(b, MESSAGE_MAX);
    char date[TIME_RFC3339_SIZE];
    Str when = time_http_date(m->date, date);

    buf_add_fmt(&b, "From: <%.*s>\r\nTo: <%.*s>\r\n", P(server->from), P(m->to));
    add_subject(&b, a, one_line(a, m->subject));
    buf_add_fmt(&b, "Date: %.*s+0000\r\n", P(str_head(when, when.n - S("GMT").n)));
    buf_add_fmt(&b, "Message-ID: <%.*s%.*s>\r\n", P(m->id),
                P(str_skip(server->from, str_find_char(server->from, '@'))));
    buf_add_c(&b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    add_text(&b, utf8_repair(a, m->text));
    return b.failed ? S("") : str_dup(a, buf_str(&b));
}

/* ---- sending ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        DIE("curl_global_init failed");
}

struct sending {
    const struct smtp_server *server;
    const struct smtp_message *m;
    struct arena *a;
    const atomic_bool *stop;
    Str left;
    char why[CURL_ERROR_SIZE];
};

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    struct sending *s = arg;
    Str part = str_head(s->left, size * n);

    memcpy(to, part.p, part.n);
    s->left = str_skip(s->left, part.n);
    return part.n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct sending *s = arg;

    (void)a, (void)b, (void)c, (void)d;
    return s->stop && atomic_load(s->stop);
}

static void set_up(CURL *easy, struct sending *s, const struct curl_slist *to)
{
    const struct smtp_server *server = s->server;

    curl_easy_setopt(easy, CURLOPT_URL, str_dup_c(s->a, server->url));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_USE_SSL,
                     (long)(server->plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (server->ca_file.n)
        curl_easy_setopt(easy, CURLOPT_CAINFO, str_dup_c(s->a, server->ca_file));
    if (server->user.n) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, str_dup_c(s->a, server->user));
        curl_easy_setopt(easy, CURLOPT_PASSWORD, str_dup_c(s->a, server->password));
    }
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, str_dup_c(s->a, server->from));
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, s);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not one of the environment's for HTTP */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(CONNECT_TIMEOUT / USEC_MS));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(TIMEOUT / USEC_MS));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->why);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, s);
}

/* What the server says of this message, and not of who signs in (RFC 4954), is for ever when it
 * begins with 5. */
static Err judge(const struct sending *s, CURLcode result, long status)
{
    const char *why = s->why[0] ? s->why : curl_easy_strerror(result);

    if (result == CURLE_OK)
        return OK;
    if (result == CURLE_ABORTED_BY_CALLBACK)
        return err_set(E_CANCELLED, "sending a mail was broken off");
    if (result == CURLE_OPERATION_TIMEDOUT)
        return err_detail(E_TIMEOUT, "The mail server did not answer in time: %s", why);
    if (result == CURLE_LOGIN_DENIED)
        return err_detail(E_UNAVAILABLE, "The mail server refuses user and password (%ld).",
                          status);
    if (result == CURLE_USE_SSL_FAILED)
        return err_detail(E_UNAVAILABLE, "The mail server offers no TLS, and smtp.tls wants it.");
    if (status >= 500 && status <= 599 && status != 530 && status != 534 && status != 535 &&
        status != 538)
        return err_detail(E_INVALID, "The mail server refuses the mail: %s", why);
    return err_detail(E_UNAVAILABLE, "The mail cannot be handed over: %s", why);
}

static Err send_job(void *arg)
{
    struct sending *s = arg;
    struct curl_slist *to = NULL;
    long status = 0;

    (void)pthread_once(&once, start_curl);
    CURL *easy = curl_easy_init();
    to = curl_slist_append(NULL, str_dup_c(s->a, s->m->to));
    if (!easy || !to)
        DIE("out of memory");
    set_up(easy, s, to);
    CURLcode result = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(to);
    curl_easy_cleanup(easy);
    return judge(s, result, status);
}

Err smtp_send(const struct smtp_server *server, struct arena *a, const struct smtp_message *m,
              const atomic_bool *stop)
{
    struct sending s = {.server = server, .m = m, .a = a, .stop = stop};

    if (!smtp_is_address(m->to))
        return err_detail(E_INVALID, "\"%.*s\" is no e-mail address.", P(str_head(m->to, 100)));
    s.left = smtp_message_text(a, server, m);
    if (!s.left.n)
        return err_detail(E_INVALID, "The mail is larger than %d KiB.", MESSAGE_MAX >> 10);
    return work_run(send_job, &s);
}
