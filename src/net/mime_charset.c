/* src/net/mime_charset.c - characters of mails to UTF-8.
 *
 * The names come from outside and iconv(3) loads code by them, some of which nobody has looked at
 * for years: only those that are in use are asked for.
 */
#include "base/buf.h"
#include "base/utf8.h"
#include "net/mime.h"

#include <errno.h>
#include <iconv.h>

static const struct {
    const char *name, *iconv;
} charsets[] = {
    {"iso-8859-2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "ISO-8859-9"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"latin2", "ISO-8859-2"},
    {"latin9", "ISO-8859-15"},
    {"windows-1250", "CP1250"},
    {"windows-1251", "CP1251"},
    {"windows-1252", "CP1252"},
    {"windows-1253", "CP1253"},
    {"windows-1254", "CP1254"},
    {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},
    {"windows-1257", "CP1257"},
    {"windows-1258", "CP1258"},
    {"cp1251", "CP1251"},
    {"cp1252", "CP1252"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"gb2312", "GBK"},
    {"gbk", "GBK"},
    {"gb18030", "GB18030"},
    {"big5", "BIG5"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"euc-jp", "EUC-JP"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"tis-620", "TIS-620"},
    {"windows-874", "CP874"},
    {"macintosh", "MACINTOSH"},
    {"utf-16", "UTF-16"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
};

enum { STEP = 2048 };

/* The well-formed part of @s as it is; the rest byte by byte as U+FFFD. */
static void add_utf8(struct buf *out, Str s)
{
    while (s.n && !out->failed) {
        size_t n = utf8_valid_prefix(str_head(s, STEP));
        if (n == 0) {
            buf_add(out, S("\xef\xbf\xbd"));
            n = 1;
        } else {
            buf_add(out, str_head(s, n));
        }
        s = str_skip(s, n);
    }
}

static const char *iconv_name(Str charset)
{
    for (size_t i = 0; i < ARRAY_LEN(charsets); i++)
        if (str_eq_nocase(charset, str_c(charsets[i].name)))
            return charsets[i].iconv;
    return NULL;
}

static void add_converted(struct buf *out, iconv_t cd, Str in)
{
    char *p = (char *)(uintptr_t)in.p, step[STEP];
    size_t left = in.n;

    while (left && !out->failed) {
        char *to = step;
        size_t room = sizeof step;
        size_t done = iconv(cd, &p, &left, &to, &room);
        buf_add(out, str_from(step, sizeof step - room));
        if (done != (size_t)-1 || errno == E2BIG)
            continue;
        buf_add(out, S("\xef\xbf\xbd"));
        p++, left--;
    }
    /* Some keep the last character, which a mark behind it could change. */
    char *to = step;
    size_t room = sizeof step;
    if (iconv(cd, NULL, NULL, &to, &room) != (size_t)-1)
        buf_add(out, str_from(step, sizeof step - room));
}

void mime_decode_charset(struct buf *out, Str charset, Str in)
{
    const char *name = iconv_name(charset);
    bool is_utf8 = str_eq_nocase(charset, S("utf-8")) || str_eq_nocase(charset, S("utf8"));

    if (!name) {
        if (is_utf8 || utf8_valid(in)) {
            add_utf8(out, in);
            return;
        }
        name = "CP1252"; /* what is said to be ASCII or Latin-1 mostly is that */
    }
    iconv_t cd = iconv_open("UTF-8", name);
    if (cd == (iconv_t)-1) { /* the system has no tables for it */
        add_utf8(out, in);
        return;
    }
    add_converted(out, cd, in);
    iconv_close(cd);
}
