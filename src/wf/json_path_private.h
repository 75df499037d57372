/* src/wf/json_path_private.h - a compiled JSONPath, between json_path_parse.c and json_path.c. */
#ifndef WF_JSON_PATH_PRIVATE_H
#define WF_JSON_PATH_PRIVATE_H

#include "wf/json_path.h"
#include "wf/pattern.h"

enum jp_selector_kind { JP_NAME, JP_WILD, JP_INDEX, JP_SLICE, JP_FILTER };

struct jp_selector {
    enum jp_selector_kind kind;
    Str name;
    int64_t start, end, step; /* JP_INDEX: start */
    bool has_start, has_end;
    const struct jp_expr *filter;
};

struct jp_segment {
    bool descendant;
    struct jp_selector *selectors;
    int n;
};

struct jp_query {
    bool relative; /* begins with "@" */
    bool singular; /* selects at most one node whatever the document */
    struct jp_segment *segments;
    int n;
};

enum jp_function { JP_LENGTH, JP_COUNT, JP_VALUE, JP_MATCH, JP_SEARCH };

enum jp_term_kind { JP_LITERAL, JP_QUERY, JP_CALL };

/* A literal, a query, or the call of a function. */
struct jp_term {
    enum jp_term_kind kind;
    const struct json *literal;
    const struct jp_query *query;
    enum jp_function function;
    struct jp_term *args[2];
    struct wf_pattern *pattern; /* of match and search with a literal */
};

enum jp_expr_kind { JP_OR, JP_AND, JP_NOT, JP_TEST, JP_COMPARE };
enum jp_op { JP_EQ, JP_NE, JP_LT, JP_LE, JP_GT, JP_GE };

struct jp_expr {
    enum jp_expr_kind kind;
    const struct jp_expr **parts; /* JP_OR, JP_AND: all of them; JP_NOT: one */
    int n_parts;
    const struct jp_term *left; /* JP_TEST, JP_COMPARE */
    const struct jp_term *right;
    enum jp_op op;
};

struct wf_jsonpath {
    struct jp_query query;
};

#endif
