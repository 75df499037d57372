/* src/base/xml.h - the elements and texts of an XML document, one after the other. Pure.
 *
 * For answers of programs: elements, texts, the five entities, numbers of characters, CDATA.
 * Comments, processing instructions and attributes are passed over, prefixes of namespaces are cut
 * off. A document with a DOCTYPE is refused: no entity of its own, nothing to be fetched. What
 * follows the root element is not looked at.
 *
 *     TRY(xml_begin(&x, a, text, S("ListBucketResult")));
 *     while (xml_child(&x, &name, &e))
 *         TRY(str_eq(name, S("Name")) ? xml_text(&x, &bucket) : xml_skip(&x));
 *     TRY(e);
 */
#ifndef BASE_XML_H
#define BASE_XML_H

#include "base/arena.h"
#include "base/err.h"

enum { XML_DEPTH_MAX = 32 };

struct xml {
    struct arena *a; /* of texts that are not a piece of the document: no more bytes than that */
    Str rest;
    Str open[XML_DEPTH_MAX]; /* elements, by their full names */
    int depth;
    bool ends; /* the innermost one is empty: its end is next */
};

/* Enter the root element. E_SYNTAX with a detail, also when it has another name, or when @text is
 * not UTF-8 or has a NUL. Borrows @text. */
Err xml_begin(struct xml *x, struct arena *a, Str text, Str root);
/* Enter the next element in the one that is open; texts between are passed over. False at its end,
 * which leaves it, or on failure: *ret_err. */
bool xml_child(struct xml *x, Str *ret_name, Err *ret_err);
/* The text of the element that was entered, without that of elements in it; leaves it. */
Err xml_text(struct xml *x, Str *ret_text);
/* Leave the element that was entered. */
Err xml_skip(struct xml *x);

#endif
