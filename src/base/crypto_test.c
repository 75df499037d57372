/* src/base/crypto_test.c - against the published vectors of each algorithm. */
#include "base/crypto.h"
#include "base/test.h"

#define HEX(p) crypto_hex(t_arena(), (p), 32)

TEST(hashes_give_the_published_values)
{
    uint8_t out[32];

    crypto_sha256(S(""), out);
    t_expect_str(HEX(out), S("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    crypto_sha256(S("abc"), out);
    t_expect_str(HEX(out), S("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    crypto_blake2b((Str){NULL, 0}, out);
    t_expect_str(HEX(out), S("0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"));
    crypto_blake2b(S("abc"), out);
    t_expect_str(HEX(out), S("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"));
}

TEST(hmac_gives_the_values_of_rfc4231)
{
    char key[131];
    uint8_t out[32];

    memset(key, 0x0b, 20);
    crypto_hmac_sha256(str_from(key, 20), S("Hi There"), out);
    t_expect_str(HEX(out), S("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
    crypto_hmac_sha256(S("Jefe"), S("what do ya want for nothing?"), out);
    t_expect_str(HEX(out), S("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    memset(key, 0xaa, sizeof key); /* longer than a block: hashed first */
    crypto_hmac_sha256(str_from(key, sizeof key),
                       S("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    t_expect_str(HEX(out), S("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

TEST(random_bytes_and_tokens_differ_each_time)
{
    Str one = crypto_token(t_arena(), 200), two = crypto_token(t_arena(), 200);
    size_t seen[256] = {0};

    t_expect_int(one.n, 200);
    t_expect(!str_eq(one, two));
    t_expect(crypto_random_u64() != crypto_random_u64());
    t_expect_int(crypto_token(t_arena(), 0).n, 0);

    Str many = crypto_token(t_arena(), 62 * 1000);
    for (size_t i = 0; i < many.n; i++)
        seen[(unsigned char)many.p[i]]++;
    for (int c = 0; c < 256; c++) {
        bool letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter)
            t_expect_int(seen[c], 0);
        else /* 1000 expected, standard deviation 31: nine of them off is no chance */
            t_expect(seen[c] > 700 && seen[c] < 1300);
    }
}

TEST(sealed_values_open_with_their_key_only)
{
    uint8_t key[CRYPTO_KEY_SIZE], other[CRYPTO_KEY_SIZE];
    Str plain = S("sk-12345"), open = S("untouched");

    crypto_random(key, sizeof key);
    crypto_random(other, sizeof other);
    Str sealed = crypto_seal(t_arena(), key, plain);
    t_expect(str_find(sealed, plain) == SIZE_MAX);
    t_expect(!str_eq(sealed, crypto_seal(t_arena(), key, plain)));
    t_expect_err(crypto_open(t_arena(), other, sealed, &open), E_CORRUPT);
    t_expect_str(open, S("untouched"));
    t_expect_ok(crypto_open(t_arena(), key, sealed, &open));
    t_expect_str(open, plain);
    t_expect_ok(crypto_open(t_arena(), key, crypto_seal(t_arena(), key, S("")), &open));
    t_expect_int(open.n, 0);
}

TEST(a_sealed_value_that_was_altered_or_cut_does_not_open)
{
    uint8_t key[CRYPTO_KEY_SIZE] = {1};
    Str open, sealed = crypto_seal(t_arena(), key, S("secret"));
    char *copy = str_dup_c(t_arena(), sealed);

    for (size_t i = 0; i < sealed.n * 8; i++) {
        copy[i / 8] ^= (char)(1 << i % 8);
        t_expect_err(crypto_open(t_arena(), key, str_from(copy, sealed.n), &open), E_CORRUPT);
        copy[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t n = 0; n < sealed.n; n++)
        t_expect_err(crypto_open(t_arena(), key, str_head(sealed, n), &open), E_CORRUPT);
}

TEST(passwords_match_their_own_hash_only)
{
    Str hash, again;

    t_expect_ok(crypto_password_hash(t_arena(), S("correct horse"), &hash));
    t_expect_ok(crypto_password_hash(t_arena(), S("correct horse"), &again));
    t_expect(str_starts(hash, S("$argon2id$")));
    t_expect(!str_eq(hash, again));
    t_expect(crypto_password_matches(hash, S("correct horse")));
    t_expect(!crypto_password_matches(hash, S("correct horsf")));
    t_expect(!crypto_password_matches(hash, S("")));
    t_expect(!crypto_password_matches(S(""), S("")));
    t_expect(!crypto_password_matches(S("$argon2id$nonsense"), S("correct horse")));
    t_expect(!crypto_password_matches(crypto_token(t_arena(), 4000), S("correct horse")));
}

TEST(secrets_are_compared_and_wiped)
{
    char a[] = "secret", b[] = "secret";

    t_expect(crypto_same(a, b, sizeof a));
    b[5] = 'x';
    t_expect(!crypto_same(a, b, sizeof a));
    crypto_wipe(a, sizeof a);
    t_expect(memcmp(a, "\0\0\0\0\0\0", sizeof a) == 0);
}

TEST(base64_gives_the_vectors_of_rfc4648)
{
    static const struct {
        Str plain, base64, url;
    } cases[] = {
        {S_INIT(""), S_INIT(""), S_INIT("")},
        {S_INIT("f"), S_INIT("Zg=="), S_INIT("Zg")},
        {S_INIT("fo"), S_INIT("Zm8="), S_INIT("Zm8")},
        {S_INIT("foo"), S_INIT("Zm9v"), S_INIT("Zm9v")},
        {S_INIT("foob"), S_INIT("Zm9vYg=="), S_INIT("Zm9vYg")},
        {S_INIT("fooba"), S_INIT("Zm9vYmE="), S_INIT("Zm9vYmE")},
        {S_INIT("foobar"), S_INIT("Zm9vYmFy"), S_INIT("Zm9vYmFy")},
        {S_INIT("\xfb\xff\xfe"), S_INIT("+//+"), S_INIT("-__-")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Str back;
        t_expect_str(crypto_base64(t_arena(), cases[i].plain), cases[i].base64);
        t_expect_str(crypto_base64url(t_arena(), cases[i].plain), cases[i].url);
        t_expect_ok(crypto_unbase64(t_arena(), cases[i].base64, &back));
        t_expect_str(back, cases[i].plain);
        t_expect_ok(crypto_unbase64url(t_arena(), cases[i].url, &back));
        t_expect_str(back, cases[i].plain);
    }
}

TEST(what_is_not_base64_or_hex_is_refused)
{
    static const char *const bad64[] = {"Z",    "Zg",    "Zg=",   "Zg===",   "Zh==",
                                        "Z===", "====",  "Zm9v ", " Zm9v",   "Zm-v",
                                        "Zm_v", "Zm9v=", "\n",    "Zg==Zg=="};
    static const char *const badurl[] = {"Z", "Zg==", "Zh", "Zm+v", "Zm/v", "Zm9 "};
    static const char *const badhex[] = {"0", "0g", "abc", " ab", "ab ", "a b", "0x"};
    Str out;

    for (size_t i = 0; i < ARRAY_LEN(bad64); i++)
        t_expect_err(crypto_unbase64(t_arena(), str_c(bad64[i]), &out), E_SYNTAX);
    for (size_t i = 0; i < ARRAY_LEN(badurl); i++)
        t_expect_err(crypto_unbase64url(t_arena(), str_c(badurl[i]), &out), E_SYNTAX);
    for (size_t i = 0; i < ARRAY_LEN(badhex); i++)
        t_expect_err(crypto_unhex(t_arena(), str_c(badhex[i]), &out), E_SYNTAX);
    t_expect_ok(crypto_unhex(t_arena(), S("00fFa1"), &out));
    t_expect_str(out, S("\0\xff\xa1"));
    t_expect_ok(crypto_unhex(t_arena(), S(""), &out));
    t_expect_int(out.n, 0);
}
