/* src/llm/body.h - finding and changing a few members of a JSON object without building it.
 *
 * A call in the dialect of its upstream is forwarded as it came: only "model" and "stream_options"
 * are changed, in place. The scanner reads each byte once, in pieces cut anywhere, keeps the
 * nesting as one bit a level, and notes where the wanted members of the outermost object stand. It
 * refuses what two parsers could understand differently: a wanted member given twice, text behind
 * the end. Escapes in the names of members are understood. Numbers and the insides of escapes are
 * left for the upstream to judge.
 */
#ifndef LLM_BODY_H
#define LLM_BODY_H

#include "base/buf.h"

enum { LLM_SCAN_DEPTH = 256, LLM_SCAN_KEY = 160 };

/* A wanted member. Its value stands in [from, to) of the text; to == 0: it is not there. */
struct llm_member {
    Str name; /* at most 26 bytes, ASCII */
    size_t from, to;
};

struct llm_scan {
    struct llm_member *members;
    size_t n_members;
    size_t at; /* bytes read before this piece */
    struct llm_member *open;
    unsigned depth;
    uint8_t state;
    bool in_key, key_escaped;
    unsigned key_n, word_n;
    uint64_t objects[LLM_SCAN_DEPTH / 64]; /* the bit of a level: it is an object */
    char key[LLM_SCAN_KEY];
    char word[8];
};

/* Borrows @members, whose places are reset. */
void llm_scan_init(struct llm_scan *s, struct llm_member *members, size_t n);
/* E_SYNTAX, E_TOO_LARGE (nesting) or E_BAD_INPUT (a member given twice), with a detail. */
Err llm_scan_feed(struct llm_scan *s, Str piece);
/* The text is over: E_SYNTAX if it was not whole. */
Err llm_scan_end(struct llm_scan *s);

/* The whole of @text at once. */
Err llm_scan_text(Str text, struct llm_member *members, size_t n);
/* The text of a member's value; empty if it is not there. */
static inline Str llm_member_text(Str body, const struct llm_member *m)
{
    return str_from(body.p + m->from, m->to - m->from);
}

/* Put @with in the place of [from, to). */
struct llm_edit {
    size_t from, to;
    Str with;
};
/* @body with @edits, which are in order and do not overlap. */
void llm_body_edit(Str body, const struct llm_edit *edits, size_t n, struct buf *out);

#endif
