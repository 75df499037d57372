/* src/store/store_model_pin.h - who made a response that lives at its provider. */
#ifndef STORE_STORE_MODEL_PIN_H
#define STORE_STORE_MODEL_PIN_H

#include "store/db.h"

struct model_pin_row {
    Id tenant, provider;
    Str response, model; /* any bytes */
};

/* Write @n of them; the last one counts. They are kept until @keep_until. */
Err store_model_pin_put(struct db *db, struct arena *a, const struct model_pin_row *rows, size_t n,
                        Usec keep_until) YIELDS;
/* E_NOT_FOUND. */
Err store_model_pin_get(struct db *db, struct arena *a, Id tenant, Str response,
                        struct model_pin_row *ret_row) YIELDS;
/* Forget those that are kept no longer than @now. */
Err store_model_pin_expire(struct db *db, struct arena *a, Usec now) YIELDS;

#endif
