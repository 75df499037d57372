/* src/net/smtp_test.c - what goes over the line, and what is no address. Sending is tested with a
 * mail server (test/api/approval_mail.test.mjs). */
#include "base/buf.h"
#include "base/test.h"
#include "net/smtp.h"

static const struct smtp_server server = {.from = S_INIT("heddle@house.example")};

static Str message(Str subject, Str text)
{
    struct smtp_message m = {.id = S("0198"),
                             .to = S("ada@example.com"),
                             .subject = subject,
                             .text = text,
                             .date = 1790000000 * USEC_S};
    return smtp_message_text(t_arena(), &server, &m);
}

TEST(smtp_addresses_are_those_of_one_mailbox)
{
    static const char *const right[] = {"a@b", "ada.lovelace+x@mail.example.com", "o'neil@ex-1.org",
                                        "1@2.3"};
    static const char *const wrong[] = {"",      "ada",    "@b",    "a@",          "a@b@c",
                                        "a b@c", "a@b c",  "<a@b>", "a@b\r\nDATA", "a@-b",
                                        "a@b-",  "a@b..c", "a@.b",  "a@b,c@d",     "\"a b\"@c",
                                        "a@b\n", "a,b@c",  "a:b@c", "a@[1.2.3.4]"};

    for (size_t i = 0; i < ARRAY_LEN(right); i++)
        t_expect(smtp_is_address(str_c(right[i])));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        t_expect(!smtp_is_address(str_c(wrong[i])));
    t_expect(!smtp_is_address(S("a\0b@c")));
    t_expect(!smtp_is_address(str_fmt(t_arena(), "a@%0*d", SMTP_ADDRESS_MAX, 1)));
}

TEST(smtp_messages_are_lines_that_every_server_takes)
{
    t_expect_str(message(S("Pay 7?"), S("Dear Ada,\npay = 7 \xe2\x82\xac \r\n\nyours ")),
                 S("From: <heddle@house.example>\r\n"
                   "To: <ada@example.com>\r\n"
                   "Subject: Pay 7?\r\n"
                   "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
                   "Message-ID: <0198@house.example>\r\n"
                   "Auto-Submitted: auto-generated\r\n"
                   "MIME-Version: 1.0\r\n"
                   "Content-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: quoted-printable\r\n"
                   "\r\n"
                   "Dear Ada,\r\n"
                   "pay =3D 7 =E2=82=AC=20\r\n"
                   "\r\n"
                   "yours=20\r\n"));
}

TEST(smtp_subjects_cannot_add_headers_and_keep_every_character)
{
    Str m = message(S("Pay?\r\nBcc: eve@example.com\n\x01"), S("x"));
    t_expect(str_find(m, S("\r\nBcc:")) == SIZE_MAX);
    t_expect(str_find(m, S("Subject: Pay?  Bcc: eve@example.com\r\n")) != SIZE_MAX);

    m = message(S("Z\xc3\xbcrich"), S("x"));
    t_expect(str_find(m, S("Subject: =?UTF-8?B?WsO8cmljaA==?=\r\n")) != SIZE_MAX);
    m = message(S("=?UTF-8?Q?no?="), S("x")); /* not what it would be read as */
    t_expect(str_find(m, S("Subject: =?UTF-8?B?PT9VVEYtOD9RP25vPz0=?=\r\n")) != SIZE_MAX);
}

TEST(smtp_lines_are_never_too_long_whatever_they_hold)
{
    AUTO_BUF(b, KIB(64));
    for (int i = 0; i < 500; i++)
        buf_add_c(&b, i % 3 ? "\xf0\x9f\x98\x80" : "= .");
    Str m = message(buf_str(&b), buf_str(&b)), line;

    while (m.p) {
        m = str_cut(m, '\n', &line);
        t_expect(line.n <= 77);
        for (size_t i = 0; i < line.n; i++)
            t_expect(line.p[i] > 0);
    }
}
