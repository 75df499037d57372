/* src/net/multipart_test.c - forms with files as browsers send them, and what is no such form. */
#include "base/buf.h"
#include "base/test.h"
#include "net/multipart.h"

static Err parse(const char *body, MultipartParts *ret_parts)
{
    return multipart_parse(t_arena(), str_c(body), S("b"), 3, ret_parts);
}

TEST(multipart_boundary_stands_in_the_content_type)
{
    Str b;

    t_expect_ok(multipart_boundary(t_arena(), S("multipart/form-data; boundary=----WebKit1"), &b));
    t_expect_str(b, S("----WebKit1"));
    t_expect_ok(multipart_boundary(
        t_arena(), S("Multipart/Form-Data; charset=utf-8;\tBoundary=\"a b\\\"c\" ; x=y"), &b));
    t_expect_str(b, S("a b\"c"));
    t_expect_err(multipart_boundary(t_arena(), S("multipart/mixed; boundary=b"), &b), E_MEDIA_TYPE);
    t_expect_err(multipart_boundary(t_arena(), S("multipart/form-data"), &b), E_SYNTAX);
    t_expect_err(multipart_boundary(t_arena(), S("multipart/form-data; boundary="), &b), E_SYNTAX);
    t_expect_err(multipart_boundary(t_arena(), S("multipart/form-data; boundary=\"b"), &b),
                 E_SYNTAX);
    t_expect_err(multipart_boundary(t_arena(),
                                    str_fmt(t_arena(), "multipart/form-data; boundary=%0*d", 71, 1),
                                    &b),
                 E_SYNTAX);
}

TEST(multipart_parts_have_names_files_types_and_bytes)
{
    MultipartParts parts = {0};

    t_expect_ok(parse("preamble\r\n--b \r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"
                      "1\r\n2\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: form-data; "
                      "name=\"f%22\"; filename=\"C:\\\\x\\\\y;%0A.png\"\r\n\r\n\r\n--ab\r\n--b\r\n"
                      "content-disposition:form-data;name=n;filename=\"\"\r\n\r\n\r\n--b--\r\nend",
                      &parts));
    t_expect_int(parts.n, 3);
    t_expect_str(parts.at[0].name, S("a"));
    t_expect_str(parts.at[0].data, S("1\r\n2"));
    t_expect(!parts.at[0].file);
    t_expect_str(parts.at[1].name, S("f\""));
    t_expect(parts.at[1].file);
    t_expect_str(parts.at[1].file_name, S("y;\n.png"));
    t_expect_str(parts.at[1].media_type, S("image/png"));
    t_expect_str(parts.at[2].name, S("n"));
    t_expect(parts.at[2].file && parts.at[2].file_name.n == 0 && parts.at[2].data.n == 0);
}

TEST(multipart_that_is_broken_is_refused)
{
    static const char *const broken[] = {
        "",
        "--c\r\n",
        "--b",
        "--b\r\n",
        "--bx\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1",
        "--b\r\nContent-Disposition: form-data; name=a\r\n1\r\n--b--",
        "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--",
        "--b\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--b--",
        "--b\r\n\r\n1\r\n--b--",
        "--b\r\nno colon\r\n\r\n1\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"a\xff\"\r\n\r\n1\r\n--b--",
        "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n1\r\n--b--",
    };
    MultipartParts parts;

    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        Err e = parse(broken[i], &parts);
        if (e != E_SYNTAX)
            t_fail(__FILE__, __LINE__, "%zu is taken: %s", i, broken[i]);
    }
    static const char nul[] =
        "--b\r\nContent-Disposition: form-data; name=\"a\0b\"\r\n\r\n\r\n--b--";
    t_expect_err(multipart_parse(t_arena(), str_from(nul, sizeof nul - 1), S("b"), 3, &parts),
                 E_SYNTAX);
    t_expect_ok(parse("--b--", &parts));
    t_expect_int(parts.n, 0);
    t_expect_err(parse("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--b\r\n"
                       "Content-Disposition: form-data; name=a\r\n\r\n\r\n--b\r\n"
                       "Content-Disposition: form-data; name=a\r\n\r\n\r\n--b\r\n"
                       "Content-Disposition: form-data; name=a\r\n\r\n\r\n--b--",
                       &parts),
                 E_TOO_LARGE);
}

TEST(multipart_headers_of_many_parameters_cost_no_more_than_their_length)
{
    AUTO(arena) *a = arena_new(KIB(256));
    AUTO_BUF(b, MIB(1));
    MultipartParts parts;

    for (int i = 0; i < 3; i++) {
        buf_add(&b, S("--b\r\nContent-Disposition: form-data; "));
        for (int k = 0; k < 3500; k++)
            buf_add(&b, S("a=b;"));
        buf_add(&b, S(" name=n\r\n\r\nx\r\n"));
    }
    buf_add(&b, S("--b--"));
    t_expect_ok(multipart_parse(a, buf_str(&b), S("b"), 3, &parts));
    t_expect_int(parts.n, 3);
    t_expect_str(parts.at[2].name, S("n"));
}
