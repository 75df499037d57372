/* src/wf/schedule_queue.h - the schedules that are due soon, in order, each once.
 *
 * A heap by time with an index by id: 40 bytes and two of its index's cells an entry. An entry that
 * was taken stays known until it is put again or forgotten, so that a look into the store does not
 * bring it in a second time. One thread.
 */
#ifndef WF_SCHEDULE_QUEUE_H
#define WF_SCHEDULE_QUEUE_H

#include "base/id.h"

struct schedule_queue;

struct schedule_queue *schedule_queue_new(void);
void schedule_queue_free(struct schedule_queue *q);
/* Put @id in at @due, or move it there; also one that is taken. */
void schedule_queue_put(struct schedule_queue *q, Id id, Usec due);
/* The same, unless it is known. */
void schedule_queue_meet(struct schedule_queue *q, Id id, Usec due);
/* Take the first that is due at @now, to be put again or forgotten. */
bool schedule_queue_take(struct schedule_queue *q, Usec now, Id *ret_id, Usec *ret_due);
void schedule_queue_forget(struct schedule_queue *q, Id id);
/* When the first is due; USEC_NEVER. */
Usec schedule_queue_next(const struct schedule_queue *q);
/* Known entries, those that are taken too. */
size_t schedule_queue_count(const struct schedule_queue *q);
size_t schedule_queue_bytes(const struct schedule_queue *q);

#endif
