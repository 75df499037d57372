/* src/wf/mail_seal.c - passwords of mail servers in definitions.
 *
 * A password is sealed before the definition is stored, and never given out again: definitions,
 * their versions and copies have what was sealed. It opens for the same tenant, server, port,
 * encryption and user alone, so that who may change a workflow cannot have it sent elsewhere.
 */
#include "base/crypto.h"
#include "secrets/secrets.h"
#include "wf/mail.h"

static const Str prefix = S_INIT("sealed:");

static Str use_of(struct arena *a, const struct mail_target *t)
{
    const struct wf_email_cfg *cfg = t->cfg;
    char id[ID_TEXT_SIZE];

    return str_fmt(a, "email:%.*s:%.*s:%u:%.*s:%.*s", P(id_text(t->tenant, id)),
                   P(str_lower(a, cfg->host)), trigger_email_port(cfg), P(cfg->tls), P(cfg->user));
}

Err mail_unseal(struct wf_engine *e, struct arena *a, const struct mail_target *t,
                Str *ret_password)
{
    Str sealed;

    if (!e->o.secrets)
        return err_detail(E_UNSUPPORTED, "Nothing is sealed here.");
    if (!str_starts(t->cfg->password, prefix) ||
        crypto_unbase64url(a, str_skip(t->cfg->password, prefix.n), &sealed) != OK ||
        secrets_unseal(e->o.secrets, a, use_of(a, t), sealed, ret_password) != OK)
        return err_detail(E_INVALID, "The password of the trigger was sealed for another server, "
                                     "port, encryption, user or installation: enter it again.");
    return OK;
}

static struct json *trigger_settings(struct json *definition)
{
    struct json *nodes = json_at(definition, "nodes");

    for (size_t i = 0; i < json_len(nodes); i++)
        if (str_eq(json_str_of(json_at(json_item(nodes, i), "type"), S("")), S("trigger")))
            return json_at(json_at(json_item(nodes, i), "data"), "email");
    return NULL;
}

Err wf_mail_seal(struct wf_engine *e, struct arena *a, Id tenant, const struct wf_def *def,
                 Str *ret_text)
{
    const struct wf_trigger_cfg *cfg = wf_trigger_cfg(def);
    const struct mail_target t = {tenant, &cfg->email};
    struct json *definition;
    Str password;

    *ret_text = S("");
    if (!str_eq(cfg->trigger, S("email")))
        return OK;
    if (str_starts(cfg->email.password, prefix))
        return mail_unseal(e, a, &t, &password);
    if (!e->o.secrets)
        return err_detail(E_UNSUPPORTED, "Nothing is sealed here.");
    TRY(json_parse(a, def->text, &definition));
    struct json *settings = trigger_settings(definition);
    if (!settings)
        return err_set(E_INTERNAL, "a trigger of mails has no settings");
    Str sealed = secrets_seal(e->o.secrets, a, use_of(a, &t), cfg->email.password);
    json_set(a, settings, S("password"),
             json_str(a, str_fmt(a, "%.*s%.*s", P(prefix), P(crypto_base64url(a, sealed)))));
    *ret_text = json_text(a, definition);
    return OK;
}
