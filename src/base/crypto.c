/* src/base/crypto.c - libsodium behind Heddle's own types. */
#include "base/crypto.h"

#include <sodium.h>

_Static_assert(CRYPTO_HASH_SIZE == crypto_generichash_BYTES, "BLAKE2b-256");
_Static_assert(CRYPTO_KEY_SIZE == crypto_secretbox_xchacha20poly1305_KEYBYTES, "XChaCha20 key");

enum {
    NONCE_SIZE = crypto_secretbox_xchacha20poly1305_NONCEBYTES,
    TAG_SIZE = crypto_secretbox_xchacha20poly1305_MACBYTES,
};

void crypto_init(void)
{
    if (sodium_init() < 0)
        DIE("libsodium does not start: no source of randomness");
}

void crypto_random(void *out, size_t n)
{
    randombytes_buf(out, n);
}

uint64_t crypto_random_u64(void)
{
    uint64_t v;
    randombytes_buf(&v, sizeof v);
    return v;
}

Str crypto_token(struct arena *a, size_t n)
{
    static const char letters[62] = {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"};
    char *out = arena_bytes(a, n);
    uint8_t draw[64];
    size_t left = 0;

    for (size_t i = 0; i < n;) {
        if (left == 0) {
            randombytes_buf(draw, sizeof draw);
            left = sizeof draw;
        }
        uint8_t byte = draw[--left];
        if (byte < 248) /* 4 * 62: above it some letters would come more often */
            out[i++] = letters[byte % 62];
    }
    sodium_memzero(draw, sizeof draw);
    return (Str){out, n};
}

static const unsigned char *bytes(Str s)
{
    return (const unsigned char *)(s.p ? s.p : "");
}

void crypto_blake2b(Str s, uint8_t out[CRYPTO_HASH_SIZE])
{
    if (crypto_generichash(out, CRYPTO_HASH_SIZE, bytes(s), s.n, NULL, 0) != 0)
        DIE("BLAKE2b failed");
}

void crypto_sha256(Str s, uint8_t out[32])
{
    crypto_hash_sha256(out, bytes(s), s.n);
}

void crypto_hmac_sha256(Str key, Str message, uint8_t out[32])
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, bytes(key), key.n);
    crypto_auth_hmacsha256_update(&state, bytes(message), message.n);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}

bool crypto_same(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

void crypto_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}

Str crypto_seal(struct arena *a, const uint8_t key[CRYPTO_KEY_SIZE], Str plain)
{
    size_t n = NONCE_SIZE + TAG_SIZE + plain.n;
    unsigned char *out = (unsigned char *)arena_bytes(a, n);

    randombytes_buf(out, NONCE_SIZE);
    if (crypto_secretbox_xchacha20poly1305_easy(out + NONCE_SIZE, bytes(plain), plain.n, out,
                                                key) != 0)
        DIE("sealing %zu bytes failed", plain.n);
    return (Str){(char *)out, n};
}

Err crypto_open(struct arena *a, const uint8_t key[CRYPTO_KEY_SIZE], Str sealed, Str *ret_plain)
{
    if (sealed.n < NONCE_SIZE + TAG_SIZE)
        return err_set(E_CORRUPT, "a sealed value of %zu bytes is too short", sealed.n);
    size_t n = sealed.n - NONCE_SIZE - TAG_SIZE;
    unsigned char *out = (unsigned char *)arena_bytes(a, n);
    if (crypto_secretbox_xchacha20poly1305_open_easy(
            out, bytes(sealed) + NONCE_SIZE, sealed.n - NONCE_SIZE, bytes(sealed), key) != 0)
        return err_set(E_CORRUPT, "a sealed value was altered or belongs to another key");
    *ret_plain = (Str){(char *)out, n};
    return OK;
}

Err crypto_password_hash(struct arena *a, Str password, Str *ret_hash)
{
    char text[crypto_pwhash_STRBYTES];

    if (crypto_pwhash_str_alg(
            text, (const char *)bytes(password), password.n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
            crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return err_set(E_OVERLOADED, "no memory to hash a password");
    *ret_hash = str_dup(a, str_c(text));
    return OK;
}

bool crypto_password_matches(Str hash, Str password)
{
    char text[crypto_pwhash_STRBYTES] = {0};

    if (hash.n >= sizeof text)
        return false;
    if (hash.n)
        memcpy(text, hash.p, hash.n);
    return crypto_pwhash_str_verify(text, (const char *)bytes(password), password.n) == 0;
}

Str crypto_hex(struct arena *a, const void *p, size_t n)
{
    char *out = arena_bytes(a, n * 2 + 1);
    sodium_bin2hex(out, n * 2 + 1, p, n);
    return (Str){out, n * 2};
}

Err crypto_unhex(struct arena *a, Str s, Str *ret_bytes)
{
    unsigned char *out = (unsigned char *)arena_bytes(a, s.n / 2);
    size_t n;

    if (s.n % 2 || sodium_hex2bin(out, s.n / 2, (const char *)bytes(s), s.n, NULL, &n, NULL) != 0 ||
        n != s.n / 2)
        return err_set(E_SYNTAX, "not a hexadecimal text");
    *ret_bytes = (Str){(char *)out, n};
    return OK;
}

static Str encode(struct arena *a, Str s, int variant)
{
    size_t room = sodium_base64_encoded_len(s.n, variant); /* with the NUL */
    char *out = arena_bytes(a, room);

    sodium_bin2base64(out, room, bytes(s), s.n, variant);
    return (Str){out, strlen(out)};
}

static Err decode(struct arena *a, Str s, int variant, Str *ret_bytes)
{
    size_t room = s.n / 4 * 3 + 3, n;
    unsigned char *out = (unsigned char *)arena_bytes(a, room);

    if (sodium_base642bin(out, room, (const char *)bytes(s), s.n, NULL, &n, NULL, variant) != 0)
        return err_set(E_SYNTAX, "not a base64 text");
    *ret_bytes = (Str){(char *)out, n};
    return OK;
}

Str crypto_base64(struct arena *a, Str s)
{
    return encode(a, s, sodium_base64_VARIANT_ORIGINAL);
}

Str crypto_base64url(struct arena *a, Str s)
{
    return encode(a, s, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

Err crypto_unbase64(struct arena *a, Str s, Str *ret_bytes)
{
    return decode(a, s, sodium_base64_VARIANT_ORIGINAL, ret_bytes);
}

Err crypto_unbase64url(struct arena *a, Str s, Str *ret_bytes)
{
    return decode(a, s, sodium_base64_VARIANT_URLSAFE_NO_PADDING, ret_bytes);
}
