/* src/api/page.c - the frame of pages for people: style, policy, language. */
#include "api/page.h"
#include "base/crypto.h"
#include "base/utf8.h"
#include "net/multipart.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f5f2ea;--card:#fffdf9;--sunk:#fff;--line:#dfd8ca;"
    "--edge:#998f7e;--ink:#24211c;--ink2:#585146;--accent:#2a4a7f;--strong:#1f3a68;--soft:#e3e9f3;"
    "--on:#fff;--bad:#a3302a;--badsoft:#f8e4df;--ok:#35663c;--oksoft:#e1ecdb;--shade:60 48 28}"
    "@media(prefers-color-scheme:dark){:root{--bg:#171512;--card:#1f1c18;--sunk:#171512;"
    "--line:#37322a;--edge:#7d7566;--ink:#eee9df;--ink2:#bfb7a8;--accent:#9bb8ea;--strong:#b7cdf3;"
    "--soft:#253045;--on:#121a29;--bad:#f0958a;--badsoft:#43211d;--ok:#98c78f;--oksoft:#22331f;"
    "--shade:0 0 0}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 ui-sans-serif,system-ui,"
    "sans-serif;-webkit-text-size-adjust:100%}"
    "main{max-width:40rem;margin:clamp(0rem,6vw,4rem) auto;background:var(--card);border:1px solid "
    "var(--line);border-radius:14px;overflow:hidden;box-shadow:0 1px 2px rgb(var(--shade)/.06),0 "
    "12px 32px rgb(var(--shade)/.08)}"
    "main::before{content:\"\";display:block;height:6px;background:repeating-linear-gradient(90deg,"
    "var(--accent) 0 10px,transparent 10px 14px)}"
    ".in{padding:clamp(1.25rem,5vw,2.5rem)}"
    "h1{font:600 1.65rem/1.25 ui-serif,Georgia,serif;margin:0;letter-spacing:-.01em;"
    "overflow-wrap:anywhere;text-wrap:balance}"
    ".lead{margin:.6rem 0 0;color:var(--ink2);white-space:pre-line;overflow-wrap:anywhere}"
    ".of{margin:0 0 .35rem;color:var(--ink2);font-size:.875rem}"
    "form{margin-top:1.75rem}"
    ".field{margin:0 0 1.35rem;padding:0;border:0;min-width:0}"
    "label,legend{padding:0;font-weight:600}a{color:var(--accent)}"
    ".field>label:not(.one),legend{display:block;margin-bottom:.3rem;overflow-wrap:anywhere}"
    ".opt{font-weight:400;color:var(--ink2);font-size:.875rem}"
    ".hint{margin:0 0 .4rem;color:var(--ink2);font-size:.9rem;overflow-wrap:anywhere}"
    "input:not([type=checkbox],[type=radio]),select,textarea{display:block;width:100%;font:inherit;"
    "color:inherit;padding:.6rem .75rem;min-height:2.75rem;border:1px solid var(--edge);"
    "border-radius:8px;background:var(--sunk)}"
    "textarea{min-height:7.5rem;resize:vertical}"
    "input[type=file]{padding:.45rem .5rem;font-size:.9rem}"
    "input::file-selector-button{font:inherit;color:inherit;margin-right:.75rem;padding:.3rem "
    ".7rem;"
    "border:1px solid var(--edge);border-radius:6px;background:var(--card)}"
    "input[type=checkbox],input[type=radio]{width:1.15rem;height:1.15rem;margin:.2rem .65rem 0 0;"
    "flex:none;accent-color:var(--accent)}"
    ".one{display:flex;align-items:flex-start;padding:.4rem 0;font-weight:400;min-height:2.25rem;"
    "cursor:pointer;overflow-wrap:anywhere}"
    ":is(input,select,textarea,button,a):focus-visible{outline:2px solid var(--accent);"
    "outline-offset:2px}"
    "[aria-invalid=true]:not([type=checkbox],[type=radio]){border-color:var(--bad)!important;"
    "box-shadow:inset 3px 0 0 var(--bad)}"
    ".err{margin:.35rem 0 0;color:var(--bad);font-size:.9rem}"
    ".err::before{content:\"\\2192\\00a0\"}"
    ".note{margin:1.5rem 0 0;padding:.75rem 1rem;border-radius:8px;background:var(--soft);"
    "overflow-wrap:anywhere}"
    ".note.bad{background:var(--badsoft);color:var(--bad)}.note.bad a{color:inherit}"
    ".note ul{margin:.3rem 0 0;padding-left:1.1rem}"
    ".acts{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:2rem}"
    "button,.button{font:inherit;font-weight:600;padding:.65rem "
    "1.5rem;min-height:2.75rem;border:1px "
    "solid var(--accent);border-radius:8px;background:var(--accent);color:var(--on);cursor:pointer;"
    "text-decoration:none}"
    "button:hover,.button:hover{background:var(--strong);border-color:var(--strong)}"
    "button.no{background:none;color:var(--bad);border-color:var(--bad)}"
    "button.no:hover{background:var(--badsoft)}"
    ".mark{display:grid;place-items:center;width:3rem;height:3rem;margin-bottom:1rem;"
    "border-radius:50%;background:var(--oksoft);color:var(--ok);font-size:1.5rem;font-weight:700}"
    ".mark.bad{background:var(--badsoft);color:var(--bad)}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:1.25rem 0 0}"
    "pre.code{font:.875rem/1.5 ui-monospace,Menlo,monospace;padding:.9rem 1rem;border-radius:8px;"
    "background:var(--bg)}"
    "dl{margin:1.5rem 0 0;border-top:1px solid var(--line)}"
    "dl div{display:grid;grid-template-columns:minmax(6rem,1fr) 2fr;gap:1rem;padding:.6rem 0;"
    "border-bottom:1px solid var(--line)}dt{color:var(--ink2)}"
    "dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}"
    ".talk{list-style:none;margin:1.75rem 0 0;padding:0;display:grid;gap:1rem}"
    ".talk li{max-width:88%;overflow-wrap:anywhere}.talk .me{justify-self:end;text-align:right}"
    ".talk .who{font-size:.8rem;color:var(--ink2)}"
    ".talk p{margin:.15rem 0 0;padding:.65rem .95rem;border-radius:14px;border:1px solid "
    "var(--line);background:var(--bg);white-space:pre-wrap;text-align:left}"
    ".talk .me p{background:var(--soft);border-color:transparent;border-bottom-right-radius:4px}"
    ".talk .it p{border-bottom-left-radius:4px}.talk .none p{color:var(--ink2);font-style:italic}"
    ".acts .plain{align-self:center;font-weight:400;color:var(--accent)}"
    "@media(max-width:44rem){main{margin:0;border-width:0;border-radius:0;min-height:100vh;"
    "box-shadow:none}.acts button{flex:1}}"
    "@media(forced-colors:active){main::before{background:CanvasText}}";

static const struct page_words english = {
    .lang = "en",
    .yes = "Yes",
    .choose = "Choose\xe2\x80\xa6",
    .choose_none = "No choice",
    .optional = "optional",
    .check = "Some answers need another look",
    .check_one = "One answer needs another look",
    .sent_again = "Please choose your files again.",
    .wrong = {[FORM_MISSING] = "This is needed.",
              [FORM_NOT_EMAIL] = "This is no e-mail address. One looks like name@example.com.",
              [FORM_NOT_URL] = "This is no web address. One begins with https://.",
              [FORM_NOT_DATE] = "This is no date. One looks like 2026-11-20.",
              [FORM_NOT_TIME] = "This is no time of day. One looks like 13:45.",
              [FORM_NOT_NUMBER] = "This is no number.",
              [FORM_NOT_INTEGER] = "This is no whole number.",
              [FORM_NOT_CHOICE] = "This is not among the choices.",
              [FORM_TOO_SHORT] = "This is too short: at least %s characters.",
              [FORM_TOO_LONG] = "This is too long: at most %s characters.",
              [FORM_TOO_SMALL] = "This is too small. The least is %s.",
              [FORM_TOO_LARGE] = "This is too large. The most is %s."},
};
static const struct page_words german = {
    .lang = "de",
    .yes = "Ja",
    .choose = "Bitte wählen\xe2\x80\xa6",
    .choose_none = "Keine Auswahl",
    .optional = "optional",
    .check = "Bitte sehen Sie einige Angaben noch einmal an",
    .check_one = "Bitte sehen Sie eine Angabe noch einmal an",
    .sent_again = "Bitte wählen Sie Ihre Dateien noch einmal aus.",
    .wrong = {[FORM_MISSING] = "Diese Angabe fehlt.",
              [FORM_NOT_EMAIL] = "Das ist keine E-Mail-Adresse wie name@example.com.",
              [FORM_NOT_URL] = "Das ist keine Webadresse. Eine beginnt mit https://.",
              [FORM_NOT_DATE] = "Das ist kein Datum. Eines sieht so aus: 2026-11-20.",
              [FORM_NOT_TIME] = "Das ist keine Uhrzeit. Eine sieht so aus: 13:45.",
              [FORM_NOT_NUMBER] = "Das ist keine Zahl.",
              [FORM_NOT_INTEGER] = "Das ist keine ganze Zahl.",
              [FORM_NOT_CHOICE] = "Das steht nicht zur Wahl.",
              [FORM_TOO_SHORT] = "Das ist zu kurz: mindestens %s Zeichen.",
              [FORM_TOO_LONG] = "Das ist zu lang: höchstens %s Zeichen.",
              [FORM_TOO_SMALL] = "Das ist zu wenig. Das Mindeste ist %s.",
              [FORM_TOO_LARGE] = "Das ist zu viel. Das Höchste ist %s."},
};

bool page_is_german(const struct req *req)
{
    return str_starts_nocase(str_trim(req_header(req, S("accept-language"))), S("de"));
}

const struct page_words *page_words(const struct req *req)
{
    return page_is_german(req) ? &german : &english;
}

bool page_comes_from_here(const struct req *req)
{
    bool says = req_header(req, S("origin")).p || req_header(req, S("sec-fetch-site")).p;
    return !says || req_same_origin(req);
}

/* What stands for @c in a page; NULL: itself. */
static const char *escape_of(char c)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void page_text(struct buf *b, Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *escape = escape_of(s.p[i]);
        if (escape)
            buf_add_c(b, escape);
        else
            buf_add_char(b, s.p[i]);
    }
}

Str page_text_head(Str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *escape = escape_of(s.p[i]);
        size_t n = escape ? strlen(escape) : 1;
        if (n > max)
            return str_head(s, utf8_valid_prefix(str_head(s, i)));
        max -= n;
    }
    return s;
}

size_t page_text_len(Str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        const char *escape = escape_of(s.p[i]);
        n += escape ? strlen(escape) : 1;
    }
    return n;
}

static void add_heading(struct buf *b, const struct page *page)
{
    if (page->mark) {
        bool ok = strcmp(page->mark, "ok") == 0;
        buf_add_fmt(b, "<div class=\"mark%s\" aria-hidden=\"true\">%s</div>", ok ? "" : " bad",
                    ok ? "\xe2\x9c\x93" : "!");
    }
    buf_add_c(b, "<h1>");
    page_text(b, page->title);
    buf_add_c(b, "</h1>");
    if (page->lead.n) {
        buf_add_c(b, "<p class=\"lead\">");
        page_text(b, page->lead);
        buf_add_c(b, "</p>");
    }
}

/* The referrer stays within this server: without one a browser would not say where a form was sent
 * from, which is looked at. */
Err page_send(struct req *req, struct res *res, int status, const struct page *page)
{
    AUTO_BUF(b, PAGE_MAX + sizeof style + KIB(64));
    uint8_t hash[32];

    crypto_sha256(str_c(style), hash);
    Str sum = crypto_base64(req->a, str_from((char *)hash, sizeof hash));
    res_header(res, S("Content-Security-Policy"),
               str_fmt(req->a,
                       "default-src 'none'; style-src 'sha256-%.*s'; form-action 'self' %.*s; "
                       "base-uri 'none'; frame-ancestors 'none'",
                       P(sum), P(page->leads_to)));
    res_header(res, S("Referrer-Policy"), S("same-origin"));
    buf_add_fmt(&b,
                "<!doctype html><html lang=\"%s\"><head><meta charset=\"utf-8\"><meta "
                "name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" "
                "content=\"noindex\"><title>",
                page_words(req)->lang);
    page_text(&b, page->title);
    buf_add_fmt(&b, "</title><style>%s</style></head><body><main><div class=\"in\">", style);
    add_heading(&b, page);
    buf_add(&b, page->content);
    buf_add_c(&b, "</div></main></body></html>");
    TRY(buf_ok(&b));
    return res_send(res, status, S("text/html; charset=utf-8"), buf_str(&b));
}

/* ---- what comes back ---- */

enum { PAIRS_MAX = 2000 };

static void keep(struct arena *a, struct form_value v, FormValues *values, HttpHeaders *others)
{
    if (str_starts(v.name, S("f."))) {
        v.name = str_skip(v.name, 2);
        vec_push(a, values, v);
    } else if (!v.file) {
        http_header_add(a, others, v.name, v.value);
    }
}

static Err read_multipart(struct arena *a, Str type, Str body, FormValues *values,
                          HttpHeaders *others)
{
    MultipartParts parts;
    Str boundary;

    TRY(multipart_boundary(a, type, &boundary));
    TRY(multipart_parse(a, body, boundary, PAIRS_MAX, &parts));
    vec_each(&parts, p) {
        if (!p->file && !utf8_valid(p->data))
            return err_detail(E_BAD_INPUT, "A field of the form is not UTF-8.");
        keep(a, (struct form_value){p->name, p->data, p->file, p->file_name, p->media_type}, values,
             others);
    }
    return OK;
}

Err page_read(struct req *req, FormValues *ret_values, HttpHeaders *ret_others)
{
    Str type = req_header(req, S("content-type")), bare = type, body;
    FormValues values = {0};
    HttpHeaders pairs = {0}, others = {0};

    (void)str_cut(type, ';', &bare); /* its parameters are of no use here */
    bare = str_trim(bare);
    TRY(req_body(req, &body));
    if (str_starts_nocase(bare, S("multipart/"))) {
        TRY(read_multipart(req->a, type, body, &values, &others));
    } else if (!bare.n || str_eq_nocase(bare, S("application/x-www-form-urlencoded"))) {
        TRY(url_query_all(req->a, body, PAIRS_MAX, &pairs));
        vec_each(&pairs, p)
            keep(req->a, (struct form_value){.name = p->name, .value = p->value}, &values, &others);
    } else {
        return err_detail(E_MEDIA_TYPE, "A form is sent as application/x-www-form-urlencoded or "
                                        "multipart/form-data.");
    }
    *ret_values = values;
    *ret_others = others;
    return OK;
}
