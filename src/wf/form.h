/* src/wf/form.h - a JSON Schema as a form that people fill in, and what they filled in as JSON.
 *
 * A form is an object whose properties are texts, numbers, yes or no, choices, lists of choices or
 * files. What else the schema says is checked by the schema; this only knows how to ask, and how to
 * read an answer. Pure.
 */
#ifndef WF_FORM_H
#define WF_FORM_H

#include "base/json.h"
#include "base/json_schema.h"
#include "base/vec.h"

enum { FORM_FIELDS_MAX = 100 };

enum form_kind {
    FORM_TEXT,
    FORM_LINES, /* several lines */
    FORM_EMAIL,
    FORM_URL,
    FORM_DATE,
    FORM_TIME,
    FORM_PASSWORD,
    FORM_NUMBER,
    FORM_INTEGER,
    FORM_BOOLEAN,
    FORM_CHOICE,  /* one of .options */
    FORM_CHOICES, /* any of .options */
    FORM_FILE,    /* {name, type, size, data}, the last in base64 */
    FORM_FILES,
};

struct form_field {
    Str name, title, help;
    enum form_kind kind;
    bool required;
    const struct json *schema;  /* of the property */
    const struct json *options; /* texts; NULL: none */
    Str initial;                /* what stands there at first, as it would be sent */
};
typedef VEC(struct form_field) FormFields;

/* The fields of @schema, in its order; borrows it. E_INVALID with a detail that names what cannot
 * be asked. */
Err wf_form_fields(struct arena *a, const struct json *schema, FormFields *ret_fields);

/* What came of one field, as a browser sends it. */
struct form_value {
    Str name, value;
    bool file;      /* .value is what is in it */
    Str file_name;  /* empty: none was chosen */
    Str media_type; /* of a file */
};
typedef VEC(struct form_value) FormValues;

/* A file as a value: {"name", "type", "size", "data"}, the last in base64. */
struct json *wf_form_file(struct arena *a, const struct form_value *v);

enum form_wrong {
    FORM_RIGHT,
    FORM_MISSING,
    FORM_NOT_EMAIL,
    FORM_NOT_URL,
    FORM_NOT_DATE,
    FORM_NOT_TIME,
    FORM_NOT_NUMBER,
    FORM_NOT_INTEGER,
    FORM_NOT_CHOICE,
    FORM_TOO_SHORT,
    FORM_TOO_LONG,
    FORM_TOO_SMALL,
    FORM_TOO_LARGE,
    FORM_OTHERWISE, /* .message says what */
};
struct form_error {
    Str field; /* empty: of the form as a whole */
    enum form_wrong wrong;
    Str message;  /* of FORM_OTHERWISE */
    double limit; /* that is passed */
};
typedef VEC(struct form_error) FormErrors;

/* What was filled in as the JSON that @compiled, the schema of @fields, is about. What is wrong is
 * in *ret_errors; a field that was left empty is not in the JSON. E_BAD_INPUT for a field that the
 * form does not have. */
Err wf_form_read(struct arena *a, const FormFields *fields, const struct json_schema *compiled,
                 const FormValues *values, struct json **ret_json, FormErrors *ret_errors);

#endif
