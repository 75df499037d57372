/* src/main/apply.h - a file that says which providers, routes, prices, teams, users, keys and
 * limits there are to be.
 *
 * What it names is made, or changed into what it says; what it does not name stays, as do a
 * credential and limits that an entry leaves out (null takes them away). To apply it again does
 * nothing. All of it is checked before anything is written.
 */
#ifndef MAIN_APPLY_H
#define MAIN_APPLY_H

#include "main/boot.h"

enum { APPLY_FILE_MAX = 4 << 20, APPLY_ARENA_MAX = 256 << 20, APPLY_ENTRIES_MAX = 10000 };

typedef VEC(Str) ApplyNames;
struct apply {
    struct arena *a;
    struct boot *boot;
    Id tenant;
    const char *const *env;
    bool dry;       /* say what would be done, and do nothing */
    bool make_keys; /* and show them; else a key that is not there is an error */

    VEC(Str) providers, keys; /* that the file names, as the two below */
    ApplyNames teams, users;
    struct buf *out; /* a line for each thing that is made or changed */
    unsigned made, changed, same;
};

/* YAML or JSON as a tree. No anchors, aliases or tags, one document, no member twice. E_SYNTAX with
 * a detail that has the line. */
Err apply_parse(struct arena *a, Str text, struct json **ret_value);
/* ${NAME} in texts by the environment: E_NOT_FOUND if it is not set. */
Err apply_expand(struct arena *a, const char *const *env, Str text, Str *ret_text);

/* Apply what @text says: E_SYNTAX, E_INVALID and others with a detail that names the entry. */
Err apply_text(struct apply *ap, Str text) YIELDS;
/* The same of a file. */
Err apply_file(struct apply *ap, Str path) YIELDS;

/* ---- for the files of apply alone ---- */

/* Note an entry: what it is to become, in a line. @change: NULL if it is made, "" if it is as it
 * should be, else what is changed of it. */
void apply_note(struct apply *ap, const char *what, Str name, const char *change);
/* E_INVALID unless all members of @v are in @known (words with a space between them). */
Err apply_members(const struct json *v, const char *known);
/* A secret: only "${NAME}" or {"file": PATH}. *ret_secret: p == NULL if @v is not there. */
Err apply_secret(struct apply *ap, const struct json *v, Str *ret_secret) YIELDS;

/* The key that works and has the name; *ret_key NULL: none. */
Err apply_find_key(struct apply *ap, Str name, const struct auth_key **ret_key) YIELDS;

Err apply_provider(struct apply *ap, const struct json *v) YIELDS;
Err apply_route(struct apply *ap, const struct json *v) YIELDS;
Err apply_price(struct apply *ap, const struct json *v) YIELDS;
Err apply_team(struct apply *ap, const struct json *v) YIELDS;
Err apply_user(struct apply *ap, const struct json *v) YIELDS;
/* The user or team (an enum auth_kind) that @v names; ID_NONE: it is null or not there, or the file
 * makes it and this is a look. E_NOT_FOUND. */
Err apply_owner(struct apply *ap, const struct json *v, int kind, Id *ret_id) YIELDS;
/* Limits and more of a subject: whether they can be; and as @v says, where what it leaves out
 * stays.
 * @what NULL: nothing is noted of it. */
Err apply_policy_check(struct apply *ap, const struct json *v);
Err apply_policy(struct apply *ap, const char *what, Str name, Id subject, const struct json *v)
    YIELDS;
Err apply_key(struct apply *ap, const struct json *v) YIELDS;
Err apply_guard(struct apply *ap, const struct json *v) YIELDS;
Err apply_limits(struct apply *ap, const struct json *v) YIELDS;

#endif
