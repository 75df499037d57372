/* src/net/imap_calls.c - what is asked of a mail server. */
#include "base/crypto.h"
#include "net/imap_private.h"

#include <stdio.h>
#include <stdlib.h>

static bool can(const struct imap *im, Str what)
{
    return imap_has_word(imap_caps(im), what);
}

/* ---- who we are ---- */

static Err refused_login(struct imap *im, Err e)
{
    return e == E_CONFLICT
               ? err_detail(E_FORBIDDEN, "The mail server does not take this user and password: %s",
                            im->words)
               : e;
}

/* "\0user\0password" in base64 (RFC 4616): any characters may stand in them. */
static Err login_plain(struct imap *im, struct arena *a, Str user, Str password)
{
    Str text = str_fmt(a, "%c%.*s%c%.*s", 0, P(user), 0, P(password));
    Str code = crypto_base64(a, text);

    im->secret_code = code; /* some servers repeat the line that they do not like */
    Err e = imap_command_begin(im, "AUTHENTICATE PLAIN");
    if (e == OK)
        e = imap_command_end(im, code);
    im->secret_code = S("");
    crypto_wipe((char *)(uintptr_t)text.p, text.n);
    crypto_wipe((char *)(uintptr_t)code.p, code.n);
    return refused_login(im, e);
}

static Err quoted(struct arena *a, Str s, Str *ret_quoted)
{
    AUTO_BUF(b, KIB(4));

    buf_add_char(&b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] >= 0x7f)
            return err_detail(E_UPSTREAM, "The mail server takes only ASCII in users and "
                                          "passwords: it does not offer AUTH=PLAIN.");
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_char(&b, '\\');
        buf_add_char(&b, s.p[i]);
    }
    buf_add_char(&b, '"');
    *ret_quoted = str_dup(a, buf_str(&b));
    crypto_wipe(b.p, b.n);
    return buf_ok(&b);
}

static Err login_bare(struct imap *im, struct arena *a, Str user, Str password)
{
    Str name, secret;

    if (can(im, S("LOGINDISABLED")))
        return err_detail(E_UPSTREAM, "The mail server takes no password on this connection.");
    TRY(quoted(a, user, &name));
    TRY(quoted(a, password, &secret));
    Err e = imap_command(im, "LOGIN %.*s %.*s", P(name), P(secret));
    crypto_wipe((char *)(uintptr_t)secret.p, secret.n);
    return refused_login(im, e);
}

Err imap_login(struct imap *im, Str user, Str password)
{
    AUTO(arena) *a = arena_new(KIB(64));

    if (user.n > 1000 || password.n > 1000)
        return err_detail(E_INVALID, "The user or the password is too long.");
    im->secret = password;
    im->caps_known = false;
    Err e = can(im, S("AUTH=PLAIN")) ? login_plain(im, a, user, password)
                                     : login_bare(im, a, user, password);
    im->secret = S("");
    TRY(e);
    return im->caps_known ? OK : imap_command(im, "CAPABILITY");
}

void imap_logout(struct imap *im)
{
    im->patience = USEC_S;
    Err e = im->idling ? imap_idle_end(im) : OK;
    if (e == OK)
        e = imap_command(im, "LOGOUT");
    (void)e; /* it is closed in any case */
}

/* ---- folders ---- */

static Err no_folder(struct imap *im, Err e, Str folder)
{
    return e == E_CONFLICT ? err_detail(E_NOT_FOUND, "The folder \"%.*s\" cannot be used: %s",
                                        P(str_head(folder, 100)), im->words)
                           : e;
}

Err imap_select(struct imap *im, Str folder, bool read_only, struct imap_folder *ret_folder)
{
    AUTO(arena) *a = arena_new(KIB(64));
    Str name;

    TRY(imap_folder_name(a, folder, &name));
    im->folder = (struct imap_folder){0};
    TRY(no_folder(im, imap_command(im, "%s %.*s", read_only ? "EXAMINE" : "SELECT", P(name)),
                  folder));
    if (!im->folder.uidvalidity)
        return err_detail(E_UPSTREAM, "The mail server does not number its messages for good "
                                      "(UIDVALIDITY), which is needed to run each once.");
    im->news = false;
    *ret_folder = im->folder;
    return OK;
}

Err imap_check_folder(struct imap *im, Str folder)
{
    AUTO(arena) *a = arena_new(KIB(64));
    Str name;

    TRY(imap_folder_name(a, folder, &name));
    return no_folder(im, imap_command(im, "STATUS %.*s (UIDVALIDITY)", P(name)), folder);
}

/* ---- messages ---- */

static int by_number(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

Err imap_search(struct imap *im, struct arena *a, Str criteria, ImapUids *ret_uids)
{
    ImapUids found = {0};
    size_t n = 0;

    im->found = &found;
    im->found_a = a;
    im->news = false;
    Err e = imap_command(im, "UID SEARCH %.*s", P(criteria));
    im->found = NULL;
    TRY(e);
    if (found.n)
        qsort(found.at, found.n, sizeof *found.at, by_number);
    for (size_t i = 0; i < found.n; i++)
        if (!n || found.at[n - 1] != found.at[i])
            found.at[n++] = found.at[i];
    found.n = n;
    *ret_uids = found;
    return OK;
}

static Err fetched(struct imap *im, Err e, struct imap_message *ret_message)
{
    im->wanted = 0;
    im->body_max = KIB(64);
    TRY(e);
    if (!im->message.uid)
        return err_detail(E_NOT_FOUND, "The message is not there any more.");
    *ret_message = im->message;
    return OK;
}

Err imap_fetch(struct imap *im, uint32_t uid, Str items, size_t max,
               struct imap_message *ret_message)
{
    im->message = (struct imap_message){0};
    im->wanted = uid;
    im->body_max = max + KIB(64);
    return fetched(im, imap_command(im, "UID FETCH %u (%.*s)", uid, P(items)), ret_message);
}

Err imap_last(struct imap *im, struct imap_message *ret_message)
{
    im->message = (struct imap_message){0};
    if (!im->folder.exists)
        return err_detail(E_NOT_FOUND, "The folder is empty.");
    im->wanted = UINT32_MAX;
    return fetched(im, imap_command(im, "FETCH %u (UID INTERNALDATE)", im->folder.exists),
                   ret_message);
}

Err imap_mark_seen(struct imap *im, uint32_t uid)
{
    return imap_command(im, "UID STORE %u +FLAGS.SILENT (\\Seen)", uid);
}

Err imap_delete(struct imap *im, uint32_t uid)
{
    TRY(imap_command(im, "UID STORE %u +FLAGS.SILENT (\\Deleted)", uid));
    /* EXPUNGE alone would remove what others have marked, too. */
    return can(im, S("UIDPLUS")) ? imap_command(im, "UID EXPUNGE %u", uid) : OK;
}

Err imap_move(struct imap *im, uint32_t uid, Str folder)
{
    AUTO(arena) *a = arena_new(KIB(64));
    Str name;

    TRY(imap_folder_name(a, folder, &name));
    if (can(im, S("MOVE")))
        return imap_command(im, "UID MOVE %u %.*s", uid, P(name));
    TRY(imap_command(im, "UID COPY %u %.*s", uid, P(name)));
    return imap_delete(im, uid);
}

/* ---- waiting ---- */

bool imap_can_idle(const struct imap *im)
{
    return can(im, S("IDLE"));
}

/* What large messages needed is not kept while nothing happens. */
static void trim(struct imap *im)
{
    if (im->response.cap > KIB(16))
        buf_done(&im->response);
    if (im->body.cap > KIB(16))
        buf_done(&im->body);
    if (im->in.n == im->at) {
        im->at = 0;
        buf_done(&im->in);
    }
}

Err imap_idle_begin(struct imap *im)
{
    TRY(imap_command_begin(im, "IDLE"));
    trim(im);
    im->idling = true;
    return OK;
}

Err imap_idle_wait(struct imap *im, Usec until, bool *ret_news)
{
    struct imap_response r;
    Err e = OK;

    while (!im->news && !im->poked && !im->bye) {
        if (time_mono() >= until)
            break;
        if (imap_has_line(im)) {
            TRY(imap_read(im, &r));
            if (r.kind == IMAP_TAGGED)
                return err_detail(E_UPSTREAM, "The mail server does not wait any more.");
            continue;
        }
        if (im->ended)
            return imap_cut(im);
        sock_read_start(&im->sock);
        e = imap_wait(im, until);
        if (e == E_TIMEOUT)
            break;
        TRY(e);
    }
    if (im->bye)
        return imap_cut(im);
    *ret_news = im->news || im->poked;
    im->poked = false;
    return OK;
}

Err imap_idle_end(struct imap *im)
{
    im->idling = false;
    return imap_command_end(im, S("DONE"));
}

Err imap_rest(struct imap *im, Usec until)
{
    trim(im);
    while (!im->poked) {
        if (im->ended)
            return imap_cut(im);
        Err e = imap_wait(im, until);
        if (e == E_TIMEOUT)
            break;
        TRY(e);
        if (im->in.n - im->at > IMAP_LINE_MAX)
            break;
    }
    im->poked = false;
    return OK;
}

Err imap_noop(struct imap *im)
{
    return imap_command(im, "NOOP");
}
