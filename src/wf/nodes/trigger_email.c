/* src/wf/nodes/trigger_email.c - which mails start a workflow. */
#include "wf/nodes/trigger_email.h"

#include "base/utf8.h"

const struct field trigger_email_fields[] = {
    {"host", F_STR, offsetof(struct wf_email_cfg, host), .required = true, .min = 1, .max = 253,
     .title = "Mail server", .help = "Of IMAP, such as imap.example.com."},
    {"tls", F_ENUM, offsetof(struct wf_email_cfg, tls), .dflt = "implicit",
     .one_of = "implicit starttls none", .title = "Encryption",
     .help = "None sends the password in the clear; the operator has to allow it."},
    {"port", F_INT, offsetof(struct wf_email_cfg, port), .dflt = FIELD_UNSET, .min = 1,
     .max = 65535, .title = "Port", .help = "993 if not set; 143 without implicit TLS."},
    {"user", F_STR, offsetof(struct wf_email_cfg, user), .required = true, .min = 1, .max = 500,
     .title = "User"},
    {"password", F_STR, offsetof(struct wf_email_cfg, password), .required = true, .min = 1,
     .max = 4000, .secret = true, .title = "Password",
     .help = "Sealed when it is saved, for this server and user alone."},
    {"folder", F_STR, offsetof(struct wf_email_cfg, folder), .dflt = "INBOX", .min = 1, .max = 500,
     .title = "Folder"},
    {"unseen", F_BOOL, offsetof(struct wf_email_cfg, unseen), .dflt = "false",
     .title = "Only unread ones"},
    {"from", F_STR, offsetof(struct wf_email_cfg, from), .max = 500, .title = "From",
     .help = "Part of a sender's name or address."},
    {"subject", F_STR, offsetof(struct wf_email_cfg, subject), .max = 500, .title = "Subject",
     .help = "Part of it."},
    {"since", F_STR, offsetof(struct wf_email_cfg, since), .max = 10, .title = "Not before",
     .help = "A date such as 2026-11-20, by when they arrived."},
    {"existing", F_BOOL, offsetof(struct wf_email_cfg, existing), .dflt = "false",
     .title = "Existing mails", .help = "Whether those that are there at first start runs too."},
    {"after", F_ENUM, offsetof(struct wf_email_cfg, after), .dflt = "seen",
     .one_of = "seen move delete nothing", .title = "Afterwards",
     .help = "What is done with a mail that has started a run."},
    {"move_to", F_STR, offsetof(struct wf_email_cfg, move_to), .required = true,
     .when = "after=move", .min = 1, .max = 500, .title = "Move to",
     .help = "A folder that is there."},
    {"attachments", F_ENUM, offsetof(struct wf_email_cfg, attachments), .dflt = "content",
     .one_of = "content names", .title = "Attachments",
     .help = "With what is in them, or their names and sizes alone."},
    {"max_attachments", F_SIZE, offsetof(struct wf_email_cfg, max_attachments), .dflt = "8MiB",
     .min = 1, .max = 16 << 20, .when = "attachments=content", .title = "At most",
     .help = "Of one mail together; what goes beyond comes without content."},
    {"max_size", F_SIZE, offsetof(struct wf_email_cfg, max_size), .dflt = "16MiB", .min = 1024,
     .max = 24 << 20, .title = "Largest mail", .help = "Of a larger one the beginning is read."},
    {"every", F_USEC, offsetof(struct wf_email_cfg, every), .dflt = "1m", .min = 1, .max = 1500,
     .title = "Look every",
     .help = "Where the server does not tell by itself; else so often it is asked whether it is "
             "still there."},
    {0},
};

static void check_plain(struct wf_check *ck, const char *field, Str s)
{
    if (utf8_control_free(s) < s.n)
        wf_check_problem(ck, str_fmt(ck->a, "email/%s", field), S("bad_text"),
                         "There is a control character in it.");
}

static void check_since(struct wf_check *ck, struct wf_email_cfg *cfg)
{
    Str text = str_fmt(ck->a, "%.*sT00:00:00Z", P(cfg->since));

    if (cfg->since.n &&
        (cfg->since.n != 10 || time_parse_rfc3339(text, &cfg->since_at) != OK || cfg->since_at < 0))
        wf_check_problem(ck, S("email/since"), S("bad_date"),
                         "\"%.*s\" is no date such as 2026-11-20.", P(cfg->since));
}

void trigger_email_check(struct wf_check *ck, struct wf_email_cfg *cfg)
{
    check_plain(ck, "host", cfg->host);
    check_plain(ck, "user", cfg->user);
    check_plain(ck, "password", cfg->password);
    check_plain(ck, "folder", cfg->folder);
    check_plain(ck, "move_to", cfg->move_to);
    check_since(ck, cfg);
    if (str_eq(cfg->after, S("move")) && str_eq(cfg->move_to, cfg->folder) && cfg->folder.n)
        wf_check_problem(ck, S("email/move_to"), S("same_folder"),
                         "Mails would be moved to where they are.");
    if (str_eq(cfg->tls, S("none")))
        wf_check_warning(ck, S("email/tls"), S("not_encrypted"),
                         "Password and mails go over the network in the clear.");
}

uint16_t trigger_email_port(const struct wf_email_cfg *cfg)
{
    if (cfg->port > 0)
        return (uint16_t)cfg->port;
    return str_eq(cfg->tls, S("implicit")) ? 993 : 143;
}
