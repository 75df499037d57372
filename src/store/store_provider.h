/* src/store/store_provider.h - model providers. */
#ifndef STORE_STORE_PROVIDER_H
#define STORE_STORE_PROVIDER_H

#include "store/store_stamp.h"

struct provider_row {
    Id id, tenant;
    Str name, kind, base_url;
    Str credential;  /* sealed; empty: none */
    Str api_version; /* empty: the usual one */
    Str probe;       /* JSON, see llm/probe.h; empty: none */
    bool private_network, enabled;
    Usec timeout;
    int64_t revision;
    Usec created_at, updated_at;
};
typedef VEC(struct provider_row) ProviderRows;

/* @row is complete. E_EXISTS if the tenant has one of that name. */
Err store_provider_create(struct db *db, struct arena *a, const struct provider_row *row) YIELDS;
/* Those of all tenants, in the order of their making. */
Err store_provider_list(struct db *db, struct arena *a, ProviderRows *ret_rows) YIELDS;
/* Write what may change: base_url, credential, api_version, private_network, enabled, timeout,
 * probe.
 * E_CONFLICT unless the revision is still @row->revision. */
Err store_provider_update(struct db *db, struct arena *a, const struct provider_row *row) YIELDS;
/* E_NOT_FOUND. */
Err store_provider_delete(struct db *db, struct arena *a, Id tenant, Id id) YIELDS;

/* What the last probe of a provider said. */
struct provider_state_row {
    Id provider, tenant;
    Str state, error;
    Usec since, asked_at, took; /* since 0: the state is not known */
};
typedef VEC(struct provider_state_row) ProviderStateRows;
Err store_provider_state_put(struct db *db, struct arena *a, const struct provider_state_row *row)
    YIELDS;
Err store_provider_state_list(struct db *db, struct arena *a, Id tenant,
                              ProviderStateRows *ret_rows) YIELDS;

Err store_provider_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp) YIELDS;

#endif
