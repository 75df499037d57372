/* src/net/sigv4.h - requests signed as AWS wants them (Signature Version 4, AWS4-HMAC-SHA256).
 * Pure.
 *
 * What is signed: method, path, query, Host, every header that is there when it is signed, and the
 * body's hash. Headers that somebody may change on the way (User-Agent) are added afterwards.
 */
#ifndef NET_SIGV4_H
#define NET_SIGV4_H

#include "base/time.h"
#include "net/http.h"

struct sigv4 {
    Str access_key, secret_key;
    Str session_token; /* empty: none */
    Str region, service;
    Usec now; /* wall */
};

struct sigv4_request {
    Str method;
    Str host;      /* as Host says: with the port where that is not the scheme's */
    Str path;      /* encoded; S3 signs what is sent, other services have it encoded once more */
    Str query;     /* of sigv4_query */
    Str body_hash; /* in hex; SIGV4_UNSIGNED */
};
#define SIGV4_UNSIGNED S("UNSIGNED-PAYLOAD")

/* The hash of a body, in hex. */
Str sigv4_hash(struct arena *a, Str body);
/* @pairs as a query in the order in which they are signed; it is sent so. Sorts @pairs. */
Str sigv4_query(struct arena *a, HttpHeaders *pairs);
/* @path, "/a b/c", with everything escaped but slashes. */
Str sigv4_path(struct arena *a, Str path);
/* Add X-Amz-Date, X-Amz-Security-Token if there is a token, X-Amz-Content-Sha256 for the service
 * "s3", and Authorization to @headers. */
void sigv4_sign(struct arena *a, const struct sigv4 *by, const struct sigv4_request *r,
                HttpHeaders *headers);

#endif
