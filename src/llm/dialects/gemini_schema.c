/* src/llm/dialects/gemini_schema.c - schemas as Gemini has them, as JSON Schemas.
 *
 * Its own are those of OpenAPI 3.0 with types in capitals, "nullable" for null, whole numbers as
 * texts and an order of properties. Its models add no property that a schema does not name, which
 * other servers must be told.
 */
#include "llm/dialects/dialect_gemini.h"

enum { DEPTH_MAX = 32 };

struct schema_job {
    struct llm_chat *c;
    const char *where;
};

static Err convert(const struct schema_job *job, const struct json *v, unsigned depth,
                   struct json **ret_schema);

static Err bad(const struct schema_job *job)
{
    return err_detail(E_BAD_INPUT, "\"%s\" is no schema.", job->where);
}

static void drop(const struct schema_job *job, Str name)
{
    char text[128];
    int n = snprintf(text, sizeof text, "%s.%.*s", job->where, P(str_head(name, 24)));

    llm_chat_drop(job->c, str_from(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

/* "STRING" or ["STRING", "NULL"], and whether it may be null besides. */
static const struct json *type_of(struct arena *a, const struct json *v, bool nullable)
{
    const struct json *type = llm_gemini_get(v, "type");
    struct json *list;

    if (json_is(type, JSON_ARR))
        return type; /* that is a JSON Schema's */
    Str name = str_lower(a, json_str_of(type, S("")));
    if (!name.n || str_eq(name, S("type_unspecified")))
        return NULL;
    if (!nullable)
        return json_str(a, name);
    list = json_arr(a);
    json_push(a, list, json_str(a, name));
    json_push(a, list, json_str_c(a, "null"));
    return list;
}

static Err put_property(const struct schema_job *job, Str name, const struct json *v,
                        unsigned depth, struct json *to)
{
    struct json *schema = NULL;

    if (!v || json_get(to, name))
        return OK;
    TRY(convert(job, v, depth + 1, &schema));
    json_set(job->c->a, to, name, schema);
    return OK;
}

/* In the order that is asked for. */
static Err put_properties(const struct schema_job *job, const struct json *v,
                          const struct json *properties, unsigned depth, struct json *to)
{
    const struct json *order = llm_gemini_get(v, "propertyOrdering");
    struct json *all = json_obj(job->c->a, NULL);

    for (size_t i = 0; json_is(order, JSON_ARR) && i < json_len(order); i++) {
        Str name = json_str_of(json_item(order, i), S(""));
        TRY(put_property(job, name, json_get(properties, name), depth, all));
    }
    for (size_t i = 0; i < json_len(properties); i++)
        TRY(put_property(job, json_str_of(&properties->obj[i].key, S("")), &properties->obj[i].val,
                         depth, all));
    json_set(job->c->a, to, S("properties"), all);
    if (!llm_gemini_get(v, "additionalProperties"))
        json_set(job->c->a, to, S("additionalProperties"), json_bool(job->c->a, false));
    return OK;
}

static Err put_any_of(const struct schema_job *job, const struct json *list, bool or_null,
                      unsigned depth, struct json *to)
{
    struct arena *a = job->c->a;
    struct json *all = json_arr(a), *schema = NULL;

    if (!json_is(list, JSON_ARR))
        return bad(job);
    for (size_t i = 0; i < json_len(list); i++) {
        TRY(convert(job, json_item(list, i), depth + 1, &schema));
        json_push(a, all, schema);
    }
    if (or_null)
        json_push(a, all, json_obj(a, "type", json_str_c(a, "null"), NULL));
    json_set(a, to, S("anyOf"), all);
    return OK;
}

/* Members that mean the same in both, but for their names and how whole numbers are written. */
static bool put_plain(const struct schema_job *job, Str name, const struct json *v, struct json *to)
{
    static const char *const plain[] = {"title",   "description", "enum",    "pattern",
                                        "default", "required",    "minimum", "maximum",
                                        "$ref",    "$defs",       "const",   "additionalProperties",
                                        NULL};
    static const char *const counts[] = {"minItems",      "maxItems",      "minLength", "maxLength",
                                         "minProperties", "maxProperties", NULL};
    struct arena *a = job->c->a;

    for (const char *const *k = plain; *k; k++)
        if (llm_gemini_is(name, *k)) {
            json_set(a, to, str_c(*k), v);
            return true;
        }
    for (const char *const *k = counts; *k; k++)
        if (llm_gemini_is(name, *k)) {
            json_set(a, to, str_c(*k), json_int(a, llm_gemini_int(v, 0)));
            return true;
        }
    return false;
}

/* Those of numbers say what their type says. */
static bool is_format(Str name)
{
    static const char *const known[] = {"date-time", "date", "time", "duration", "email", "uuid"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(name, str_c(known[i])))
            return true;
    return false;
}

static Err put_member(const struct schema_job *job, const struct json *v, Str name,
                      const struct json *value, unsigned depth, struct json *to)
{
    static const char *const read_before[] = {"type", "nullable", "propertyOrdering", NULL};
    bool nullable = json_bool_of(llm_gemini_get(v, "nullable"), false);
    struct json *items = NULL;

    for (const char *const *k = read_before; *k; k++)
        if (llm_gemini_is(name, *k))
            return OK;
    if (llm_is_none(value) || put_plain(job, name, value, to))
        return OK;
    if (str_eq(name, S("properties")) && json_is(value, JSON_OBJ))
        return put_properties(job, v, value, depth, to);
    if (llm_gemini_is(name, "anyOf"))
        return put_any_of(job, value, nullable && !llm_gemini_get(v, "type"), depth, to);
    if (str_eq(name, S("items"))) {
        TRY(convert(job, value, depth + 1, &items));
        json_set(job->c->a, to, S("items"), items);
        return OK;
    }
    if (str_eq(name, S("format")) && is_format(json_str_of(value, S(""))))
        json_set(job->c->a, to, S("format"), value);
    else
        drop(job, name);
    return OK;
}

static Err convert(const struct schema_job *job, const struct json *v, unsigned depth,
                   struct json **ret_schema)
{
    struct arena *a = job->c->a;
    struct json *to = json_obj(a, NULL);

    if (!json_is(v, JSON_OBJ))
        return bad(job);
    if (depth > DEPTH_MAX)
        return err_detail(E_BAD_INPUT, "\"%s\" is nested deeper than %d.", job->where, DEPTH_MAX);
    if (job->c->n_parts++ >= LLM_PARTS_MAX)
        return llm_chat_too_many();
    json_set(a, to, S("type"), type_of(a, v, json_bool_of(llm_gemini_get(v, "nullable"), false)));
    for (size_t i = 0; i < json_len(v); i++)
        TRY(put_member(job, v, json_str_of(&v->obj[i].key, S("")), &v->obj[i].val, depth, to));
    *ret_schema = to;
    return OK;
}

Err llm_gemini_schema(struct llm_chat *c, const struct json *v, const char *where,
                      struct json **ret_schema)
{
    return convert(&(struct schema_job){c, where}, v, 0, ret_schema);
}

/* ---- strictness ---- */

static bool is_strict(const struct json *v, unsigned depth);

static bool all_strict(const struct json *v, unsigned depth)
{
    for (size_t i = 0; i < json_len(v); i++)
        if (!is_strict(json_is(v, JSON_OBJ) ? &v->obj[i].val : json_item(v, i), depth))
            return false;
    return true;
}

static bool is_listed(const struct json *list, Str name)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_str_of(json_item(list, i), S("")), name))
            return true;
    return false;
}

/* Every property is required, and no other allowed. */
static bool is_closed(const struct json *v)
{
    enum { PROPERTIES_MAX = 200 }; /* each is looked for in the list */
    const struct json *properties = json_at(v, "properties"), *required = json_at(v, "required");

    if (json_bool_of(json_at(v, "additionalProperties"), true) || !json_is(properties, JSON_OBJ) ||
        json_len(properties) > PROPERTIES_MAX || json_len(required) > PROPERTIES_MAX)
        return false;
    for (size_t i = 0; i < json_len(properties); i++)
        if (!is_listed(required, json_str_of(&properties->obj[i].key, S(""))))
            return false;
    return true;
}

static bool is_object(const struct json *v)
{
    const struct json *type = json_at(v, "type");

    return str_eq(json_str_of(type, S("")), S("object")) || is_listed(type, S("object"));
}

static bool is_strict(const struct json *v, unsigned depth)
{
    static const char *const known[] = {
        "type",        "properties", "required", "additionalProperties",
        "items",       "anyOf",      "enum",     "const",
        "description", "title",      "$ref",     "$defs",
        "format",      "pattern",    "minimum",  "maximum",
        "minItems",    "maxItems",   "$schema",  "multipleOf"};
    static const char *const open[] = {"properties", "$defs", "anyOf", NULL};

    if (!json_is(v, JSON_OBJ) || depth > DEPTH_MAX)
        return false;
    for (size_t i = 0; i < json_len(v); i++) {
        bool is_known = false;
        for (size_t k = 0; k < ARRAY_LEN(known) && !is_known; k++)
            is_known = str_eq(json_str_of(&v->obj[i].key, S("")), str_c(known[k]));
        if (!is_known)
            return false;
    }
    for (const char *const *k = open; *k; k++)
        if (!all_strict(json_get(v, str_c(*k)), depth + 1))
            return false;
    const struct json *items = json_at(v, "items");
    return (!items || is_strict(items, depth + 1)) && (!is_object(v) || is_closed(v));
}

bool llm_schema_is_strict(const struct json *v)
{
    return is_object(v) && !json_at(v, "anyOf") && is_strict(v, 0);
}
