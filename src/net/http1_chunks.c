/* src/net/http1_chunks.c - a state machine, byte by byte but for the content. */
#include "net/http1_chunks.h"

enum {
    SIZE,       /* hexadecimal digits */
    EXTENSION,  /* behind ";" */
    SIZE_LF,    /* the LF behind the size line's CR */
    CONTENT,    /* the chunk itself */
    CONTENT_CR, /* and its CRLF */
    CONTENT_LF,
    LINE,  /* at the beginning of a trailer line */
    NAME,  /* in a trailer's name */
    VALUE, /* in its value */
    VALUE_LF,
    END_LF, /* the LF of the empty line */
    DONE,
};

enum {
    DIGITS_MAX = 16,
    TRAILERS_MAX = 100,
    /* Framing, extensions and trailers may be so many bytes, and so many more for each of content:
     * one byte a chunk is five of framing. */
    FRAMING_MAX = 16 * 1024,
    FRAMING_FACTOR = 8,
};

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What may stand in a line's text: no control characters but the tab. */
static bool is_text(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool is_name(unsigned char c)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr(marks, c));
}

static const char *size_step(struct http1_chunks *c, unsigned char b)
{
    int digit = hex_value(b);

    if (digit >= 0) {
        if (++c->digits > DIGITS_MAX || c->left > INT64_MAX >> 4)
            return "The size of a chunk is out of range.";
        c->left = c->left << 4 | (unsigned)digit;
        return NULL;
    }
    if (c->digits == 0 || (b != ';' && b != '\r'))
        return "The size of a chunk is not well formed.";
    c->state = b == ';' ? EXTENSION : SIZE_LF;
    return NULL;
}

/* One byte in @state, which must be @want to go on to @next. */
static const char *expect(struct http1_chunks *c, unsigned char b, unsigned char want, uint8_t next)
{
    if (b != want)
        return "A chunk or trailer line does not end in CRLF.";
    c->state = next;
    return NULL;
}

static const char *line_step(struct http1_chunks *c, unsigned char b)
{
    if (b == '\r') {
        c->state = END_LF;
        return NULL;
    }
    if (++c->trailers > TRAILERS_MAX)
        return "The trailer has too many fields.";
    c->state = NAME;
    return is_name(b) ? NULL : "A trailer field is not well formed.";
}

/* Everything but content; gives the reason of a refusal. */
static const char *step(struct http1_chunks *c, unsigned char b)
{
    switch (c->state) {
    case SIZE:
        return size_step(c, b);
    case EXTENSION:
        if (b == '\r')
            c->state = SIZE_LF;
        else if (!is_text(b))
            return "A chunk extension is not well formed.";
        return NULL;
    case SIZE_LF:
        return expect(c, b, '\n', c->left ? CONTENT : LINE);
    case CONTENT_CR:
        return expect(c, b, '\r', CONTENT_LF);
    case CONTENT_LF:
        c->digits = 0;
        return expect(c, b, '\n', SIZE);
    case LINE:
        return line_step(c, b);
    case NAME:
        if (b == ':')
            c->state = VALUE;
        else if (!is_name(b))
            return "A trailer field is not well formed.";
        return NULL;
    case VALUE:
        if (b == '\r')
            c->state = VALUE_LF;
        else if (!is_text(b))
            return "A trailer field is not well formed.";
        return NULL;
    case VALUE_LF:
        return expect(c, b, '\n', LINE);
    case END_LF:
        return expect(c, b, '\n', DONE);
    default:
        return "The body has ended.";
    }
}

Err http1_chunks_next(struct http1_chunks *c, Str *input, Str *ret_piece, bool *ret_end,
                      const char **ret_why)
{
    const char *p = input->p, *end = input->p + input->n;
    const char *why = NULL;

    *ret_piece = (Str){p, 0};
    while (p < end && c->state != DONE) {
        if (c->state == CONTENT) {
            size_t n = (size_t)(end - p) < c->left ? (size_t)(end - p) : (size_t)c->left;
            *ret_piece = str_from(p, n);
            p += n;
            c->left -= n;
            c->content += n;
            if (c->left == 0)
                c->state = CONTENT_CR;
            break;
        }
        why = step(c, (unsigned char)*p++);
        if (!why && ++c->framing > FRAMING_MAX + c->content * FRAMING_FACTOR)
            why = "The chunks carry more framing than content.";
        if (why) {
            *ret_why = why;
            return err_set(E_BAD_INPUT, "%s", why);
        }
    }
    *input = str_from(p, (size_t)(end - p));
    *ret_end = c->state == DONE;
    return OK;
}
