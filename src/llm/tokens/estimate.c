/* src/llm/tokens/estimate.c - about how many tokens a text is. */
#include "llm/tokens/estimate.h"

#include "base/utf8.h"

/* No word is longer than WORD_LONGEST: what is counts as names do, twice. */
enum { WORD_STEM = 4, PLAIN_STEM = 8, WORD_LONGEST = 16 };

enum class { SPACE, LINE, LETTER, DIGIT, SIGN, OTHER };

static enum class class_of(unsigned char c) {
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return LETTER;
    if (c >= '0' && c <= '9') return DIGIT;
    if (c == '\n' || c == '\r') return LINE;
    if (c <= ' ' || c == 0x7f) return SPACE;
    return c < 0x80 ? SIGN : OTHER;
}

/* Prose is of whole words that are tokens; names in code are of pieces. */
static void add_word(struct llm_features *f, Str word, enum class before)
{
    bool plain = before == SPACE;

    for (size_t i = 0; plain && i < word.n; i++)
        plain = word.p[i] >= 'a';
    size_t stem = plain ? PLAIN_STEM : WORD_STEM;
    if (before == OTHER) { /* the rest of a word behind a letter such as this: "Gr(oe)sse" */
        f->n[LLM_F_LETTERS] += (int64_t)word.n;
        return;
    }
    f->n[plain ? LLM_F_PLAIN : LLM_F_WORDS]++;
    if (word.n > WORD_LONGEST) {
        f->n[LLM_F_LETTERS] += 2 * (int64_t)(word.n - WORD_LONGEST);
        word.n = WORD_LONGEST;
    }
    if (word.n > stem)
        f->n[plain ? LLM_F_PLAIN_LETTERS : LLM_F_LETTERS] += (int64_t)(word.n - stem);
}

static void add_run(struct llm_features *f, enum class class, Str run, enum class before)
{
    switch (class) {
    case LETTER:
        add_word(f, run, before);
        break;
    case DIGIT:
        f->n[LLM_F_NUMBERS]++;
        f->n[LLM_F_DIGITS] += (int64_t)run.n;
        break;
    case SIGN:
        f->n[LLM_F_SIGN_RUNS]++;
        f->n[LLM_F_SIGNS] += (int64_t)run.n;
        break;
    case LINE:
        f->n[LLM_F_LINES]++;
        break;
    case SPACE:
        f->n[LLM_F_INDENTS] += run.n > 1;
        break;
    case OTHER:
        break;
    }
}

static enum llm_feature script_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        enum llm_feature feature;
    } rows[] = {
        {0xc0, 0x24f, LLM_F_LATIN},       {0x300, 0x36f, LLM_F_LATIN},
        {0x370, 0x7ff, LLM_F_CYRILLIC},   {0x800, 0x10ff, LLM_F_INDIC},
        {0x1200, 0x1cff, LLM_F_INDIC},    {0x1e00, 0x1eff, LLM_F_LATIN},
        {0x1f00, 0x1fff, LLM_F_CYRILLIC}, {0x3040, 0x30ff, LLM_F_KANA},
        {0x3400, 0x9fff, LLM_F_HAN},      {0xac00, 0xd7af, LLM_F_HANGUL},
        {0xf900, 0xfaff, LLM_F_HAN},      {0x10000, 0x10ffff, LLM_F_ASTRAL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (c >= rows[i].first && c <= rows[i].last)
            return rows[i].feature;
    return LLM_F_MARKS;
}

/* A character beyond ASCII; gives its length. */
static size_t add_wide(struct llm_features *f, Str s)
{
    Str one = str_head(s, 4);
    size_t n = utf8_valid_prefix(one);

    if (!n) {
        f->n[LLM_F_MARKS]++;
        return 1;
    }
    f->n[script_of(utf8_decode(str_head(one, n), &n))]++;
    return n;
}

void llm_features_add(struct llm_features *f, Str text)
{
    enum class before = SPACE;
    size_t i = 0;

    while (i < text.n) {
        enum class class = class_of((unsigned char)text.p[i]);
        size_t from = i;
        if (class == OTHER) {
            i += add_wide(f, str_skip(text, i));
            before = class;
            continue;
        }
        while (i < text.n && class_of((unsigned char)text.p[i]) == class)
            i++;
        add_run(f, class, str_from(text.p + from, i - from), before);
        before = class;
    }
}

/* ---- families ---- */

/* In the order of enum llm_feature; docs/adr/0009 says how they were found. */
const struct llm_weights llm_weights_gpt = {
    "gpt",
    {1061, 1236, 626, 161, 522, 565, 170, 746, 0, 914, 1182, 395, 455, 954, 771, 758, 969, 4224}};
const struct llm_weights llm_weights_gpt4 = {"gpt4",
                                             {1013, 1625, 627, 152, 560, 467, 160, 776, 0, 815,
                                              2126, 706, 1510, 1154, 1088, 1141, 2194, 4233}};
const struct llm_weights llm_weights_claude = {
    "claude",
    {917, 1762, 961, 131, 575, 31, 132, 1121, 0, 0, 2629, 761, 1728, 888, 1041, 1268, 2963, 3218}};
const struct llm_weights llm_weights_gemini = {"gemini",
                                               {1014, 1159, 754, 156, 1170, 93, 127, 1074, 94, 994,
                                                1022, 419, 617, 676, 463, 798, 1539, 4170}};
const struct llm_weights llm_weights_llama = {
    "llama",
    {1031, 1729, 685, 168, 544, 502, 145, 721, 0, 866, 1327, 490, 971, 827, 716, 783, 2199, 3975}};
const struct llm_weights llm_weights_mistral = {"mistral",
                                                {1059, 1732, 1004, 183, 1135, 0, 147, 1099, 0, 933,
                                                 2379, 607, 1419, 1156, 1142, 1423, 1749, 4254}};
const struct llm_weights llm_weights_qwen = {
    "qwen",
    {1005, 1756, 681, 168, 1225, 44, 136, 750, 0, 812, 1550, 569, 1216, 779, 767, 865, 1937, 3234}};
const struct llm_weights llm_weights_deepseek = {
    "deepseek",
    {1021, 1557, 725, 169, 601, 223, 167, 836, 0, 813, 1793, 493, 679, 644, 761, 857, 2313, 3231}};

int64_t llm_features_tokens(const struct llm_features *f, const struct llm_weights *w)
{
    int64_t sum = 0;

    for (int i = 0; i < LLM_FEATURES; i++)
        sum += f->n[i] * w->w[i];
    return (sum + 999) / 1000;
}
