/* src/wf/seal.c - see seal.h: which secrets there are, and how they stand in definitions. */
#include "wf/seal.h"

#include "base/crypto.h"
#include "secrets/secrets.h"
#include "wf/mail.h"
#include "wf/s3.h"

static const Str prefix = S_INIT("sealed:");
enum { SECRETS_MAX = 2 }; /* of a trigger */

struct secret {
    const char *name; /* in the settings of its kind */
    Str value, use;
};

Err seal_open(struct wf_engine *e, struct arena *a, Str use, Str sealed, Str *ret_plain)
{
    Str bytes;

    if (!e->o.secrets)
        return err_detail(E_UNSUPPORTED, "Nothing is sealed here.");
    if (!str_starts(sealed, prefix) ||
        crypto_unbase64url(a, str_skip(sealed, prefix.n), &bytes) != OK ||
        secrets_unseal(e->o.secrets, a, use, bytes, ret_plain) != OK)
        return err_detail(E_INVALID, "A secret of the trigger was sealed for another server, user "
                                     "or installation: enter it again.");
    return OK;
}

static size_t secrets_of(struct arena *a, Id tenant, const struct wf_def *def,
                         struct secret secrets[SECRETS_MAX])
{
    const struct wf_trigger_cfg *cfg = wf_trigger_cfg(def);

    if (str_eq(cfg->trigger, S("email"))) {
        const struct mail_target t = {tenant, &cfg->email};
        secrets[0] = (struct secret){"password", cfg->email.password, mail_seal_use(a, &t)};
        return 1;
    }
    if (!str_eq(cfg->trigger, S("s3")))
        return 0;
    secrets[0] = (struct secret){"secret_key", cfg->s3.secret_key,
                                 s3_seal_use(a, tenant, &cfg->s3, "secret_key")};
    secrets[1] = (struct secret){"session_token", cfg->s3.session_token,
                                 s3_seal_use(a, tenant, &cfg->s3, "session_token")};
    return 2;
}

static struct json *trigger_settings(struct json *definition, Str kind)
{
    struct json *nodes = json_at(definition, "nodes");

    for (size_t i = 0; i < json_len(nodes); i++)
        if (str_eq(json_str_of(json_at(json_item(nodes, i), "type"), S("")), S("trigger")))
            return json_get(json_at(json_item(nodes, i), "data"), kind);
    return NULL;
}

static Err seal_one(struct wf_engine *e, struct arena *a, const struct secret *secret,
                    struct json *settings, bool *changed)
{
    Str plain;

    if (!secret->value.n)
        return OK;
    if (str_starts(secret->value, prefix)) {
        TRY(seal_open(e, a, secret->use, secret->value, &plain));
        crypto_wipe((char *)(uintptr_t)plain.p, plain.n);
        return OK;
    }
    if (!e->o.secrets)
        return err_detail(E_UNSUPPORTED, "Nothing is sealed here.");
    Str sealed = secrets_seal(e->o.secrets, a, secret->use, secret->value);
    json_set(a, settings, str_c(secret->name),
             json_str(a, str_fmt(a, "%.*s%.*s", P(prefix), P(crypto_base64url(a, sealed)))));
    *changed = true;
    return OK;
}

Err wf_trigger_seal(struct wf_engine *e, struct arena *a, Id tenant, const struct wf_def *def,
                    Str *ret_text)
{
    struct secret secrets[SECRETS_MAX];
    size_t n = secrets_of(a, tenant, def, secrets);
    struct json *definition;
    bool changed = false;

    *ret_text = S("");
    if (!n)
        return OK;
    TRY(json_parse(a, def->text, &definition));
    struct json *settings = trigger_settings(definition, wf_trigger_cfg(def)->trigger);
    if (!settings)
        return err_set(E_INTERNAL, "a trigger has no settings");
    for (size_t i = 0; i < n; i++)
        TRY(seal_one(e, a, &secrets[i], settings, &changed));
    if (changed)
        *ret_text = json_text(a, definition);
    return OK;
}
