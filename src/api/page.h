/* src/api/page.h - pages that people see without signing in: approvals and forms. No script, no
 * sign-in, one style sheet that the policy knows by its hash.
 */
#ifndef API_PAGE_H
#define API_PAGE_H

#include "api/api.h"
#include "base/buf.h"
#include "wf/form.h"

enum { PAGE_MAX = 1 << 20 };

struct page_words {
    const char *lang;
    const char *yes, *choose, *choose_none, *optional, *check, *check_one, *sent_again;
    const char *wrong[FORM_OTHERWISE]; /* by enum form_wrong; %s is the limit */
};
/* German where the browser asks for it first, else English. */
const struct page_words *page_words(const struct req *req);
bool page_is_german(const struct req *req);

/* A page of another site that sends a form in somebody's name is to be turned away. Programs say
 * nothing of where they come from, and have nobody's name. */
bool page_comes_from_here(const struct req *req);

/* @s as text, safe in content and in attributes in double quotes. */
void page_text(struct buf *b, Str s);
/* As many of the first characters of @s as are at most @max bytes so. */
Str page_text_head(Str s, size_t max);
size_t page_text_len(Str s);
struct page {
    Str title, lead;  /* lead: below the title; empty: none */
    Str content;      /* HTML */
    const char *mark; /* before the title: "ok", "bad", or NULL */
    Str leads_to;     /* the origin that its form may be redirected to; empty: none but this */
};
Err page_send(struct req *req, struct res *res, int status, const struct page *page) YIELDS;

/* The fields as controls: @values (may be NULL) are what was given before, @errors what is wrong
 * with it. Controls are called "f." and the field's name. */
void page_fields(struct buf *b, const struct page_words *w, struct arena *a,
                 const FormFields *fields, const FormValues *values, const FormErrors *errors);
/* What is wrong with the form as a whole, or how many fields; nothing if nothing is. */
void page_errors(struct buf *b, const struct page_words *w, struct arena *a,
                 const FormFields *fields, const FormValues *values, const FormErrors *errors);

/* The body of a form, urlencoded or multipart: "f." values into *ret_values under their names,
 * others into *ret_others. E_SYNTAX, E_MEDIA_TYPE, E_TOO_LARGE. */
Err page_read(struct req *req, FormValues *ret_values, HttpHeaders *ret_others) YIELDS;

#endif
