/* src/net/signature.c - Standard Webhooks: making and checking "v1" signatures. */
#include "net/signature.h"

#include "base/crypto.h"

enum { SIGNATURES_MAX = 16 }; /* a sender that rotates keys sends a few */

Err signature_key(struct arena *a, Str secret, Str *ret_key)
{
    if (!str_starts(secret, S("whsec_"))) {
        *ret_key = secret;
        return OK;
    }
    TRY(crypto_unbase64(a, str_skip(secret, 6), ret_key));
    return ret_key->n ? OK : E_SYNTAX; /* everybody could sign with an empty key */
}

Str signature_make(struct arena *a, Str key, Str id, Str timestamp, Str body)
{
    const Str parts[] = {id, timestamp, body};
    uint8_t mac[32];

    crypto_hmac_sha256(key, str_join(a, parts, ARRAY_LEN(parts), S(".")), mac);
    return str_fmt(a, "v1,%.*s", P(crypto_base64(a, (Str){(const char *)mac, sizeof mac})));
}

bool signature_matches(struct arena *a, Str key, Str id, Str timestamp, Str body, Str given)
{
    Str right = signature_make(a, key, id, timestamp, body), one;
    bool matches = false;

    for (int i = 0; given.p && i < SIGNATURES_MAX; i++) {
        given = str_cut(given, ' ', &one);
        matches |= str_eq_secret(one, right);
    }
    return matches;
}
