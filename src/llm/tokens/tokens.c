/* src/llm/tokens/tokens.c - families of models, their vocabularies and weights. */
#include "llm/tokens/tokens.h"

#include "base/arena.h"
#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

enum { ENCODINGS = 2, MODEL_MAX = 256, READ_PIECE = 64 * 1024, PATH_LONGEST = 1024 };

/* The patterns by which texts are cut, in PCRE2's words. */
static const struct {
    const char *name, *file, *pattern;
} encodings[ENCODINGS] = {
    {"o200k_base", "o200k_base.tiktoken",
     "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
     "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
     "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
     "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
     "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    {"cl100k_base", "cl100k_base.tiktoken",
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
};
enum { O200K, CL100K, NO_ENCODING };

struct llm_vocabularies {
    struct bpe *bpe[ENCODINGS]; /* NULL: not given */
};

/* Which family a model is of, by the first row whose text is in its name. */
static const struct {
    const char *in_name;
    bool first; /* it must begin the name's last part */
    unsigned encoding;
    const struct llm_weights *weights;
} families[] = {
    {"claude", false, NO_ENCODING, &llm_weights_claude},
    {"gemini", false, NO_ENCODING, &llm_weights_gemini},
    {"gemma", false, NO_ENCODING, &llm_weights_gemini},
    {"deepseek", false, NO_ENCODING, &llm_weights_deepseek},
    {"qwen", false, NO_ENCODING, &llm_weights_qwen},
    {"qwq", false, NO_ENCODING, &llm_weights_qwen},
    {"mistral", false, NO_ENCODING, &llm_weights_mistral},
    {"mixtral", false, NO_ENCODING, &llm_weights_mistral},
    {"ministral", false, NO_ENCODING, &llm_weights_mistral},
    {"magistral", false, NO_ENCODING, &llm_weights_mistral},
    {"codestral", false, NO_ENCODING, &llm_weights_mistral},
    {"devstral", false, NO_ENCODING, &llm_weights_mistral},
    {"pixtral", false, NO_ENCODING, &llm_weights_mistral},
    {"llama", false, NO_ENCODING, &llm_weights_llama},
    {"gpt-4o", false, O200K, &llm_weights_gpt},
    {"gpt-4.1", false, O200K, &llm_weights_gpt},
    {"gpt-4.5", false, O200K, &llm_weights_gpt},
    {"gpt-5", false, O200K, &llm_weights_gpt},
    {"gpt-oss", false, O200K, &llm_weights_gpt},
    {"o1", true, O200K, &llm_weights_gpt},
    {"o3", true, O200K, &llm_weights_gpt},
    {"o4", true, O200K, &llm_weights_gpt},
    {"gpt-4", false, CL100K, &llm_weights_gpt4},
    {"gpt-3.5", false, CL100K, &llm_weights_gpt4},
    {"gpt-35", false, CL100K, &llm_weights_gpt4},
    {"text-embedding-3", false, CL100K, &llm_weights_gpt4},
    {"text-embedding-ada-002", false, CL100K, &llm_weights_gpt4},
};

/* ---- files ---- */

static Err read_file(Str folder, const char *name, struct buf *text)
{
    char path[PATH_LONGEST];
    size_t got;

    snprintf(path, sizeof path, "%.*s/%s", P(folder), name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return err_detail(E_NOT_FOUND, "The vocabulary %s cannot be read: %s.", path,
                          strerror(errno));
    char *to = buf_room(text, READ_PIECE);
    while (to && (got = fread(to, 1, READ_PIECE, f)) > 0) {
        buf_added(text, got);
        to = buf_room(text, READ_PIECE);
    }
    bool failed = ferror(f);
    fclose(f);
    if (failed)
        return err_detail(E_NOT_FOUND, "The vocabulary %s cannot be read.", path);
    return to ? OK : err_detail(E_INVALID, "The vocabulary %s is too large.", path);
}

static Err load(struct llm_vocabularies *v, Str folder, const char *name)
{
    AUTO_BUF(text, BPE_FILE_MAX + READ_PIECE);
    unsigned i = 0;

    while (i < ENCODINGS && strcmp(name, encodings[i].file) != 0)
        i++;
    if (i == ENCODINGS)
        return err_detail(E_INVALID,
                          "The vocabulary %s is of no kind that is known: there are "
                          "cl100k_base.tiktoken and o200k_base.tiktoken.",
                          name);
    TRY(read_file(folder, name, &text));
    Err e = bpe_new(buf_str(&text), encodings[i].pattern, &v->bpe[i]);
    return e == OK ? OK : err_detail(e, "%s: %s", name, err_client_text(e));
}

static Err load_all(struct llm_vocabularies *v, Str folder, DIR *dir)
{
    Err e = OK;
    bool any = false;

    for (struct dirent *d; e == OK && (d = readdir(dir));) {
        if (!str_ends(str_c(d->d_name), S(".tiktoken")))
            continue;
        any = true;
        e = load(v, folder, d->d_name);
    }
    if (e == OK && !any)
        return err_detail(E_NOT_FOUND, "The folder of vocabularies %.*s has no file *.tiktoken.",
                          P(folder));
    return e;
}

Err llm_vocabularies_load(Str folder, struct llm_vocabularies **ret_vocabularies)
{
    struct llm_vocabularies *v = calloc(1, sizeof *v);
    char path[PATH_LONGEST];

    if (!v)
        DIE("out of memory");
    if (folder.n > PATH_LONGEST / 2) {
        free(v);
        return err_detail(E_INVALID, "The name of the folder of vocabularies is too long.");
    }
    if (folder.n) {
        snprintf(path, sizeof path, "%.*s", P(folder));
        DIR *dir = opendir(path);
        Err e = dir ? load_all(v, folder, dir)
                    : err_detail(E_NOT_FOUND, "The folder of vocabularies %s cannot be read: %s.",
                                 path, strerror(errno));
        if (dir)
            closedir(dir);
        if (e != OK) {
            llm_vocabularies_free(v);
            return e;
        }
    }
    *ret_vocabularies = v;
    return OK;
}

void llm_vocabularies_free(struct llm_vocabularies *v)
{
    for (unsigned i = 0; v && i < ENCODINGS; i++)
        bpe_free(v->bpe[i]);
    free(v);
}

/* ---- counting ---- */

void llm_tally_init(struct llm_tally *t, const struct llm_vocabularies *v, Str model)
{
    char lower[MODEL_MAX];
    size_t n = model.n < MODEL_MAX ? model.n : MODEL_MAX, last = 0;

    *t = (struct llm_tally){.weights = &llm_weights_gpt};
    for (size_t i = 0; i < n; i++) {
        char c = model.p[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        last = c == '/' ? i + 1 : last;
    }
    Str name = str_from(lower, n);
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        Str in = str_c(families[i].in_name);
        if (families[i].first ? !str_starts(str_skip(name, last), in)
                              : str_find(name, in) == SIZE_MAX)
            continue;
        t->weights = families[i].weights;
        if (v && families[i].encoding != NO_ENCODING)
            t->bpe = v->bpe[families[i].encoding];
        return;
    }
}

void llm_tally_add(struct llm_tally *t, Str text)
{
    if (t->bpe)
        t->fixed += bpe_count(t->bpe, text);
    else
        llm_features_add(&t->features, text);
}

int64_t llm_tally_total(const struct llm_tally *t)
{
    return t->fixed + llm_features_tokens(&t->features, t->weights);
}

const char *llm_tally_method(const struct llm_tally *t, const struct llm_vocabularies *v)
{
    for (unsigned i = 0; v && t->bpe && i < ENCODINGS; i++)
        if (t->bpe == v->bpe[i])
            return encodings[i].name;
    return "estimate";
}
