/* src/net/mime.h - reading mails: RFC 5322 headers and MIME parts. Pure.
 *
 * What comes by mail is anybody's. All is bounded here: headers, parts, depth, addresses; what goes
 * beyond is left out and @cut says so. Nothing is refused for being odd: as much is read as can be.
 * Every text that is given is well-formed UTF-8.
 */
#ifndef NET_MIME_H
#define NET_MIME_H

#include "base/time.h"
#include "base/vec.h"

enum {
    MIME_HEAD_MAX = 256 << 10, /* bytes of one head; what stands behind is not read as headers */
    MIME_HEADERS_MAX = 500,
    MIME_DEPTH_MAX = 16,
    MIME_PARTS_MAX = 300, /* also of multiparts in multiparts */
    MIME_ADDRESSES_MAX = 500,
    MIME_PARAMS_MAX = 64,
};

enum mime_encoding { MIME_PLAIN, MIME_BASE64, MIME_QUOTED };

struct mime_header {
    Str name;
    Str value; /* unfolded, not decoded */
};
typedef VEC(struct mime_header) MimeHeaders;

/* A part that is no multipart. */
struct mime_part {
    Str type; /* lower case, "text/plain" */
    Str charset;
    Str disposition; /* lower case; empty: none is said */
    Str file_name;   /* without folders; empty: none */
    Str content_id;  /* without its brackets */
    enum mime_encoding encoding;
    Str body; /* as it was sent */
};
typedef VEC(struct mime_part) MimeParts;

struct mime_message {
    MimeHeaders headers; /* in their order */
    MimeParts parts;     /* in their order */
    bool cut;            /* there was more than is read */
};

struct mime_address {
    Str name, address;
};
typedef VEC(struct mime_address) MimeAddresses;

/* Points into @raw. Takes less of @a than four times MIME_HEAD_MAX and a part's head each. */
void mime_parse(struct arena *a, Str raw, struct mime_message *ret_message);
/* The value of the first header @name, unfolded; empty: there is none. */
Str mime_header(const MimeHeaders *headers, Str name);
/* A value with its encoded words decoded (RFC 2047). */
Str mime_words(struct arena *a, Str value);
/* The addresses of a list, also in groups. */
void mime_addresses(struct arena *a, Str value, MimeAddresses *ret_addresses);
/* Of a Date header or an INTERNALDATE of IMAP. E_SYNTAX. */
Err mime_date(Str value, Usec *ret_wall);

/* The content as bytes; what is no base64 in it is passed over. E_TOO_LARGE: @a does not hold it.
 */
Err mime_part_bytes(struct arena *a, const struct mime_part *part, Str *ret_bytes);
/* The content as text, of @max bytes at most; *ret_cut: there was more. E_TOO_LARGE likewise. */
Err mime_part_text(struct arena *a, const struct mime_part *part, size_t max, Str *ret_text,
                   bool *ret_cut);

/* ---- mime_charset.c ---- */

/* @in as UTF-8 appended to @out until that is full: what is no character becomes U+FFFD. Charsets
 * that are not known are taken for UTF-8 if @in is well-formed as such, else for windows-1252. */
struct buf;
void mime_decode_charset(struct buf *out, Str charset, Str in);

/* ---- mime_param.c ---- */

/* Parameters of Content-Type and the like, with their forms of RFC 2231. */
struct mime_param {
    Str name; /* lower case, without * and number */
    Str value;
    int number; /* of a continuation; -1: it is whole */
    bool extended;
};
struct mime_params {
    Str value; /* what stands before them, lower case */
    size_t n;
    struct mime_param at[MIME_PARAMS_MAX];
};
void mime_params(struct arena *a, Str value, struct mime_params *ret_params);
/* Empty: there is none. */
Str mime_param(struct arena *a, const struct mime_params *params, Str name);

#endif
