/* src/secrets/secrets.h - values sealed at rest under the installation's master key.
 *
 * The key comes from the settings or from a file in the data folder, which is made (mode 0600) when
 * it is not there. Each value is sealed with a key of its own use, derived from the master key:
 * what was sealed for one row does not open in another.
 */
#ifndef SECRETS_SECRETS_H
#define SECRETS_SECRETS_H

#include "base/arena.h"
#include "rt/fiber.h"

struct secrets;

/* @given: the master key as 64 hexadecimal digits or as base64 of 32 bytes; empty: the file
 * "master.key" in the folder @data. E_INVALID with a detail for a key that is none, or a file that
 * others may read. */
Err secrets_open(Str data, Str given, struct secrets **ret_secrets) YIELDS;
/* Wipes the key. */
void secrets_free(struct secrets *s);
DEFINE_AUTO(secrets, secrets_free)

/* Seal @plain for @use ("provider:<id>"). Safe on any thread. */
Str secrets_seal(const struct secrets *s, struct arena *a, Str use, Str plain);
/* The value again. E_CORRUPT with a detail: it was sealed with another master key, for another use,
 * or was altered. */
Err secrets_unseal(const struct secrets *s, struct arena *a, Str use, Str sealed, Str *ret_plain);

#endif
