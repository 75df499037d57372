/* src/main/config_private.h - what the parts of the configuration share among themselves. */
#ifndef MAIN_CONFIG_PRIVATE_H
#define MAIN_CONFIG_PRIVATE_H

#include "main/config.h"

/* What stands behind a key: one value, a list of them (joined by commas), an empty mapping. */
enum config_entry_kind { CONFIG_ENTRY_PLAIN, CONFIG_ENTRY_LIST, CONFIG_ENTRY_GROUP };

/* One value of the YAML file: its path, what was written, and the line. */
struct config_entry {
    Str key, text;
    int line;
    enum config_entry_kind kind;
};
struct config_entries {
    struct config_entry *at;
    size_t n, cap;
};

/* Read @text into entries, keys of nested mappings joined by dots, lists by commas. What is not a
 * plain tree of mappings is a complaint in @complaints, which begins with @name and the line. */
void config_yaml_read(struct arena *a, Str text, Str name, struct config_entries *ret_entries,
                      struct buf *complaints);

/* Check @text as a value of @s and store it at its place in @config. E_INVALID with a detail: the
 * value's problem and the way out. The detail never shows a secret. */
Err config_value_set(struct arena *a, const struct config_setting *s, Str text,
                     struct config *config);
/* The value in @config as text, in its shortest form; a secret and a URL's password as "***". */
Str config_value_text(struct arena *a, const struct config_setting *s, const struct config *config);
/* The same as JSON of its own type. */
struct json *config_value_json(struct arena *a, const struct config_setting *s,
                               const struct config *config);
/* What must not appear in logs: the secret itself, or a URL's password; empty for others. */
Str config_value_secret(const struct config_setting *s, const struct config *config);

#endif
