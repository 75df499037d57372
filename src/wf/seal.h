/* src/wf/seal.h - secrets of triggers in definitions.
 *
 * A secret that a trigger shows to another server is sealed before the definition is stored, and
 * never given out again: definitions, their versions and copies have what was sealed. It opens for
 * the same tenant, server and user alone, so that who may change a workflow cannot have it sent
 * elsewhere.
 */
#ifndef WF_SEAL_H
#define WF_SEAL_H

#include "wf/engine_private.h"

/* What @sealed, of a definition, stands for; @use names tenant, server, user and what it is.
 * E_INVALID with a detail: it was sealed for another use. Wipe it afterwards. */
Err seal_open(struct wf_engine *e, struct arena *a, Str use, Str sealed, Str *ret_plain);

#endif
