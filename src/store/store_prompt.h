/* src/store/store_prompt.h - prompts that are called by name, and their versions. */
#ifndef STORE_STORE_PROMPT_H
#define STORE_STORE_PROMPT_H

#include "store/db.h"

struct prompt_row {
    Id id, tenant;
    Str name, description;
    Str labels; /* JSON: {"published": 3} */
    int64_t latest, revision;
    Usec created_at, updated_at;
};
typedef VEC(struct prompt_row) PromptRows;

struct prompt_version_row {
    Id prompt;
    int64_t number;
    Str body; /* JSON, see llm/prompt.h */
    Str note, created_by;
    Usec created_at;
};
typedef VEC(struct prompt_version_row) PromptVersionRows;

/* With its first version. E_EXISTS. */
Err store_prompt_create(struct db *db, struct arena *a, const struct prompt_row *row,
                        const struct prompt_version_row *version) YIELDS;
/* Those of a tenant by name, from behind @after on. */
Err store_prompt_list(struct db *db, struct arena *a, Id tenant, Str after, int max,
                      PromptRows *ret_rows) YIELDS;
/* By its id, or its name if @id is ID_NONE. E_NOT_FOUND. */
Err store_prompt_get(struct db *db, struct arena *a, Id tenant, Id id, Str name,
                     struct prompt_row *ret_row) YIELDS;
/* Write description, labels and latest, and @version if it is one (NULL: none). E_CONFLICT unless
 * the revision is still @row->revision. */
Err store_prompt_update(struct db *db, struct arena *a, const struct prompt_row *row,
                        const struct prompt_version_row *version) YIELDS;
/* With all its versions. E_NOT_FOUND. */
Err store_prompt_delete(struct db *db, struct arena *a, Id tenant, Id id) YIELDS;

/* Newest first, from before @before on. */
Err store_prompt_versions(struct db *db, struct arena *a, Id prompt, int64_t before, int max,
                          PromptVersionRows *ret_rows) YIELDS;
/* E_NOT_FOUND. */
Err store_prompt_version(struct db *db, struct arena *a, Id prompt, int64_t number,
                         struct prompt_version_row *ret_row) YIELDS;

#endif
