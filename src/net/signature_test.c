/* src/net/signature_test.c - signatures against the example that the Standard Webhooks documents
 * give. */
#include "base/test.h"
#include "net/signature.h"

TEST(signature_of_the_published_example)
{
    Str key;

    t_expect_ok(signature_key(t_arena(), S("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key));
    t_expect_str(signature_make(t_arena(), key, S("msg_p5jXN8AQM9LWM0D4loKWxJek"), S("1614265330"),
                                S("{\"test\": 2432232314}")),
                 S("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
}

TEST(signature_matches_any_of_several)
{
    Str key = S("plain secret"), right;

    right = signature_make(t_arena(), key, S("1"), S("2"), S("body"));
    t_expect(signature_matches(t_arena(), key, S("1"), S("2"), S("body"), right));
    t_expect(signature_matches(t_arena(), key, S("1"), S("2"), S("body"),
                               str_fmt(t_arena(), "v1a,zzz v1,AAAA %.*s", P(right))));
    t_expect(!signature_matches(t_arena(), key, S("1"), S("2"), S("bodz"), right));
    t_expect(!signature_matches(t_arena(), key, S("2"), S("2"), S("body"), right));
    t_expect(!signature_matches(t_arena(), S("other"), S("1"), S("2"), S("body"), right));
    t_expect(!signature_matches(t_arena(), key, S("1"), S("2"), S("body"), S("")));
    t_expect(!signature_matches(t_arena(), key, S("1"), S("2"), S("body"), str_skip(right, 3)));
}

TEST(signature_key_of_bad_base64_is_refused)
{
    Str key;

    t_expect_err(signature_key(t_arena(), S("whsec_%%"), &key), E_SYNTAX);
    t_expect_err(signature_key(t_arena(), S("whsec_"), &key), E_SYNTAX);
    t_expect_ok(signature_key(t_arena(), S("anything"), &key));
    t_expect_str(key, S("anything"));
}
