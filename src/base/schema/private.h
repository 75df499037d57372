/* src/base/schema/private.h - what the files of the schema compiler and evaluator share.
 *
 * A schema is compiled into nodes, one for each subschema that can be reached, each a list of
 * checks in the order of the table of keywords. Evaluation keeps its place in a stack of frames on
 * the heap (run.c): a check that needs a subschema evaluated pushes a frame, returns STEP_CALLED,
 * and is called again with the answer. So neither deep instances nor self-referring schemas use up
 * the C stack, and one counter bounds all work.
 */
#ifndef BASE_SCHEMA_PRIVATE_H
#define BASE_SCHEMA_PRIVATE_H

#include "base/json_private.h"
#include "base/json_schema.h"

struct schema_pattern;
struct schema_run;
struct schema_frame;
struct schema_compiler;
struct schema_keyword;
struct schema_node;

/* ---- the compiled form ---- */

enum {
    VOCAB_CORE = 1,
    VOCAB_APPLICATOR = 2,
    VOCAB_UNEVALUATED = 4,
    VOCAB_VALIDATION = 8,
    VOCAB_FORMAT = 16, /* format asserts */
};

struct schema_anchor {
    Str name;
    const struct json *at;
    bool dynamic;
    struct schema_node *node; /* of dynamic ones that a $dynamicRef names */
};

/* What has its own URI: a document, or a subschema with $id. */
struct schema_resource {
    Str uri; /* without fragment; "" for a root without $id */
    const struct json *root;
    struct schema_resource *parent; /* around it */
    unsigned vocab;                 /* 0 until it is asked for */
    VEC(struct schema_anchor) anchors;
};

/* One keyword of a node. Which members are used depends on the keyword. */
struct schema_check {
    const struct schema_keyword *kw;
    const struct json *arg;
    int64_t n, max;
    struct schema_node *node, *then, *other;
    struct schema_node **nodes; /* in the order of arg's elements or members */
    void *data;
};

struct schema_node {
    const struct json *src;
    struct schema_resource *res;
    /* The node that led here and by what: for the compiler's error texts. */
    const struct schema_node *parent;
    const char *keyword;
    Str token;
    bool tracks; /* has unevaluatedItems or unevaluatedProperties */
    bool never;  /* the schema false */
    uint32_t n;
    struct schema_check *checks;
};

struct json_schema {
    struct arena *a;
    struct schema_node *root;
};

/* ---- keywords ---- */

/* Where a keyword's value holds subschemas. */
enum schema_sub { SUB_NONE, SUB_ONE, SUB_LIST, SUB_MAP, SUB_ONE_OR_LIST };

enum schema_step { STEP_DONE, STEP_CALLED };

struct schema_keyword {
    const char *name;
    unsigned vocab;
    enum schema_sub sub;
    /* Fill @check, whose kw and arg are set; NULL: nothing is done but finding subschemas. */
    Err (*compile)(struct schema_compiler *c, struct schema_node *node, struct schema_check *check);
    /* A compile function that finds nothing to do at run time sets check->kw to NULL. */
    enum schema_step (*step)(struct schema_run *r, struct schema_frame *f,
                             const struct schema_check *check);
};

/* Both end in a keyword without name. A node's checks run in this order: what looks at the value
 * itself first, unevaluatedItems and unevaluatedProperties last. */
extern const struct schema_keyword schema_assertions[], schema_applicators[];

/* The compile functions of the tables call these of compile.c. */
struct arena *schema_arena(struct schema_compiler *c);
unsigned schema_flags(const struct schema_compiler *c);
/* The node of @child, which stands in @node behind @keyword and, if not empty, @token. */
Err schema_child(struct schema_compiler *c, struct schema_node *node, const char *keyword,
                 Str token, const struct json *child, struct schema_node **ret_node);
/* The node that a reference leads to. *ret_dynamic: it names a $dynamicAnchor. */
Err schema_refer(struct schema_compiler *c, struct schema_node *node, Str ref,
                 struct schema_node **ret_node, Str *ret_dynamic);
/* A node that nothing is left to check on. */
static inline bool schema_is_true(const struct schema_node *node)
{
    return node->n == 0;
}
/* "<place>: <keyword> <text>" as detail. */
Err schema_bad(const struct schema_node *node, const char *keyword, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- evaluation ---- */

/* How a frame's value lies to that of the frame below. */
enum schema_place {
    PLACE_SAME,  /* the same value, what it evaluates counts for the caller */
    PLACE_BLIND, /* the same value, nothing counts: not, the names of members */
    PLACE_KEY,   /* a member */
    PLACE_ITEM,  /* an element */
};

struct schema_frame {
    const struct schema_node *node;
    const struct json *v;
    const struct json *key; /* PLACE_KEY */
    uint64_t *marks;        /* a bit for each child of v that was evaluated; NULL if nobody asks */
    uint32_t index;         /* PLACE_ITEM */
    uint32_t check;         /* which check is at work */
    uint32_t i, count;      /* its own place, 0 at its start */
    uint32_t in_place;      /* frames below with the same value */
    uint8_t place;
    bool ok;
    bool quiet;    /* errors are not recorded: a failure is no failure of the whole */
    bool returned; /* the frame above has just ended, with child_ok */
    bool child_ok;
};

/* Evaluate @node on a value; @f is not valid any more afterwards. Gives STEP_CALLED. */
struct schema_call {
    const struct schema_node *node;
    const struct json *v;
    enum schema_place place;
    const struct json *key;
    size_t index;
    bool quiet;
};
enum schema_step schema_call(struct schema_run *r, struct schema_frame *f,
                             const struct schema_call *call);
/* Record that @check does not hold. Gives STEP_DONE. */
enum schema_step schema_fail(struct schema_run *r, struct schema_frame *f,
                             const struct schema_check *check, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Whether the rest of the frame need not be looked at. */
bool schema_is_over(const struct schema_run *r, const struct schema_frame *f);
/* Charge work that grows with the data; false when the budget is spent. */
bool schema_charge(struct schema_run *r, size_t steps);
/* The same for work on the whole of @v. */
bool schema_charge_for(struct schema_run *r, const struct json *v);
/* How many values @v is made of, long strings counting more; counted to @limit. */
size_t schema_size(const struct json *v, size_t limit);
/* Where a $dynamicRef leads in the present scope. */
const struct schema_node *schema_dynamic(struct schema_run *r, const struct schema_check *check);
bool schema_matches(struct schema_run *r, const struct schema_pattern *pattern, Str text);

static inline void schema_mark(struct schema_frame *f, size_t i)
{
    if (f->marks)
        f->marks[i / 64] |= (uint64_t)1 << i % 64;
}
static inline bool schema_is_marked(const struct schema_frame *f, size_t i)
{
    return f->marks && (f->marks[i / 64] >> i % 64 & 1);
}

/* ---- patterns (pattern.c), formats (format.c), URIs (uri.c), meta-schemas (meta.c) ---- */

/* Compile an ECMAScript pattern. E_SYNTAX with a private text. Freed with @a. */
Err schema_pattern_new(struct arena *a, Str text, struct schema_pattern **ret_pattern);
bool schema_pattern_valid(Str text);

struct schema_matcher;
struct schema_matcher *schema_matcher_new(void);
void schema_matcher_free(struct schema_matcher *m);
/* What the last match took, in nanoseconds; 0 if it was too short to be measured. */
int64_t schema_matcher_spent(const struct schema_matcher *m);
/* E_TOO_LARGE when the match was given up. */
Err schema_pattern_match(struct schema_matcher *m, const struct schema_pattern *pattern, Str text,
                         bool *ret_matches);

/* NULL for a format that is not known. */
typedef bool schema_format_fn(Str s);
schema_format_fn *schema_format(Str name);

/* RFC 3986 section 5.2: @ref seen from @base. */
Str schema_uri_resolve(struct arena *a, Str base, Str ref);
/* The fragment, "" if there is none; *ret_uri is what stands before it. */
Str schema_uri_split(Str uri, Str *ret_uri);
/* With %XX undone; @s itself when there are none. */
Str schema_uri_decode(struct arena *a, Str s);
bool schema_uri_valid(Str s, bool relative, bool international);

/* The text of a 2020-12 meta-schema; empty if @uri names none. */
Str schema_meta(Str uri);

#endif
