/* src/wf/schedule_queue.c - entries in a block, a binary heap of their numbers, and a table of them
 * by id (open addressing, rebuilt when it is two thirds full). */
#include "wf/schedule_queue.h"

#include <stdlib.h>

enum { NOWHERE = UINT32_MAX };

struct entry {
    Id id;
    Usec due;
    uint32_t slot; /* in the heap; NOWHERE: taken, or free */
    uint32_t next_free;
};

struct schedule_queue {
    struct entry *entries;
    uint32_t *heap;  /* numbers of entries */
    uint32_t *table; /* likewise, NOWHERE: empty */
    uint32_t cap, table_cap;
    uint32_t used, waiting, known; /* entries ever used; in the heap; in the table */
    uint32_t free;                 /* the first of the free entries */
};

struct schedule_queue *schedule_queue_new(void)
{
    struct schedule_queue *q = calloc(1, sizeof *q);
    if (!q)
        DIE("out of memory");
    q->free = NOWHERE;
    return q;
}

void schedule_queue_free(struct schedule_queue *q)
{
    if (!q)
        return;
    free(q->entries);
    free(q->heap);
    free(q->table);
    free(q);
}

/* ---- the table ---- */

/* Ids of workflows are made here, by time and chance: nobody chooses them to collide. */
static uint32_t home(const struct schedule_queue *q, Id id)
{
    return (uint32_t)str_hash(str_from((const char *)id.b, sizeof id.b)) & (q->table_cap - 1);
}

/* Where @id stands, or where it would. */
static uint32_t place(const struct schedule_queue *q, Id id)
{
    uint32_t i = home(q, id);

    while (q->table[i] != NOWHERE && !id_eq(q->entries[q->table[i]].id, id))
        i = (i + 1) & (q->table_cap - 1);
    return i;
}

static uint32_t find(const struct schedule_queue *q, Id id)
{
    return q->table_cap ? q->table[place(q, id)] : NOWHERE;
}

static void table_grow(struct schedule_queue *q)
{
    uint32_t *old = q->table, n = q->table_cap;

    q->table_cap = n ? n * 2 : 64;
    q->table = malloc(q->table_cap * sizeof *q->table);
    if (!q->table)
        DIE("out of memory");
    memset(q->table, 0xff, q->table_cap * sizeof *q->table);
    for (uint32_t i = 0; i < n; i++)
        if (old[i] != NOWHERE)
            q->table[place(q, q->entries[old[i]].id)] = old[i];
    free(old);
}

static void table_remove(struct schedule_queue *q, Id id)
{
    uint32_t mask = q->table_cap - 1, hole = place(q, id);

    q->table[hole] = NOWHERE;
    for (uint32_t i = (hole + 1) & mask; q->table[i] != NOWHERE; i = (i + 1) & mask) {
        uint32_t from = home(q, q->entries[q->table[i]].id);
        if (((i - from) & mask) < ((i - hole) & mask))
            continue; /* it stands between its home and the hole's far side */
        q->table[hole] = q->table[i];
        q->table[i] = NOWHERE;
        hole = i;
    }
}

/* ---- the heap ---- */

static bool before(const struct schedule_queue *q, uint32_t a, uint32_t b)
{
    return q->entries[a].due < q->entries[b].due;
}

static void set_slot(struct schedule_queue *q, uint32_t slot, uint32_t e)
{
    q->heap[slot] = e;
    q->entries[e].slot = slot;
}

static void up(struct schedule_queue *q, uint32_t slot, uint32_t e)
{
    while (slot && before(q, e, q->heap[(slot - 1) / 2])) {
        set_slot(q, slot, q->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    set_slot(q, slot, e);
}

static void down(struct schedule_queue *q, uint32_t slot, uint32_t e)
{
    for (uint32_t child; (child = slot * 2 + 1) < q->waiting; slot = child) {
        if (child + 1 < q->waiting && before(q, q->heap[child + 1], q->heap[child]))
            child++;
        if (!before(q, q->heap[child], e))
            break;
        set_slot(q, slot, q->heap[child]);
    }
    set_slot(q, slot, e);
}

static void heap_remove(struct schedule_queue *q, uint32_t e)
{
    uint32_t slot = q->entries[e].slot, last = q->heap[--q->waiting];

    q->entries[e].slot = NOWHERE;
    if (last == e)
        return;
    if (slot && before(q, last, q->heap[(slot - 1) / 2]))
        up(q, slot, last);
    else
        down(q, slot, last);
}

/* ---- entries ---- */

static uint32_t add(struct schedule_queue *q, Id id)
{
    uint32_t e = q->free;

    if (e != NOWHERE) {
        q->free = q->entries[e].next_free;
    } else {
        if (q->used == q->cap) {
            q->cap = q->cap ? q->cap + q->cap / 2 : 32;
            q->entries = realloc(q->entries, q->cap * sizeof *q->entries);
            q->heap = realloc(q->heap, q->cap * sizeof *q->heap);
            if (!q->entries || !q->heap)
                DIE("out of memory");
        }
        e = q->used++;
    }
    if (q->known * 3 >= q->table_cap * 2)
        table_grow(q);
    q->entries[e] = (struct entry){.id = id, .slot = NOWHERE};
    q->table[place(q, id)] = e;
    q->known++;
    return e;
}

void schedule_queue_put(struct schedule_queue *q, Id id, Usec due)
{
    uint32_t e = find(q, id);

    if (e == NOWHERE)
        e = add(q, id);
    if (q->entries[e].slot != NOWHERE)
        heap_remove(q, e);
    q->entries[e].due = due;
    up(q, q->waiting++, e);
}

void schedule_queue_meet(struct schedule_queue *q, Id id, Usec due)
{
    if (find(q, id) == NOWHERE)
        schedule_queue_put(q, id, due);
}

bool schedule_queue_take(struct schedule_queue *q, Usec now, Id *ret_id, Usec *ret_due)
{
    if (!q->waiting || q->entries[q->heap[0]].due > now)
        return false;
    uint32_t e = q->heap[0];
    heap_remove(q, e);
    *ret_id = q->entries[e].id;
    *ret_due = q->entries[e].due;
    return true;
}

void schedule_queue_forget(struct schedule_queue *q, Id id)
{
    uint32_t e = find(q, id);

    if (e == NOWHERE)
        return;
    if (q->entries[e].slot != NOWHERE)
        heap_remove(q, e);
    table_remove(q, id);
    q->entries[e].next_free = q->free;
    q->free = e;
    q->known--;
}

Usec schedule_queue_next(const struct schedule_queue *q)
{
    return q->waiting ? q->entries[q->heap[0]].due : USEC_NEVER;
}

size_t schedule_queue_count(const struct schedule_queue *q)
{
    return q->known;
}

size_t schedule_queue_bytes(const struct schedule_queue *q)
{
    return q->cap * (sizeof *q->entries + sizeof *q->heap) + q->table_cap * sizeof *q->table;
}
