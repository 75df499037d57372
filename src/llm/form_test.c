/* src/llm/form_test.c - forms: fields are found where they stand, and nothing is read in two ways.
 */
#include "llm/form.h"

#include "base/buf.h"
#include "base/test.h"

#define B "--xyz\r\n"
#define FIELD(name, value) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART                                                                                  \
    "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: "          \
    "audio/wav\r\n\r\nRIFF\r\n--xy\r\n\r\n\r\n"
#define END "--xyz--"

static Str value_of(Str body, const struct llm_form *f, size_t i)
{
    return str_from(body.p + f->parts[i].from, f->parts[i].to - f->parts[i].from);
}

TEST(form_finds_each_part_where_it_stands)
{
    Str body = S(B FILE_PART B FIELD("model", "whisper-1") B FIELD("empty", "") END "\r\n");
    struct llm_form f;

    t_expect_ok(llm_form_read(body, S("xyz"), &f));
    t_expect_int(f.n, 3);
    t_expect(f.parts[0].file && !f.parts[1].file);
    t_expect_str(value_of(body, &f, 0), S("RIFF\r\n--xy\r\n\r\n"));
    t_expect_str(f.parts[1].name, S("model"));
    t_expect_str(value_of(body, &f, 1), S("whisper-1"));
    t_expect_int(value_of(body, &f, 2).n, 0);
}

TEST(form_refuses_what_can_be_read_in_two_ways)
{
    static const char *const bad[] = {
        "",
        END,
        "preamble\r\n" B FIELD("a", "b") END,
        B FIELD("a", "b"),
        B FIELD("a", "b") END "epilogue",
        B FIELD("a", "b") "--xyz \r\n" FIELD("c", "d") END,
        B "Content-Disposition: form-data; name=a; name=model\r\n\r\nb\r\n" END,
        B "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
          "name=b\r\n\r\nb\r\n" END,
        B "Content-Disposition: form-data; name*=utf-8''model\r\n\r\nb\r\n" END,
        B "Content-Disposition: form-data; name=\"a\\\"; x=\"\r\n\r\nb\r\n" END,
        B "Content-Disposition: form-data; name=\"mod\\el\"\r\n\r\nb\r\n" END,
        B "Content-Disposition: attachment; name=a\r\n\r\nb\r\n" END,
        B "Content-Disposition: form-data\r\n\r\nb\r\n" END,
        B "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
          "base64\r\n\r\nb\r\n" END,
        B "Content-Disposition: form-data; name=a\r\n folded\r\n\r\nb\r\n" END,
        B "Content-Type: text/plain\r\n\r\nb\r\n" END,
        B "nonsense\r\n\r\nb\r\n" END,
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct llm_form f;
        Err e = llm_form_read(str_c(bad[i]), S("xyz"), &f);
        t_expect_err(e, E_SYNTAX);
    }
}

TEST(form_bounds_parts_and_their_heads)
{
    AUTO_BUF(many, KIB(64));
    AUTO_BUF(head, KIB(64));
    struct llm_form f;

    for (int i = 0; i <= LLM_FORM_PARTS_MAX; i++)
        buf_add(&many, S(B FIELD("a", "b")));
    buf_add(&many, S(END));
    t_expect_err(llm_form_read(buf_str(&many), S("xyz"), &f), E_TOO_LARGE);
    buf_add(&head, S(B "X: "));
    for (int i = 0; i < 2 * LLM_FORM_HEAD_MAX; i++)
        buf_add_char(&head, 'x');
    buf_add(&head, S("\r\n" FIELD("a", "b") END));
    t_expect_err(llm_form_read(buf_str(&head), S("xyz"), &f), E_TOO_LARGE);
}

TEST(form_takes_the_boundary_that_its_type_names)
{
    static const char *const bad[] = {
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a\"; boundary=b",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=a\tb",
    };
    Str boundary;

    t_expect_ok(
        llm_form_boundary(S("Multipart/Form-Data; charset=utf-8; boundary=a-b"), &boundary));
    t_expect_str(boundary, S("a-b"));
    t_expect_ok(llm_form_boundary(S("multipart/form-data; boundary=\"a b\"; x=y"), &boundary));
    t_expect_str(boundary, S("a b"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        t_expect_err(llm_form_boundary(str_c(bad[i]), &boundary), E_MEDIA_TYPE);
    Str tens = S("0123456789"), longest = S("multipart/form-data; boundary=");
    for (int i = 0; i < LLM_FORM_BOUNDARY_MAX / 10; i++)
        longest = str_fmt(t_arena(), "%.*s%.*s", P(longest), P(tens));
    t_expect_ok(llm_form_boundary(longest, &boundary));
    longest = str_fmt(t_arena(), "%.*sx", P(longest));
    t_expect_err(llm_form_boundary(longest, &boundary), E_MEDIA_TYPE);
}
