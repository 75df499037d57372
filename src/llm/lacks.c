/* src/llm/lacks.c - which providers have no responses. */
#include "llm/lacks.h"

#include <stdlib.h>
#include <uv.h>

enum { ENTRIES = 256 };
static const Usec COUNTS_FOR = 10 * USEC_MIN;

struct lack {
    Id provider;
    int64_t revision;
    Usec until;
};

struct llm_lacks {
    uv_mutex_t lock;
    struct lack at[ENTRIES]; /* a ring */
    size_t next;
};

static Str host_of(Str url)
{
    size_t at = str_find(url, S("://"));
    Str host = at == SIZE_MAX ? url : str_skip(url, at + 3);

    host = str_head(host, str_find_char(host, '/'));
    return str_head(host, str_find_char(host, ':'));
}

enum llm_has_responses llm_responses_of(const struct llm_provider *p)
{
    static const Str own = S_INIT("api.openai.com");
    Str host = host_of(p->base_url);

    if (p->kind->responses != LLM_RESPONSES_YES || !str_eq(str_c(p->kind->name), S("openai")))
        return p->kind->responses;
    if (!host.n || str_eq_nocase(host, own))
        return LLM_RESPONSES_YES;
    Str region = str_head(host, host.n > own.n ? host.n - own.n : 0);
    bool regional = str_ends(region, S(".")) && str_eq_nocase(str_skip(host, region.n), own);
    return regional ? LLM_RESPONSES_YES : LLM_RESPONSES_PERHAPS;
}

struct llm_lacks *llm_lacks_new(void)
{
    struct llm_lacks *lacks = calloc(1, sizeof *lacks);

    if (!lacks || uv_mutex_init(&lacks->lock))
        DIE("out of memory");
    return lacks;
}

void llm_lacks_free(struct llm_lacks *lacks)
{
    if (!lacks)
        return;
    uv_mutex_destroy(&lacks->lock);
    free(lacks);
}

/* Under the lock. NULL: nothing is known. */
static struct lack *find(struct llm_lacks *lacks, const struct llm_provider *p)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (lacks->at[i].until && id_eq(lacks->at[i].provider, p->id) &&
            lacks->at[i].revision == p->revision)
            return &lacks->at[i];
    return NULL;
}

void llm_lacks_note(struct llm_lacks *lacks, const struct llm_provider *p, Usec now)
{
    uv_mutex_lock(&lacks->lock);
    struct lack *l = find(lacks, p);
    if (!l) {
        l = &lacks->at[lacks->next];
        lacks->next = (lacks->next + 1) % ENTRIES;
    }
    *l = (struct lack){p->id, p->revision, now + COUNTS_FOR};
    uv_mutex_unlock(&lacks->lock);
}

bool llm_lacks_has(struct llm_lacks *lacks, const struct llm_provider *p, Usec now)
{
    uv_mutex_lock(&lacks->lock);
    const struct lack *l = find(lacks, p);
    bool has = l && now < l->until;
    uv_mutex_unlock(&lacks->lock);
    return has;
}
