/* src/secrets/secrets_test.c - the key file and what is sealed with it. */
#include "secrets/secrets.h"

#include "base/crypto.h"
#include "rt/test_rt.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

TEST_FIBER(secrets_makes_a_key_file_for_its_owner_alone_and_finds_it_again)
{
    AUTO(secrets) *first = NULL, *second = NULL;
    Str folder = str_c(t_dir()), plain;
    char path[512];
    struct stat st;

    t_expect_ok(secrets_open(folder, S(""), &first));
    snprintf(path, sizeof path, "%s/master.key", t_dir());
    t_expect_int(stat(path, &st), 0);
    t_expect_int(st.st_mode & 0777, 0600);
    t_expect_int(st.st_nlink, 1);
    Str sealed = secrets_seal(first, t_arena(), S("provider:1"), S("sk-123"));
    t_expect(str_find(sealed, S("sk-123")) == SIZE_MAX);
    t_expect_ok(secrets_open(folder, S(""), &second));
    t_expect_ok(secrets_unseal(second, t_arena(), S("provider:1"), sealed, &plain));
    t_expect_str(plain, S("sk-123"));
}

TEST_FIBER(secrets_refuses_a_key_file_that_others_may_read)
{
    AUTO(secrets) *first = NULL, *second = NULL;
    char path[512];

    t_expect_ok(secrets_open(str_c(t_dir()), S(""), &first));
    snprintf(path, sizeof path, "%s/master.key", t_dir());
    t_expect_int(chmod(path, 0644), 0);
    t_expect_err(secrets_open(str_c(t_dir()), S(""), &second), E_INVALID);
    t_expect(str_find(str_c(err_client_text(E_INVALID)), S("chmod 600")) != SIZE_MAX);
}

TEST_FIBER(secrets_refuses_a_key_file_that_holds_no_key)
{
    AUTO(secrets) *s = NULL;
    char path[512];

    snprintf(path, sizeof path, "%s/master.key", t_dir());
    FILE *f = fopen(path, "w");
    t_expect(f != NULL);
    t_expect(fputs("no key\n", f) >= 0 && fclose(f) == 0);
    t_expect_int(chmod(path, 0600), 0);
    t_expect_err(secrets_open(str_c(t_dir()), S(""), &s), E_INVALID);
}

TEST_FIBER(secrets_opens_nothing_with_another_key_or_for_another_use)
{
    AUTO(secrets) *a = NULL, *b = NULL;
    Str plain;

    t_expect_ok(secrets_open(S(""), S(KEY_A), &a));
    t_expect_ok(secrets_open(S(""), S(KEY_B), &b));
    Str sealed = secrets_seal(a, t_arena(), S("provider:1"), S("sk-123"));
    t_expect_err(secrets_unseal(b, t_arena(), S("provider:1"), sealed, &plain), E_CORRUPT);
    t_expect(str_find(str_c(err_client_text(E_CORRUPT)), S("another master key")) != SIZE_MAX);
    t_expect_err(secrets_unseal(a, t_arena(), S("provider:2"), sealed, &plain), E_CORRUPT);
    for (size_t i = 0; i < sealed.n; i++) {
        char *bent = str_dup_c(t_arena(), sealed);
        bent[i] = (char)(bent[i] ^ 1);
        t_expect_err(
            secrets_unseal(a, t_arena(), S("provider:1"), str_from(bent, sealed.n), &plain),
            E_CORRUPT);
        t_expect_err(secrets_unseal(a, t_arena(), S("provider:1"), str_head(sealed, i), &plain),
                     E_CORRUPT);
    }
}

TEST_FIBER(secrets_takes_a_key_in_hex_and_base64_and_nothing_else)
{
    AUTO(secrets) *a = NULL, *b = NULL, *c = NULL;
    Str bytes, plain;

    t_expect_ok(crypto_unhex(t_arena(), S(KEY_A), &bytes));
    t_expect_ok(secrets_open(S(""), S(KEY_A), &a));
    t_expect_ok(secrets_open(S(""), crypto_base64(t_arena(), bytes), &b));
    Str sealed = secrets_seal(a, t_arena(), S("x"), S("y"));
    t_expect_ok(secrets_unseal(b, t_arena(), S("x"), sealed, &plain));
    t_expect_str(plain, S("y"));
    t_expect_err(secrets_open(S(""), S("secret"), &c), E_INVALID);
    t_expect_err(secrets_open(S(""), S(KEY_A "00"), &c), E_INVALID);
}
