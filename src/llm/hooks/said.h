/* src/llm/hooks/said.h - what is said in a request or an answer, in structured form.
 *
 * Every text that the JSON of any dialect has is one part, with who says it and where it stands;
 * what is not known to be text of the conversation (tools, metadata, members that only one provider
 * knows) is shown, too, as LLM_SAID_OTHER: nothing goes past a reader by standing in an odd place.
 * Left out are words of the dialect itself: names of kinds, ids, numbers, signatures.
 *
 * Parts point into the JSON they were read from. Giving one another text (part.with) and
 * llm_said_apply() change that JSON. Pure; bounded: E_TOO_LARGE past LLM_SAID_PARTS_MAX parts.
 */
#ifndef LLM_HOOKS_SAID_H
#define LLM_HOOKS_SAID_H

#include "base/json.h"

enum {
    LLM_SAID_PARTS_MAX = 50000,
    LLM_SAID_PATH_MAX = 160,
    LLM_SAID_COPIED_MAX = 48 << 20, /* of objects and lists as text */
    LLM_SAID_ARENA = 128 << 20,     /* what the parts of one text take at most, and room to spare */
};

enum llm_said_kind {
    LLM_SAID_TEXT,
    LLM_SAID_THINKING,
    LLM_SAID_CALL,   /* the arguments of a call of a tool, as JSON */
    LLM_SAID_RESULT, /* what a tool gave */
    LLM_SAID_IMAGE,  /* a URL, "data:" and base64, or base64 alone */
    LLM_SAID_FILE,   /* likewise */
    LLM_SAID_OTHER,
    LLM_SAID_KINDS
};

struct llm_said_part {
    enum llm_said_kind kind;
    Str role;      /* system, user, assistant, tool, ..., as the dialect has it; empty: not known */
    Str path;      /* RFC 6901; a long one ends in "..." */
    Str name;      /* of the tool that is called, or of the file */
    Str text;      /* an object or a list: its JSON */
    Str before;    /* of a stream: what went out of the same text already, its end */
    Str with;      /* instead of the text; p == NULL: it stays */
    bool replaced; /* the text is another one than it was */
    struct json *place; /* NULL: it cannot be changed */
    bool whole;         /* place is an object or a list */
    int64_t group;      /* the choice of an answer it is of; -1: the only one */
};

struct llm_said {
    struct arena *a; /* of LLM_SAID_ARENA or more; of the parts */
    VEC(struct llm_said_part) parts;
    size_t bytes; /* of all texts */
    size_t copied;
};

extern const Str llm_said_kinds[LLM_SAID_KINDS];

/* The parts of a request's body. E_TOO_LARGE. */
Err llm_said_request(struct llm_said *said, struct json *body);
/* Those of a whole answer, or of one event of a streamed one. E_TOO_LARGE. */
Err llm_said_answer(struct llm_said *said, struct json *answer);
/* One more part. E_TOO_LARGE. */
Err llm_said_add(struct llm_said *said, const struct llm_said_part *part);
/* Whether any part has another text; put these in their places, in @a. E_INVALID: one has no place,
 * or is no such JSON as stands there. */
Err llm_said_apply(struct llm_said *said, struct arena *a, bool *ret_changed);

#endif
