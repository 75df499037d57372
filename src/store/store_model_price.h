/* src/store/store_model_price.h - what models cost. */
#ifndef STORE_STORE_MODEL_PRICE_H
#define STORE_STORE_MODEL_PRICE_H

#include "store/store_stamp.h"

struct model_price_row {
    Id id, tenant;
    Str provider, model;
    Str prices;    /* JSON, see llm/price.h */
    bool imported; /* from a list, else written by hand */
    Usec updated_at;
};
typedef VEC(struct model_price_row) ModelPriceRows;

/* Write one by hand; it takes the place of the one of that provider and model. */
Err store_model_price_put(struct db *db, struct arena *a, const struct model_price_row *row) YIELDS;
/* Put @rows in the place of all that were imported before, in one transaction. */
Err store_model_price_import(struct db *db, struct arena *a, Id tenant, const ModelPriceRows *rows)
    YIELDS;
/* Those of all tenants. */
Err store_model_price_list(struct db *db, struct arena *a, ModelPriceRows *ret_rows) YIELDS;
/* The @limit of a tenant before @before (none: the newest), newest first. @provider, @model: these
 * alone, if not empty. */
Err store_model_price_page(struct db *db, struct arena *a, Id tenant, Str provider, Str model,
                           Id before, int limit, ModelPriceRows *ret_rows) YIELDS;
/* E_NOT_FOUND. */
Err store_model_price_delete(struct db *db, struct arena *a, Id tenant, Id id) YIELDS;
Err store_model_price_stamp(struct db *db, struct arena *a, struct store_stamp *ret_stamp) YIELDS;

#endif
