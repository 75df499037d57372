/* src/net/signature.h - signed webhooks, as standardwebhooks.com has them: one side signs, the
 * other checks. */
#ifndef NET_SIGNATURE_H
#define NET_SIGNATURE_H

#include "base/arena.h"

/* The key behind a secret: "whsec_" and base64, or any other text as it is. E_SYNTAX for bad
 * base64 and for none. */
Err signature_key(struct arena *a, Str secret, Str *ret_key);
/* "v1,<base64>" of HMAC-SHA256 over "id.timestamp.body". */
Str signature_make(struct arena *a, Str key, Str id, Str timestamp, Str body);
/* Whether one of the space-separated signatures in @given is right, in a time that tells nothing.
 */
bool signature_matches(struct arena *a, Str key, Str id, Str timestamp, Str body, Str given);

#endif
