/* src/base/schema/meta.c - the meta-schemas of draft 2020-12, as the specification publishes them.
 *
 * Titles and comments are left out; schemas that refer to a meta-schema, and those that extend one,
 * find the same anchors, vocabularies and rules.
 */
#include "base/schema/private.h"

#define BASE "https://json-schema.org/draft/2020-12/"
#define HEAD(name)                                                                                 \
    "{\"$schema\":\"" BASE "schema\",\"$id\":\"" BASE name "\",\"$dynamicAnchor\":\"meta\","

static const struct {
    Str uri, text;
} metas[] = {
    {S_INIT(BASE "schema"),
     S_INIT(HEAD(
         "schema") "\"$vocabulary\":{"
                   "\"" BASE "vocab/core\":true,\"" BASE "vocab/applicator\":true,"
                   "\"" BASE "vocab/unevaluated\":true,\"" BASE "vocab/validation\":true,"
                   "\"" BASE "vocab/meta-data\":true,\"" BASE "vocab/format-annotation\":true,"
                   "\"" BASE "vocab/content\":true},"
                   "\"allOf\":[{\"$ref\":\"meta/core\"},{\"$ref\":\"meta/applicator\"},"
                   "{\"$ref\":\"meta/unevaluated\"},{\"$ref\":\"meta/validation\"},"
                   "{\"$ref\":\"meta/meta-data\"},{\"$ref\":\"meta/format-annotation\"},"
                   "{\"$ref\":\"meta/content\"}],"
                   "\"type\":[\"object\",\"boolean\"],"
                   "\"properties\":{"
                   "\"definitions\":{\"type\":\"object\",\"additionalProperties\":{\"$dynamicRef\":"
                   "\"#meta\"},"
                   "\"deprecated\":true,\"default\":{}},"
                   "\"dependencies\":{\"type\":\"object\",\"additionalProperties\":{\"anyOf\":["
                   "{\"$dynamicRef\":\"#meta\"},{\"$ref\":\"meta/validation#/$defs/"
                   "stringArray\"}]},"
                   "\"deprecated\":true,\"default\":{}},"
                   "\"$recursiveAnchor\":{\"$ref\":\"meta/core#/$defs/"
                   "anchorString\",\"deprecated\":true},"
                   "\"$recursiveRef\":{\"$ref\":\"meta/core#/$defs/"
                   "uriReferenceString\",\"deprecated\":true}}}")},
    {S_INIT(BASE "meta/core"),
     S_INIT(HEAD(
         "meta/core") "\"type\":[\"object\",\"boolean\"],"
                      "\"properties\":{"
                      "\"$id\":{\"$ref\":\"#/$defs/uriReferenceString\",\"pattern\":\"^[^#]*#?$\"},"
                      "\"$schema\":{\"$ref\":\"#/$defs/uriString\"},"
                      "\"$ref\":{\"$ref\":\"#/$defs/uriReferenceString\"},"
                      "\"$anchor\":{\"$ref\":\"#/$defs/anchorString\"},"
                      "\"$dynamicRef\":{\"$ref\":\"#/$defs/uriReferenceString\"},"
                      "\"$dynamicAnchor\":{\"$ref\":\"#/$defs/anchorString\"},"
                      "\"$vocabulary\":{\"type\":\"object\",\"propertyNames\":{\"$ref\":\"#/$defs/"
                      "uriString\"},"
                      "\"additionalProperties\":{\"type\":\"boolean\"}},"
                      "\"$comment\":{\"type\":\"string\"},"
                      "\"$defs\":{\"type\":\"object\",\"additionalProperties\":{\"$dynamicRef\":\"#"
                      "meta\"}}},"
                      "\"$defs\":{"
                      "\"anchorString\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][-A-Za-z0-9._]"
                      "*$\"},"
                      "\"uriString\":{\"type\":\"string\",\"format\":\"uri\"},"
                      "\"uriReferenceString\":{\"type\":\"string\",\"format\":\"uri-reference\"}}"
                      "}")},
    {S_INIT(BASE "meta/applicator"),
     S_INIT(HEAD(
         "meta/applicator") "\"type\":[\"object\",\"boolean\"],"
                            "\"properties\":{"
                            "\"prefixItems\":{\"$ref\":\"#/$defs/schemaArray\"},"
                            "\"items\":{\"$dynamicRef\":\"#meta\"},"
                            "\"contains\":{\"$dynamicRef\":\"#meta\"},"
                            "\"additionalProperties\":{\"$dynamicRef\":\"#meta\"},"
                            "\"properties\":{\"type\":\"object\",\"additionalProperties\":{\"$"
                            "dynamicRef\":\"#meta\"},"
                            "\"default\":{}},"
                            "\"patternProperties\":{\"type\":\"object\",\"additionalProperties\":"
                            "{\"$dynamicRef\":\"#meta\"},\"propertyNames\":{\"format\":\"regex\"},"
                            "\"default\":{}},"
                            "\"dependentSchemas\":{\"type\":\"object\",\"additionalProperties\":"
                            "{\"$dynamicRef\":\"#meta\"},\"default\":{}},"
                            "\"propertyNames\":{\"$dynamicRef\":\"#meta\"},"
                            "\"if\":{\"$dynamicRef\":\"#meta\"},"
                            "\"then\":{\"$dynamicRef\":\"#meta\"},"
                            "\"else\":{\"$dynamicRef\":\"#meta\"},"
                            "\"allOf\":{\"$ref\":\"#/$defs/schemaArray\"},"
                            "\"anyOf\":{\"$ref\":\"#/$defs/schemaArray\"},"
                            "\"oneOf\":{\"$ref\":\"#/$defs/schemaArray\"},"
                            "\"not\":{\"$dynamicRef\":\"#meta\"}},"
                            "\"$defs\":{\"schemaArray\":{\"type\":\"array\",\"minItems\":1,"
                            "\"items\":{\"$dynamicRef\":\"#meta\"}}}}")},
    {S_INIT(BASE "meta/unevaluated"),
     S_INIT(HEAD("meta/unevaluated") "\"type\":[\"object\",\"boolean\"],"
                                     "\"properties\":{"
                                     "\"unevaluatedItems\":{\"$dynamicRef\":\"#meta\"},"
                                     "\"unevaluatedProperties\":{\"$dynamicRef\":\"#meta\"}}}")},
    {S_INIT(BASE "meta/validation"),
     S_INIT(HEAD(
         "meta/validation") "\"type\":[\"object\",\"boolean\"],"
                            "\"properties\":{"
                            "\"type\":{\"anyOf\":[{\"$ref\":\"#/$defs/"
                            "simpleTypes\"},{\"type\":\"array\","
                            "\"items\":{\"$ref\":\"#/$defs/"
                            "simpleTypes\"},\"minItems\":1,\"uniqueItems\":true}]},"
                            "\"const\":true,"
                            "\"enum\":{\"type\":\"array\",\"items\":true},"
                            "\"multipleOf\":{\"type\":\"number\",\"exclusiveMinimum\":0},"
                            "\"maximum\":{\"type\":\"number\"},"
                            "\"exclusiveMaximum\":{\"type\":\"number\"},"
                            "\"minimum\":{\"type\":\"number\"},"
                            "\"exclusiveMinimum\":{\"type\":\"number\"},"
                            "\"maxLength\":{\"$ref\":\"#/$defs/nonNegativeInteger\"},"
                            "\"minLength\":{\"$ref\":\"#/$defs/nonNegativeIntegerDefault0\"},"
                            "\"pattern\":{\"type\":\"string\",\"format\":\"regex\"},"
                            "\"maxItems\":{\"$ref\":\"#/$defs/nonNegativeInteger\"},"
                            "\"minItems\":{\"$ref\":\"#/$defs/nonNegativeIntegerDefault0\"},"
                            "\"uniqueItems\":{\"type\":\"boolean\",\"default\":false},"
                            "\"maxContains\":{\"$ref\":\"#/$defs/nonNegativeInteger\"},"
                            "\"minContains\":{\"$ref\":\"#/$defs/"
                            "nonNegativeInteger\",\"default\":1},"
                            "\"maxProperties\":{\"$ref\":\"#/$defs/nonNegativeInteger\"},"
                            "\"minProperties\":{\"$ref\":\"#/$defs/nonNegativeIntegerDefault0\"},"
                            "\"required\":{\"$ref\":\"#/$defs/stringArray\"},"
                            "\"dependentRequired\":{\"type\":\"object\",\"additionalProperties\":"
                            "{\"$ref\":\"#/$defs/stringArray\"}}},"
                            "\"$defs\":{"
                            "\"nonNegativeInteger\":{\"type\":\"integer\",\"minimum\":0},"
                            "\"nonNegativeIntegerDefault0\":{\"$ref\":\"#/$defs/"
                            "nonNegativeInteger\",\"default\":0},"
                            "\"simpleTypes\":{\"enum\":[\"array\",\"boolean\",\"integer\",\"null\","
                            "\"number\","
                            "\"object\",\"string\"]},"
                            "\"stringArray\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
                            "\"uniqueItems\":true,\"default\":[]}}}")},
    {S_INIT(BASE "meta/meta-data"),
     S_INIT(HEAD("meta/meta-data") "\"type\":[\"object\",\"boolean\"],"
                                   "\"properties\":{"
                                   "\"title\":{\"type\":\"string\"},\"description\":{\"type\":"
                                   "\"string\"},\"default\":true,"
                                   "\"deprecated\":{\"type\":\"boolean\",\"default\":false},"
                                   "\"readOnly\":{\"type\":\"boolean\",\"default\":false},"
                                   "\"writeOnly\":{\"type\":\"boolean\",\"default\":false},"
                                   "\"examples\":{\"type\":\"array\",\"items\":true}}}")},
    {S_INIT(BASE "meta/format-annotation"),
     S_INIT(HEAD("meta/format-annotation") "\"type\":[\"object\",\"boolean\"],\"properties\":{"
                                           "\"format\":{\"type\":\"string\"}}}")},
    {S_INIT(BASE "meta/format-assertion"),
     S_INIT(HEAD("meta/format-assertion") "\"type\":[\"object\",\"boolean\"],\"properties\":{"
                                          "\"format\":{\"type\":\"string\"}}}")},
    {S_INIT(BASE "meta/content"),
     S_INIT(HEAD("meta/content") "\"type\":[\"object\",\"boolean\"],"
                                 "\"properties\":{"
                                 "\"contentEncoding\":{\"type\":\"string\"},\"contentMediaType\":{"
                                 "\"type\":\"string\"},"
                                 "\"contentSchema\":{\"$dynamicRef\":\"#meta\"}}}")},
};

Str schema_meta(Str uri)
{
    for (size_t i = 0; i < ARRAY_LEN(metas); i++)
        if (str_eq(uri, metas[i].uri))
            return metas[i].text;
    return S("");
}
