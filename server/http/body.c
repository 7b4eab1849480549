/* Bodies.  A chunked one is decoded by llhttp, line by line behind a fence that knows which bytes are
 * framing: they are checked before llhttp sees them.  Chunk extensions and trailer fields are checked and
 * never shown to it: both are dropped, and which of them llhttp accepts depends on its version. */
#include "http/body.h"

#include <string.h>

#include "base/assert.h"
#include "http/chars.h"
#include "http/parser.h"

enum { SIZE_DIGITS_MAX = 16 }; /* of a 64-bit chunk size: leading zeros have a ceiling too */

enum line_kind { LINE_SIZE, LINE_AFTER_DATA, LINE_TRAILER };

struct ax_body_state {
    struct ax_chunk_parser parser;
    uint64_t left;  /* bytes of the current chunk still to come */
    uint32_t extra; /* bytes of chunk extensions and trailers so far */
    uint32_t col;   /* bytes of the current framing line so far, without its CR */
    uint8_t kind;   /* enum line_kind of that line */
    bool cr;        /* its CR has come */
    bool mark;      /* size line: its ';' has come; trailer: its colon has */
    bool blank;     /* size line: white space has come, and its ';' must follow */
    bool refused;   /* sticky */
};
_Static_assert(sizeof(struct ax_body_state) <= AX_BODY_STATE_BYTES, "AX_BODY_STATE_BYTES is too small");

/* ---- the fence: one byte of framing */

/* White space before an extension is none of its own (RFC 9112, 7.1.1); behind a bare size it is malformed.
 */
static bool size_byte(struct ax_body_state *s, char c)
{
    if (s->mark)
        return s->extra++ < AX_CHUNK_EXTRA_MAX;
    s->mark = c == ';' && s->col > 0;
    if (s->mark)
        return true;
    s->blank |= s->col > 0 && (c == ' ' || c == '\t');
    if (s->blank)
        return (c == ' ' || c == '\t') && s->extra++ < AX_CHUNK_EXTRA_MAX;
    return ax_hex(c) >= 0 && s->col < SIZE_DIGITS_MAX;
}

static bool trailer_byte(struct ax_body_state *s, char c)
{
    if (s->extra++ >= AX_CHUNK_EXTRA_MAX)
        return false;
    if (s->mark)
        return true;
    s->mark = c == ':' && s->col > 0;
    return s->mark || ax_is_token(c);
}

static bool line_byte(struct ax_body_state *s, char c)
{
    switch (s->kind) {
    case LINE_SIZE:
        return size_byte(s, c);
    case LINE_TRAILER:
        return trailer_byte(s, c);
    default:
        return false; /* chunk data is followed by CRLF alone */
    }
}

/* May the line end here? */
static bool line_end_ok(const struct ax_body_state *s)
{
    if (s->kind == LINE_SIZE)
        return s->col > 0 && (s->mark || !s->blank);
    return s->kind == LINE_AFTER_DATA || s->col == 0 || s->mark;
}

/* Walks over p[0..n) up to the end of the line; *ret_n says how far, *ret_end whether the line ended. */
static bool fence(struct ax_body_state *s, const char *p, size_t n, size_t *ret_n, bool *ret_end)
{
    size_t i = 0;

    *ret_end = false;
    while (i < n && !*ret_end) {
        char c = p[i++];
        if (s->cr) {
            if (c != '\n')
                return false;
            *ret_end = true;
        } else if (c == '\r') {
            if (!line_end_ok(s))
                return false;
            s->cr = true;
        } else {
            if (ax_is_control(c) || !line_byte(s, c))
                return false;
            s->col++;
        }
    }
    *ret_n = i;
    return true;
}

/* ---- one step: a piece of a chunk, or of a framing line */

static bool step_data(struct ax_body_state *s, const char *p, size_t n, size_t *ret_n,
                      struct ax_chunk_events *ev)
{
    *ret_n = s->left < n ? (size_t)s->left : n;
    s->left -= *ret_n;
    return ax_parser_chunk(&s->parser, p, *ret_n, ev);
}

/* The line has ended: what comes next? */
static void next_line(struct ax_body_state *s, const struct ax_chunk_events *ev)
{
    if (s->kind == LINE_SIZE) {
        s->left = ev->size;
        s->kind = ev->size ? LINE_AFTER_DATA : LINE_TRAILER;
    } else if (s->kind == LINE_AFTER_DATA) {
        s->kind = LINE_SIZE;
    }
    s->col = 0;
    s->cr = s->mark = s->blank = false;
}

/* A trailer line may not be told from the final empty line by its first byte being a CR that comes alone; so
 * the CR of the empty line is held back with its LF. */
static bool step_trailer(struct ax_body_state *s, bool ended, struct ax_chunk_events *ev)
{
    if (!ended || s->col)
        return true;
    return ax_parser_chunk(&s->parser, "\r\n", 2, ev) && ev->end;
}

/* Of a size line llhttp is shown the digits and, when it ends, its CRLF. */
static bool step_size(struct ax_body_state *s, struct ax_str digits, bool ended, struct ax_chunk_events *ev)
{
    size_t n = 0;

    while (n < digits.n && ax_hex(digits.p[n]) >= 0)
        n++;
    if (n && !ax_parser_chunk(&s->parser, digits.p, n, ev))
        return false;
    return !ended || (ax_parser_chunk(&s->parser, "\r\n", 2, ev) && ev->header);
}

static bool step_line(struct ax_body_state *s, const char *p, size_t n, size_t *ret_n,
                      struct ax_chunk_events *ev)
{
    bool ended, ok, in_size = !s->mark && !s->blank;

    if (!fence(s, p, n, ret_n, &ended))
        return false;
    if (s->kind == LINE_TRAILER)
        ok = step_trailer(s, ended, ev);
    else if (s->kind == LINE_SIZE)
        ok = step_size(s, (struct ax_str){p, in_size ? *ret_n : 0}, ended, ev);
    else
        ok = ax_parser_chunk(&s->parser, p, *ret_n, ev);
    if (ok && ended)
        next_line(s, ev);
    return ok;
}

static enum ax_body_result feed_chunked(struct ax_body_state *s, const char *p, size_t n, size_t *ret_used,
                                        struct ax_chunk_events *ev)
{
    size_t at = 0;

    while (at < n && !s->refused) {
        size_t k = 0;
        bool ok = s->left ? step_data(s, p + at, n - at, &k, ev) : step_line(s, p + at, n - at, &k, ev);
        at += k;
        *ret_used = at;
        s->refused = !ok;
        if (ok && ev->end)
            return AX_BODY_DONE;
        if (ev->full)
            return AX_BODY_FULL;
    }
    return s->refused ? AX_BODY_REFUSED : AX_BODY_MORE;
}

/* ---- the interface */

void ax_body_begin(struct ax_body_reader *b, const struct ax_head *h)
{
    b->left = h->chunked ? 0 : h->content_length;
    b->chunked = h->chunked;
    b->done = !h->chunked && b->left == 0;
    if (h->chunked) {
        struct ax_body_state s = {.kind = LINE_SIZE};
        ax_parser_chunk_init(&s.parser);
        memcpy(b->state, &s, sizeof s);
    }
}

static enum ax_body_result feed_counted(struct ax_body_reader *b, const char *p, size_t n, size_t *ret_used,
                                        bool (*sink)(void *ctx, const char *p, size_t n), void *ctx)
{
    size_t k = b->left < n ? (size_t)b->left : n;

    *ret_used = k;
    b->left -= k;
    if (k && !sink(ctx, p, k))
        return AX_BODY_FULL;
    b->done = b->left == 0;
    return b->done ? AX_BODY_DONE : AX_BODY_MORE;
}

enum ax_body_result ax_body_feed(struct ax_body_reader *b, const char *p, size_t n, size_t *ret_used,
                                 bool (*sink)(void *ctx, const char *p, size_t n), void *ctx)
{
    struct ax_chunk_events ev = {.sink = sink, .ctx = ctx};
    struct ax_body_state s;

    *ret_used = 0;
    if (b->done)
        return AX_BODY_DONE;
    if (!b->chunked)
        return feed_counted(b, p, n, ret_used, sink, ctx);
    memcpy(&s, b->state, sizeof s);
    enum ax_body_result rc = feed_chunked(&s, p, n, ret_used, &ev);
    memcpy(b->state, &s, sizeof s);
    b->done = rc == AX_BODY_DONE;
    return rc;
}
