/* src/store/store_workflow.h - workflows, their drafts and versions; definitions by content. */
#ifndef STORE_STORE_WORKFLOW_H
#define STORE_STORE_WORKFLOW_H

#include "store/store_event_start.h"
#include "store/store_mailbox.h"
#include "store/store_poll.h"
#include "store/store_schedule.h"

struct retention;
struct workflow_row {
    Id id, tenant;
    Str name, description;
    Str draft; /* hash of the draft's definition, 32 bytes */
    int64_t revision;
    int published_version, latest_version; /* 0: none */
    Str published; /* hash of the published version's definition, empty without one */
    Usec created_at, updated_at, deleted_at;
};
typedef VEC(struct workflow_row) WorkflowRows;

struct version_row {
    int version;
    Str hash;
    Usec created_at;
    Str created_by;
};
typedef VEC(struct version_row) VersionRows;

/* Queue a definition under its hash; one that is there already stays. */
void store_definition_put(struct db_tx *tx, Str hash, Str body);
Err store_definition_get(struct db *db, struct arena *a, Str hash, Str *ret_body) YIELDS;

/* @row is complete; its definition is @body. */
Err store_workflow_create(struct db *db, struct arena *a, const struct workflow_row *row, Str body)
    YIELDS;
/* E_NOT_FOUND for unknown, foreign and deleted ones. */
Err store_workflow_get(struct db *db, struct arena *a, Id tenant, Id id,
                       struct workflow_row *ret_row) YIELDS;
/* The same by name. E_CONFLICT when several published ones are called so; one that is not
 * published is given when there is no other. */
Err store_workflow_named(struct db *db, struct arena *a, Id tenant, Str name,
                         struct workflow_row *ret_row) YIELDS;
/* The same by id alone, for webhooks. */
Err store_workflow_get_any(struct db *db, struct arena *a, Id id, struct workflow_row *ret_row)
    YIELDS;
/* Newest first, before @before (none: from the newest); those whose name has @q in it, if any. */
Err store_workflow_list(struct db *db, struct arena *a, Id tenant, Str q, Id before, int limit,
                        WorkflowRows *ret_rows) YIELDS;
/* Replace the draft; E_CONFLICT unless the revision is still @row->revision. Gives revision + 1. */
Err store_workflow_update(struct db *db, struct arena *a, const struct workflow_row *row, Str name,
                          Str description, Str hash, Str body) YIELDS;
Err store_workflow_delete(struct db *db, struct arena *a, const struct workflow_row *row) YIELDS;
/* How a version starts by itself when it is published, and how long its runs are kept. */
struct workflow_triggers {
    const struct schedule_row *schedule; /* NULL: none */
    Str events;                          /* store_event_start.h; empty: none */
    const struct retention *retention;   /* NULL: it says nothing */
    const struct poll_row *poll;         /* NULL: none */
    const struct mailbox_row *mailbox;   /* NULL: none */
};
/* Make the draft of @row version latest + 1 and publish it. E_CONFLICT if the workflow changed. */
Err store_workflow_publish(struct db *db, struct arena *a, const struct workflow_row *row, Str by,
                           const struct workflow_triggers *triggers) YIELDS;
/* Publish an existing version. */
Err store_workflow_set_published(struct db *db, struct arena *a, const struct workflow_row *row,
                                 const struct version_row *version,
                                 const struct workflow_triggers *triggers) YIELDS;
Err store_version_get(struct db *db, struct arena *a, Id workflow, int version,
                      struct version_row *ret_row) YIELDS;
Err store_version_list(struct db *db, struct arena *a, Id workflow, int before, int limit,
                       VersionRows *ret_rows) YIELDS;

#endif
