/* src/llm/door_pass.c - calls that pass through as they are: sound, images, ranking, moderation.
 *
 * Their requests may be forms with files, of which nothing but the field "model" is changed: the
 * name goes out between the two parts of the body, which is not copied. Their answers may be JSON,
 * which is read whole for what was used; events; or sound and text, which are handed on as they are
 * read, no faster than the client takes them. The body stays in memory until the call ends, since
 * another target may have to be sent it again.
 */
#include "llm/door_private.h"

enum {
    JSON_MAX = 64 << 20,
    TEXT_MAX = 16 << 20,
    FIELD_MAX = 256,
    IMAGES_MOST = 128,
    /* What is reserved is bounded by these, and what nobody counted is taken for the most that it
     * can be: a budget is never passed by what was left unsaid. */
    SOUND_LEAST_BYTES_A_SECOND = 750, /* compressed as far as speech can be */
    SOUND_TOKENS_A_SECOND = 10,
    SPOKEN_LEAST_A_SECOND = 5, /* characters */
    IMAGE_TOKENS_MOST = 8192,
    WRITTEN_MOST = 16384, /* tokens of what was said */
};

/* ---- the request ---- */

static bool takes_form(enum llm_op op)
{
    return op == LLM_TRANSCRIPTIONS || op == LLM_TRANSLATIONS || op == LLM_IMAGE_EDITS ||
           op == LLM_IMAGE_VARIATIONS;
}

Err llm_pass_begin(struct llm_call *c)
{
    Str type = req_header(c->req, S("content-type"));
    bool form = str_starts_nocase(type, S("multipart/"));

    if (form && takes_form(c->op))
        TRY(req_body_limit(c->req, c->llm->upload_max));
    else
        TRY(req_body_limit(c->req, LLM_BODY_MAX));
    if (!takes_form(c->op) || (c->op == LLM_IMAGE_EDITS && !form)) /* newer ones take JSON, too */
        return OK;
    c->form = arena_new_of(c->req->a, struct llm_form);
    c->form_type = type;
    return OK;
}

/* Note where the wanted fields stand. */
static Err find_fields(struct llm_call *c)
{
    for (size_t i = 0; i < c->form->n; i++) {
        const struct llm_form_part *p = &c->form->parts[i];
        c->file_bytes += p->file ? (int64_t)(p->to - p->from) : 0;
        for (int k = 0; k < MEMBERS; k++) {
            struct llm_member *m = &c->members[k];
            if (!str_eq(m->name, p->name))
                continue;
            if (m->to || p->file)
                return err_detail(E_BAD_INPUT, "\"%.*s\" must be one field, and no file.",
                                  P(m->name));
            m->from = p->from;
            m->to = p->to;
        }
    }
    return OK;
}

Err llm_pass_form(struct llm_call *c)
{
    Str boundary, model;

    TRY(llm_form_boundary(c->form_type, &boundary));
    TRY(llm_form_read(c->body, boundary, c->form));
    TRY(find_fields(c));
    model = llm_member_text(c->body, &c->members[MEMBER_MODEL]);
    if (!c->named)
        c->model = model;
    if (!c->model.n)
        return err_detail(E_BAD_INPUT, "You must provide a model parameter, a field of the form.");
    TRY(llm_model_check(c->model));
    c->stream = str_eq(llm_member_text(c->body, &c->members[MEMBER_STREAM]), S("true"));
    return llm_pass_measure(c);
}

/* A short member that the price goes by, as the provider will read it; NULL: it is not there. */
static Err short_member(const struct llm_call *c, int which, struct json **ret_value)
{
    const struct llm_member *m = &c->members[which];
    Str text = llm_member_text(c->body, m);

    *ret_value = NULL;
    if (text.n > FIELD_MAX)
        return err_detail(E_BAD_INPUT, "\"%.*s\" is longer than %d bytes.", P(m->name), FIELD_MAX);
    if (!text.n)
        return OK;
    if (c->form)
        *ret_value = json_str(c->req->a, text);
    else if (json_parse(c->req->a, text, ret_value) != OK)
        return err_detail(E_BAD_INPUT, "\"%.*s\" is not valid JSON.", P(m->name));
    if (json_is(*ret_value, JSON_NULL))
        *ret_value = NULL;
    return OK;
}

/* Empty if it is not there. */
static Err text_of(const struct llm_call *c, int which, Str *ret_text)
{
    struct json *v;

    TRY(short_member(c, which, &v));
    if (v && !json_is(v, JSON_STR))
        return err_detail(E_BAD_INPUT, "\"%.*s\" must be a string.", P(c->members[which].name));
    *ret_text = json_str_of(v, S(""));
    return OK;
}

/* 5, 5.0 and "5" are the same to some providers. What has no certain meaning is refused: it would
 * be paid as something else than it is. */
static Err images_of(const struct llm_call *c, int64_t *ret_n)
{
    struct json *v;

    TRY(short_member(c, MEMBER_N, &v));
    Str text = str_trim(json_str_of(v, S("")));
    if (text.n && json_parse(c->req->a, text, &v) != OK)
        v = json_bool(c->req->a, false);
    int64_t n = v ? json_int_of(v, 0) : 1;
    if (n < 1 || n > IMAGES_MOST)
        return err_detail(E_BAD_INPUT, "\"n\" must be a whole number from 1 to %d.", IMAGES_MOST);
    *ret_n = n;
    return OK;
}

static bool makes_images(enum llm_op op)
{
    return op >= LLM_IMAGES && op <= LLM_IMAGE_VARIATIONS;
}

/* Characters of the text that is to be spoken: bytes that begin one. Escapes count as one byte
 * each, but for \u, of which a pair makes one character. */
static int64_t count_characters(Str text)
{
    int64_t n = 0;

    for (size_t i = 1; i + 1 < text.n; i++) {
        unsigned char ch = (unsigned char)text.p[i];
        n += (ch & 0xc0) != 0x80;
        if (ch != '\\')
            continue;
        i++;
        bool unicode = text.p[i] == 'u' && i + 4 < text.n;
        bool second = unicode && (text.p[i + 1] | 0x20) == 'd' && (text.p[i + 2] | 0x20) >= 'c';
        n -= second;
        i += unicode ? 4 : 0;
    }
    return n;
}

Err llm_pass_measure(struct llm_call *c)
{
    if (c->op == LLM_SPEECH)
        c->characters = count_characters(llm_member_text(c->body, &c->members[MEMBER_INPUT]));
    if (!makes_images(c->op))
        return OK;
    TRY(images_of(c, &c->images));
    TRY(text_of(c, MEMBER_SIZE, &c->size));
    return text_of(c, MEMBER_QUALITY, &c->quality);
}

Err llm_pass_body(struct llm_call *c, struct http_call *call)
{
    const struct llm_member *m = &c->members[MEMBER_MODEL];

    call->body = c->body;
    if (!m->to || str_eq(llm_member_text(c->body, m), c->target.model))
        return OK; /* it is in the path */
    call->body = str_head(c->body, m->from);
    call->body_more[0] = c->target.model;
    call->body_more[1] = str_skip(c->body, m->to);
    return OK;
}

/* ---- the answer ---- */

/* What a client may be handed under our name: nothing that a browser would run. */
static bool may_pass(Str type)
{
    static const Str kinds[] = {S_INIT("audio/"),
                                S_INIT("video/"),
                                S_INIT("image/"),
                                S_INIT("text/plain"),
                                S_INIT("text/vtt"),
                                S_INIT("text/srt"),
                                S_INIT("application/octet-stream"),
                                S_INIT("application/x-subrip")};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts_nocase(type, kinds[i]))
            return !str_starts_nocase(type, S("image/svg")) &&
                   http_header_valid(S("content-type"), type);
    return false;
}

static Err read_json(struct llm_call *c, struct http_stream *up, struct buf *b)
{
    Str piece;
    Err e;

    while ((e = http_read(up, &piece)) == OK) {
        if (!c->first_at)
            c->first_at = time_mono();
        TRY(llm_claim(c));
        buf_add(b, piece);
    }
    if (e != E_EOF)
        return llm_call_error(c->target.provider, e);
    if (b->failed)
        return err_detail(E_UPSTREAM,
                          "The provider \"%.*s\" gave no usable answer: it has more "
                          "than %d bytes.",
                          P(c->target.provider->name), JSON_MAX);
    return OK;
}

static Err answer_json(struct llm_call *c, struct http_stream *up)
{
    AUTO_BUF(b, JSON_MAX);

    TRY(read_json(c, up, &b));
    TRY(llm_claim(c)); /* of an answer without a body, too */
    return llm_answer_whole(c, http_stream_headers(up), buf_str(&b));
}

/* Whole, since somebody is to look at it before the client has it. @piece was read already. */
static Err answer_text(struct llm_call *c, struct http_stream *up, Str type, Str piece)
{
    AUTO_BUF(b, TEXT_MAX);

    buf_add(&b, piece);
    TRY(read_json(c, up, &b));
    Str text = buf_str(&b);
    TRY(llm_hook_text(c, &text));
    llm_answer_headers(c, http_stream_headers(up));
    c->status = 200;
    return res_send(c->res, 200, type, text);
}

/* Piece by piece. A cut is told by a cut: there is no other way in the middle of sound. */
static Err answer_bytes(struct llm_call *c, struct http_stream *up, Str type)
{
    const HttpHeaders *headers = http_stream_headers(up);
    Str piece, length = http_header_get(headers, S("content-length"));
    uint64_t n;
    Err e = http_read(up, &piece);

    if (e != OK && e != E_EOF)
        return llm_call_error(c->target.provider, e);
    c->first_at = time_mono();
    TRY(llm_claim(c));
    if (c->hook && llm_hook_holds(c) && str_starts_nocase(type, S("text/")))
        return answer_text(c, up, type, e == OK ? piece : S(""));
    llm_answer_headers(c, headers);
    if (str_to_u64(length, &n) == OK)
        res_header(c->res, S("Content-Length"), length);
    c->status = 200;
    TRY(res_begin(c->res, 200, type));
    for (; e == OK; e = http_read(up, &piece))
        TRY(res_write(c->res, piece));
    return e == E_EOF ? res_end(c->res) : llm_call_error(c->target.provider, e);
}

Err llm_pass_call(struct llm_call *c, const struct http_call *call)
{
    AUTO(http_stream) *up = NULL;
    Str body;
    Err e = http_open(c->req->a, call, &up);

    if (e != OK)
        return llm_call_error(c->target.provider, e);
    Str type = http_header_get(http_stream_headers(up), S("content-type"));
    if (http_stream_status(up) != 200) {
        TRY(llm_read_error_body(c, up, &body));
        return llm_refused(c, http_stream_status(up), http_stream_headers(up), body);
    }
    if (http_type_is(type, S("text/event-stream"))) {
        c->stream = true;
        return llm_answer_stream(c, up);
    }
    return may_pass(type) ? answer_bytes(c, up, type) : answer_json(c, up);
}

/* ---- what it uses ---- */

void llm_pass_usage(struct llm_call *c, Str usage, Str duration)
{
    struct json *v;

    if (usage.n && json_parse(c->req->a, usage, &v) == OK)
        llm_usage_read_passed(v, &c->usage);
    if (c->usage.audio_ms || !duration.n || duration.n > FIELD_MAX ||
        json_parse(c->req->a, duration, &v) != OK)
        return;
    double seconds = json_double_of(v, 0);
    if (seconds > 0 && seconds < 1e9)
        c->usage.audio_ms = (int64_t)(seconds * 1000);
}

/* Where the string ends that begins at @at. */
static size_t end_of_string(Str text, size_t at)
{
    for (;;) {
        size_t n = str_find_char(str_skip(text, at + 1), '"'), slashes = 0;
        if (n == SIZE_MAX)
            return text.n;
        at += n + 1;
        while (text.p[at - 1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return at;
    }
}

/* How many items a list has, of JSON that was scanned already. */
static int64_t count_items(Str list)
{
    int64_t n = 0, depth = 0;

    if (!str_starts(list, S("[")) || str_starts(str_trim(str_skip(list, 1)), S("]")))
        return 0;
    for (size_t i = 0; i < list.n; i++) {
        char ch = list.p[i];
        if (ch == '"')
            i = end_of_string(list, i);
        depth += ch == '[' || ch == '{';
        depth -= ch == ']' || ch == '}';
        n += ch == ',' && depth == 1;
    }
    return n + 1;
}

void llm_pass_data(struct llm_call *c, Str data)
{
    int64_t n = makes_images(c->op) ? count_items(data) : 0;

    c->images = n > c->images ? n : c->images;
}

/* "1024x1024" as the list of prices writes it, "1024-x-1024"; empty if it is no such size. */
static Str size_name(const struct llm_call *c, Str model)
{
    Str size = c->size.n ? c->size : str_starts(model, S("dall-e")) ? S("1024x1024") : S("");
    Str width, height = str_cut(size, 'x', &width);

    return height.n ? str_fmt(c->req->a, "%.*s-x-%.*s", P(width), P(height)) : S("");
}

bool llm_pass_price(const struct llm_call *c, const struct llm_target *target,
                    struct llm_price *ret_price)
{
    struct arena *a = c->req->a;
    struct llm_target sized = *target;
    Str size = makes_images(c->op) ? size_name(c, target->model) : S("");
    Str quality = c->quality.n ? c->quality : S("standard");

    if (size.n) {
        sized.model = str_fmt(a, "%.*s/%.*s/%.*s", P(quality), P(size), P(target->model));
        if (llm_prices_find(c->llm->prices, &sized, ret_price))
            return true;
        sized.model = str_fmt(a, "%.*s/%.*s", P(size), P(target->model));
        if (llm_prices_find(c->llm->prices, &sized, ret_price))
            return true;
    }
    return llm_prices_find(c->llm->prices, target, ret_price);
}

struct llm_usage llm_pass_most(const struct llm_call *c)
{
    int64_t files = 0, text = ((int64_t)c->body.n - c->file_bytes) / 2 + 1;
    int64_t sound = c->file_bytes / SOUND_LEAST_BYTES_A_SECOND + 1;

    for (size_t i = 0; c->form && i < c->form->n; i++)
        files += c->form->parts[i].file;
    switch (c->op) {
    case LLM_TRANSCRIPTIONS:
    case LLM_TRANSLATIONS:
        return (struct llm_usage){.prompt = text + sound * SOUND_TOKENS_A_SECOND,
                                  .completion = WRITTEN_MOST,
                                  .audio_ms = sound * 1000};
    case LLM_SPEECH:
        return (struct llm_usage){.prompt = text,
                                  .completion = c->characters * SOUND_TOKENS_A_SECOND,
                                  .characters = c->characters,
                                  .audio_ms = c->characters * 1000 / SPOKEN_LEAST_A_SECOND};
    case LLM_RERANK:
    case LLM_MODERATIONS:
        return (struct llm_usage){.prompt = text};
    default:
        return (struct llm_usage){.prompt = text + files * IMAGE_TOKENS_MOST,
                                  .completion = c->images * IMAGE_TOKENS_MOST,
                                  .images = c->images};
    }
}

static bool has_tokens(const struct llm_price *p)
{
    return p->usual.input || p->usual.output;
}

/* Nothing, or so much for each call, whatever it uses. */
static bool is_flat(const struct llm_price *p)
{
    return !has_tokens(p) && !p->image && !p->character && !p->second;
}

bool llm_pass_covers(enum llm_op op, const struct llm_price *p)
{
    if (is_flat(p))
        return true;
    switch (op) {
    case LLM_TRANSCRIPTIONS:
    case LLM_TRANSLATIONS:
        return p->second || has_tokens(p);
    case LLM_SPEECH:
        return p->second || p->character || has_tokens(p);
    default:
        return makes_images(op) ? p->image || p->usual.output : has_tokens(p);
    }
}

/* What has a price of tokens alone, and was not counted in them: the most it can be. */
static void use_most(const struct llm_call *c, struct llm_usage *u)
{
    struct llm_usage most = llm_pass_most(c);

    u->prompt = most.prompt;
    u->completion = most.completion;
    u->estimated = true;
}

static void use_sound(const struct llm_call *c, bool by_tokens, struct llm_usage *u)
{
    bool counted = u->prompt + u->completion > 0;

    if (by_tokens) {
        u->audio_ms = 0;
        return;
    }
    if (!u->audio_ms && (c->price.second || !counted)) {
        u->audio_ms = c->file_bytes * 1000 / SOUND_LEAST_BYTES_A_SECOND;
        u->estimated = true;
    }
    if (c->price.second || !has_tokens(&c->price))
        return;
    u->prompt = u->audio_ms * SOUND_TOKENS_A_SECOND / 1000 + 1;
    u->completion = u->prompt < WRITTEN_MOST ? u->prompt : WRITTEN_MOST;
    u->estimated = true;
}

static void use_speech(const struct llm_call *c, bool by_tokens, struct llm_usage *u)
{
    const struct llm_price *p = &c->price;

    if (by_tokens)
        return;
    u->characters = c->characters;
    if (p->character)
        return;
    u->estimated = p->second;
    if (p->second)
        u->audio_ms = c->characters * 1000 / SPOKEN_LEAST_A_SECOND;
    else if (has_tokens(p))
        use_most(c, u);
}

/* Where the provider counted tokens, and these have a price, they are all there is to pay. */
struct llm_usage llm_pass_used(const struct llm_call *c)
{
    struct llm_usage u = c->usage;
    bool counted = u.prompt + u.completion > 0;
    bool by_tokens = counted && has_tokens(&c->price);

    switch (c->op) {
    case LLM_TRANSCRIPTIONS:
    case LLM_TRANSLATIONS:
        use_sound(c, by_tokens, &u);
        break;
    case LLM_SPEECH:
        use_speech(c, by_tokens, &u);
        break;
    case LLM_RERANK:
    case LLM_MODERATIONS:
        u.estimated = !u.known;
        if (u.estimated)
            u.prompt = (int64_t)(c->body.n / 4);
        break;
    default:
        if (!counted || !c->price.usual.output)
            u.images = c->images;
        if (!counted && !c->price.image && c->price.usual.output)
            use_most(c, &u);
        break;
    }
    return u;
}

bool llm_pass_priced(const struct llm_price *p, const struct llm_usage *u)
{
    return is_flat(p) || (u->prompt + u->completion > 0 && has_tokens(p)) ||
           (u->images && p->image) || (u->characters && p->character) || (u->audio_ms && p->second);
}
