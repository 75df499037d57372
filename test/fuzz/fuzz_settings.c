/* test/fuzz/fuzz_settings.c - whatever heddle.yaml holds, reading it ends, stays in bounds, and
 * what is printed of valid settings reads back as the same settings. */
#include "base/crypto.h"
#include "main/config_private.h"

#include <assert.h>

static Err load(struct arena *a, Str text, struct config *config)
{
    AUTO_BUF(complaints, MIB(1));
    struct config_entries entries;
    Err e = OK;

    for (size_t i = 0; i < config_count(); i++)
        e = config_value_set(a, &config_settings[i], str_c(config_settings[i].dflt), config);
    assert(e == OK);
    config_yaml_read(a, text, S("heddle.yaml"), &entries, &complaints);
    vec_each(&entries, entry) {
        assert(entry->line > 0 && entry->key.n + entry->text.n <= 2 * text.n + MIB(1));
        for (size_t i = 0; i < config_count(); i++)
            if (str_eq(entry->key, str_c(config_settings[i].key)) &&
                config_value_set(a, &config_settings[i], entry->text, config) != OK)
                e = E_INVALID;
    }
    return complaints.n ? E_INVALID : e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO_BUF(printed, MIB(1));
    struct config config = {0}, again = {0};

    if (load(a, str_from((const char *)data, size), &config) != OK)
        return 0;
    config.origin = arena_array(a, struct config_origin, config_count());
    config_print(a, &config, &printed);
    if (buf_ok(&printed) != OK)
        return 0;
    assert(load(a, buf_str(&printed), &again) == OK);
    for (size_t i = 0; i < config_count(); i++) {
        const struct config_setting *s = &config_settings[i];
        if (config_value_secret(s, &config).n == 0) /* secrets are printed as *** */
            assert(str_eq(config_value_text(a, s, &config), config_value_text(a, s, &again)));
    }
    return 0;
}
