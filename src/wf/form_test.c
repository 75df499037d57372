/* src/wf/form_test.c - what a form can ask for, and what becomes of the answers. */
#include "wf/form.h"
#include "wf/test_node.h"

static Str fault(const char *schema)
{
    FormFields fields;

    return wf_form_fields(t_arena(), t_json(schema), &fields) == OK
               ? S("")
               : str_dup(t_arena(), str_c(err_record()->detail));
}

TEST(form_fields_are_texts_numbers_choices_and_files)
{
    static const char schema[] =
        "{'type':'object','required':['a'],'properties':{'a':{'type':'string','title':'A','default'"
        ":"
        "'x'},'b':{'type':'string','maxLength':500},'c':{'type':'string','format':'email'},"
        "'d':{'type':'integer','default':3},'e':{'enum':['x','y']},'f':{'type':'array','items':"
        "{'enum':['x']}},'g':{'type':'object','format':'file'},'h':{'type':'array','items':"
        "{'type':'object','format':'file'}},'i':{'type':'boolean','default':true}}}";
    static const enum form_kind kinds[] = {FORM_TEXT,    FORM_LINES,  FORM_EMAIL,
                                           FORM_INTEGER, FORM_CHOICE, FORM_CHOICES,
                                           FORM_FILE,    FORM_FILES,  FORM_BOOLEAN};
    FormFields fields;

    t_expect_ok(wf_form_fields(t_arena(), t_json(schema), &fields));
    t_expect_int(fields.n, ARRAY_LEN(kinds));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        t_expect_int(fields.at[i].kind, kinds[i]);
    t_expect(fields.at[0].required && !fields.at[1].required);
    t_expect_str(fields.at[0].initial, S("x"));
    t_expect_str(fields.at[3].initial, S("3"));
    t_expect_str(fields.at[8].initial, S("true"));
}

TEST(a_form_refuses_what_people_cannot_fill_in)
{
    t_expect(fault("{'type':'object'}").n);
    t_expect(fault("{'properties':{}}").n);
    t_expect(fault("{'properties':{'a':{'type':'object'}}}").n);
    t_expect(fault("{'properties':{'a':{'type':'array','items':{'type':'string'}}}}").n);
    t_expect(fault("{'properties':{'a':{'enum':[1,2]}}}").n);
    t_expect(fault("{'properties':{'a':{'type':['string','null']}}}").n);
    t_expect_str(
        fault("{'properties':{'a':{'$ref':'#/x'}}}"),
        S("A form cannot ask for \"a\": its type must be string, number, integer, boolean, "
          "an array of choices, or a file (an object of format \"file\")."));
}

/* Reads @pairs ("name=value;..."), gives the JSON and the errors as "field:kind". */
static Str answers(const char *schema_text, const char *pairs)
{
    struct json *schema = t_json(schema_text), *out = NULL;
    struct json_schema *compiled;
    FormFields fields;
    FormValues values = {0};
    FormErrors errors = {0};
    Str rest = str_c(pairs), one, name;

    if (wf_form_fields(t_arena(), schema, &fields) != OK ||
        json_schema_compile(schema, NULL, 0, 0, &compiled) != OK)
        return str_dup(t_arena(), str_c(err_record()->detail));
    while (rest.p && rest.n) {
        rest = str_cut(rest, ';', &one);
        Str value = str_cut(one, '=', &name);
        vec_push(t_arena(), &values, ((struct form_value){.name = name, .value = value}));
    }
    Err e = wf_form_read(t_arena(), &fields, compiled, &values, &out, &errors);
    json_schema_free(compiled);
    if (e != OK)
        return str_dup(t_arena(), str_c(err_client_text(e)));
    Str text = json_text(t_arena(), out);
    vec_each(&errors, error)
        text = str_fmt(t_arena(), "%.*s %.*s:%d", P(text), P(error->field), error->wrong);
    return text;
}

TEST(form_answers_become_typed_json)
{
    static const char schema[] =
        "{'type':'object','required':['t'],'properties':{'t':{'type':'string'},'n':{'type':"
        "'number'},'i':{'type':'integer'},'b':{'type':'boolean'},'c':{'type':'array','items':"
        "{'enum':['x','y']}},'l':{'type':'string','format':'textarea'},'d':{'type':'string',"
        "'format':'date'}}}";

    t_expect_str(answers(schema, "t= a ;n= 1.50 ;i=7;b=true;c=x;c=y;l=1\r\n2\r\n;d=2026-02-28"),
                 S("{\"t\":\" a \",\"n\":1.5,\"i\":7,\"b\":true,\"c\":[\"x\",\"y\"],"
                   "\"l\":\"1\\n2\\n\",\"d\":\"2026-02-28\"}"));
    t_expect_str(answers(schema, "t=x;n=;i="), S("{\"t\":\"x\",\"b\":false,\"c\":[]}"));
    t_expect_str(answers(schema, "x=1"), S("The form has no field \"x\"."));
}

static Str wrong_in(const char *property, const char *value)
{
    Str all = answers(str_dup_c(t_arena(), str_fmt(t_arena(),
                                                   "{'type':'object','required':['a'],"
                                                   "'properties':{'a':%s}}",
                                                   property)),
                      str_dup_c(t_arena(), str_fmt(t_arena(), "a=%s", value)));
    size_t at = str_find(all, S("} "));

    return at == SIZE_MAX ? S("") : str_skip(all, at + 2);
}

TEST(form_errors_stand_beside_their_fields_once)
{
    t_expect_str(wrong_in("{'type':'string'}", ""), str_fmt(t_arena(), "a:%d", FORM_MISSING));
    t_expect_str(wrong_in("{'type':'string','format':'email'}", "ada"),
                 str_fmt(t_arena(), "a:%d", FORM_NOT_EMAIL));
    t_expect_str(wrong_in("{'type':'string','format':'email'}", " ada@x.org "), S(""));
    t_expect_str(wrong_in("{'type':'string','format':'uri'}", "javascript:1"),
                 str_fmt(t_arena(), "a:%d", FORM_NOT_URL));
    t_expect_str(wrong_in("{'type':'string','format':'date'}", "2026-02-30"),
                 str_fmt(t_arena(), "a:%d", FORM_NOT_DATE));
    t_expect_str(wrong_in("{'type':'string','format':'time'}", "24:10"),
                 str_fmt(t_arena(), "a:%d", FORM_NOT_TIME));
    t_expect_str(wrong_in("{'type':'number'}", "1,5"), str_fmt(t_arena(), "a:%d", FORM_NOT_NUMBER));
    t_expect_str(wrong_in("{'type':'integer'}", "1.5"),
                 str_fmt(t_arena(), "a:%d", FORM_NOT_INTEGER));
    t_expect_str(wrong_in("{'enum':['x']}", "y"), str_fmt(t_arena(), "a:%d", FORM_NOT_CHOICE));
    t_expect_str(wrong_in("{'type':'string','minLength':3}", "ab"),
                 str_fmt(t_arena(), "a:%d", FORM_TOO_SHORT));
    t_expect_str(wrong_in("{'type':'integer','maximum':3}", "4"),
                 str_fmt(t_arena(), "a:%d", FORM_TOO_LARGE));
    t_expect_str(wrong_in("{'type':'string','pattern':'^x'}", "ab"),
                 str_fmt(t_arena(), "a:%d", FORM_OTHERWISE));
}

TEST(form_files_come_with_name_type_and_bytes)
{
    FormFields fields;
    FormValues values = {0};
    FormErrors errors = {0};
    struct json *out;

    t_expect_ok(wf_form_fields(
        t_arena(),
        t_json("{'properties':{'f':{'type':'object','format':'file'},'g':{'type':'array','items':"
               "{'type':'object','format':'file'}}},'required':['f']}"),
        &fields));
    vec_push(t_arena(), &values,
             ((struct form_value){.name = S("f"), .value = S(""), .file = true}));
    t_expect_ok(wf_form_read(t_arena(), &fields, NULL, &values, &out, &errors));
    t_expect_int(errors.n, 1); /* nothing was chosen */
    values.at[0] = (struct form_value){S("f"), S("\0\1\2"), true, S("a.bin"), S("")};
    errors = (FormErrors){0};
    t_expect_ok(wf_form_read(t_arena(), &fields, NULL, &values, &out, &errors));
    t_expect_int(errors.n, 0);
    t_expect(json_equal(out, t_json("{'f':{'name':'a.bin','type':'application/octet-stream',"
                                    "'size':3,'data':'AAEC'},'g':[]}")));
}
