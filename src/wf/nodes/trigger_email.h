/* src/wf/nodes/trigger_email.h - the settings of a trigger that reads mails. */
#ifndef WF_NODES_TRIGGER_EMAIL_H
#define WF_NODES_TRIGGER_EMAIL_H

#include "wf/node.h"

struct wf_email_cfg {
    Str host;
    int64_t port; /* INT64_MIN: the usual one */
    Str tls;      /* "implicit", "starttls", "none" */
    Str user;
    Str password; /* sealed (wf/mail_seal.c) */
    Str folder;
    bool unseen;
    Str from, subject; /* empty: any */
    Str since;         /* "2026-11-20"; empty: any */
    Usec since_at;
    bool existing;
    Str after; /* "seen", "move", "delete", "nothing" */
    Str move_to;
    Str attachments; /* "content", "names" */
    size_t max_size, max_attachments;
    Usec every;
};

extern const struct field trigger_email_fields[];
void trigger_email_check(struct wf_check *ck, struct wf_email_cfg *cfg);
uint16_t trigger_email_port(const struct wf_email_cfg *cfg);

#endif
