/* src/net/imap_parse.h - what IMAP servers say (RFC 3501, 9051). Pure.
 *
 * A response is one line, with the literals that stand in it where they stand.
 */
#ifndef NET_IMAP_PARSE_H
#define NET_IMAP_PARSE_H

#include "base/time.h"
#include "base/vec.h"

/* Whether @line, the last of a response so far, without its end, announces a literal; of what size.
 * @first: it is the first of its response. */
bool imap_literal(Str line, bool first, uint64_t *ret_size);

enum imap_kind {
    IMAP_OTHER,    /* nothing that is looked at */
    IMAP_CONTINUE, /* "+ ..." */
    IMAP_TAGGED,   /* .tag, .status, .code, .text */
    IMAP_STATUS,   /* the same without a tag: also BYE, PREAUTH */
    IMAP_CAPABILITY,
    IMAP_SEARCH,
    IMAP_EXISTS,
    IMAP_EXPUNGE,
    IMAP_FETCH,
};
enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

/* What a FETCH says of a message; what is not there is 0 or empty. */
struct imap_message {
    uint32_t uid;
    uint64_t size;
    Usec arrived; /* wall */
    Str body;     /* of the section that was asked for */
    bool has_body;
};

typedef VEC(uint32_t) ImapUids;

struct imap_response {
    enum imap_kind kind;
    enum imap_status status;
    Str tag, code, text; /* code: what stands in brackets, "UIDNEXT 5" */
    Str list;            /* of CAPABILITY and SEARCH, as it stands */
    uint32_t number;     /* of EXISTS, EXPUNGE, FETCH */
    struct imap_message message;
};

/* @text: the whole response without its last line end, which the result points into. E_SYNTAX with
 * a detail. */
Err imap_parse(Str text, struct imap_response *ret_response);
/* The numbers of a SEARCH; E_SYNTAX, E_TOO_LARGE past @max. */
Err imap_uids(struct arena *a, Str list, size_t max, ImapUids *ret_uids);
/* Whether the words of @list have @word, without case. */
bool imap_has_word(Str list, Str word);

/* The name of a folder in the alphabet of IMAP (modified UTF-7), quoted. E_INVALID. */
Err imap_folder_name(struct arena *a, Str name, Str *ret_quoted);

#endif
