/* src/wf/fleet.c - signs of life: given, watched, missed. */
#include "wf/fleet.h"

#include "rt/log.h"
#include "store/store_mailbox.h"

#include <stdlib.h>

static void tell(const char *what, Id node)
{
    char id[ID_TEXT_SIZE];
    LOG_WARN(what, L_STR("node", id_text(node, id)));
}

static Err give_sign(struct fleet *f, struct db *db)
{
    Err e = store_node_seen(db, f->self);
    if (e != E_CONFLICT)
        return e;
    tell("this node was not heard of for so long that others took over its runs; it is back",
         f->self);
    return store_node_register(db, f->self, f->name, false);
}

static const struct watched *find(const struct fleet *f, Id id)
{
    for (size_t i = 0; i < f->n; i++)
        if (id_eq(f->watched[i].row.id, id))
            return &f->watched[i];
    return NULL;
}

/* What is known of @row's node now. */
static struct watched look(const struct fleet *f, const struct node_row *row, Usec now)
{
    const struct watched *known = find(f, row->id);
    bool same = known && known->row.seen_at == row->seen_at;
    return (struct watched){*row, same ? known->since : now};
}

Err fleet_turn(struct fleet *f, struct db *db, Usec now)
{
    AUTO(arena) *a = arena_new(MIB(4));
    NodeRows rows = {0};

    TRY(give_sign(f, db));
    TRY(store_node_list(db, a, &rows));
    struct watched *next = calloc(rows.n + 1, sizeof *next);
    size_t n = 0;
    if (!next)
        DIE("out of memory");
    vec_each(&rows, row)
        if (!id_eq(row->id, f->self))
            next[n++] = look(f, row, now);
    free(f->watched);
    f->watched = next;
    f->n = n;
    for (size_t i = 0; i < n; i++) {
        if (now - next[i].since < f->patience)
            continue;
        tell("a node has given no sign of life; its runs are taken over", next[i].row.id);
        TRY(store_node_bury(db, &next[i].row));
        TRY(store_mailbox_free(db, a, next[i].row.id));
    }
    return OK;
}

void fleet_done(struct fleet *f)
{
    free(f->watched);
    *f = (struct fleet){0};
}
