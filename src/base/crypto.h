/* src/base/crypto.h - hashing, signatures, random tokens, sealing, encodings (libsodium and
 * OpenSSL).
 *
 * crypto_init() once per process before anything else here. Everything is safe on any thread.
 */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/arena.h"

void crypto_init(void);

/* @n bytes of the system's randomness. */
void crypto_random(void *out, size_t n);
uint64_t crypto_random_u64(void);

/* @n random characters of A-Z a-z 0-9 (5.95 bits each), in @a. */
Str crypto_token(struct arena *a, size_t n);

enum { CRYPTO_HASH_SIZE = 32 };
/* BLAKE2b-256 of @s (libsodium owns the name crypto_hash): for content addresses and for secrets of
 * full entropy such as API keys. */
void crypto_blake2b(Str s, uint8_t out[CRYPTO_HASH_SIZE]);
void crypto_sha256(Str s, uint8_t out[32]);
void crypto_hmac_sha256(Str key, Str message, uint8_t out[32]);
/* Whether the two are equal, in a time that does not depend on where they differ. */
bool crypto_same(const void *a, const void *b, size_t n);
/* Overwrite memory that held a secret; the compiler does not drop it. */
void crypto_wipe(void *p, size_t n);

/* Authenticated encryption with a 32-byte key (XChaCha20-Poly1305 secretbox; random nonce in
 * front). crypto_open gives E_CORRUPT when the text was altered or the key is another. */
enum { CRYPTO_KEY_SIZE = 32 };
Str crypto_seal(struct arena *a, const uint8_t key[CRYPTO_KEY_SIZE], Str plain);
Err crypto_open(struct arena *a, const uint8_t key[CRYPTO_KEY_SIZE], Str sealed, Str *ret_plain);

/* Argon2id in its encoded form ("$argon2id$..."), interactive cost. CPU-heavy (tens of ms, 64 MiB):
 * call on a worker, never on a loop. */
Err crypto_password_hash(struct arena *a, Str password, Str *ret_hash);
bool crypto_password_matches(Str hash, Str password);

/* Encodings; decoders answer E_SYNTAX. base64url has no padding; base64 takes and writes it. */
Str crypto_hex(struct arena *a, const void *p, size_t n);
Err crypto_unhex(struct arena *a, Str s, Str *ret_bytes);
Str crypto_base64(struct arena *a, Str s);
Str crypto_base64url(struct arena *a, Str s);
Err crypto_unbase64(struct arena *a, Str s, Str *ret_bytes);
Err crypto_unbase64url(struct arena *a, Str s, Str *ret_bytes);

#endif
