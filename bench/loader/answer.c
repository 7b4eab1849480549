#include "answer.h"

#include <string.h>

#include "base/str.h"

/* A chunk's size has at most 16 hexadecimal digits: it must fit in 64 bits (RFC 9112, 7.1). */
enum { STATUS_LINE_MIN = 12, CHUNK_DIGITS = 16 };

/* The line at p without its CRLF; false when its end is not there yet. */
static bool line_at(const char *p, size_t n, struct ax_str *ret, size_t *ret_used, bool *ret_bad)
{
    const char *lf = n ? memchr(p, '\n', n) : NULL;

    if (!lf)
        return false;
    *ret_used = (size_t)(lf - p) + 1;
    *ret_bad = lf == p || lf[-1] != '\r';
    *ret = (struct ax_str){p, *ret_bad ? 0 : (size_t)(lf - p) - 1};
    return true;
}

static bool status_line(struct ax_str line, struct ax_framing *f)
{
    if (line.n < STATUS_LINE_MIN || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ')
        return false;
    for (unsigned i = 9; i < STATUS_LINE_MIN; i++) {
        unsigned digit = (unsigned char)line.p[i] - '0';
        if (digit > 9)
            return false;
        f->status = f->status * 10 + digit;
    }
    return f->status >= 100;
}

static bool field(struct ax_str line, struct ax_framing *f)
{
    const char *colon = memchr(line.p, ':', line.n);
    uint64_t length;

    if (!colon || colon == line.p)
        return false;
    struct ax_str name = {line.p, (size_t)(colon - line.p)};
    struct ax_str value = ax_str_trim((struct ax_str){colon + 1, line.n - name.n - 1});
    if (ax_str_eq_nocase(name, AX_STR("content-length"))) {
        if (!ax_str_u64(value, &length) || (f->has_length && f->length != length))
            return false;
        f->has_length = true;
        f->length = length;
    } else if (ax_str_eq_nocase(name, AX_STR("transfer-encoding"))) {
        f->chunked = ax_str_eq_nocase(value, AX_STR("chunked"));
        return f->chunked;
    } else if (ax_str_eq_nocase(name, AX_STR("connection"))) {
        f->closes = ax_str_eq_nocase(value, AX_STR("close"));
    }
    return true;
}

static enum ax_answer parse_head(const char *p, size_t n, struct ax_framing *f, size_t *ret_used)
{
    struct ax_str line;
    size_t at = 0, used;
    bool bad;

    *f = (struct ax_framing){0};
    while (line_at(p + at, n - at, &line, &used, &bad)) {
        if (bad)
            return AX_ANSWER_BROKEN;
        if (line.n == 0) {
            *ret_used = at + used;
            return at ? AX_ANSWER_DONE : AX_ANSWER_BROKEN;
        }
        if (!(at ? field(line, f) : status_line(line, f)))
            return AX_ANSWER_BROKEN;
        at += used;
    }
    return n < AX_ANSWER_HEAD_MAX ? AX_ANSWER_MORE : AX_ANSWER_BROKEN;
}

static enum ax_answer head(struct ax_framing *f, struct ax_answer_memo *memo, const char *p, size_t n,
                           size_t *ret_used)
{
    if (memo->n && n >= memo->n && memcmp(p, memo->head, memo->n) == 0) {
        *f = memo->framing;
        *ret_used = memo->n;
        return AX_ANSWER_DONE;
    }
    enum ax_answer found = parse_head(p, n, f, ret_used);
    if (found == AX_ANSWER_DONE && *ret_used <= sizeof memo->head) {
        memo->n = *ret_used;
        memo->framing = *f;
        memcpy(memo->head, p, memo->n);
    }
    return found;
}

/* What comes behind the head that was just read; DONE when nothing does. */
static enum ax_answer after_head(struct ax_answer_reader *r)
{
    const struct ax_framing *f = &r->framing;

    if (f->status < 200) /* interim: the next head is still this request's */
        return AX_ANSWER_MORE;
    if (r->no_body || f->status == 204 || f->status == 304)
        return AX_ANSWER_DONE;
    if (f->chunked == f->has_length) /* neither, or both (RFC 9112, 6.3: a smuggler's) */
        return AX_ANSWER_BROKEN;
    r->left = f->length;
    r->at = f->chunked ? AX_AT_SIZE : AX_AT_BODY;
    return f->chunked || r->left ? AX_ANSWER_MORE : AX_ANSWER_DONE;
}

static bool chunk_size(struct ax_str line, uint64_t *ret)
{
    uint64_t size = 0;
    size_t i = 0;

    for (; i < line.n && ax_hex(line.p[i]) >= 0; i++)
        size = size << 4 | (unsigned)ax_hex(line.p[i]);
    *ret = size;
    return i > 0 && i <= CHUNK_DIGITS && (i == line.n || line.p[i] == ';' || line.p[i] == ' ');
}

/* One line of the chunked coding: a size, the end of a chunk's bytes, a trailer. */
static enum ax_answer chunk_line(struct ax_answer_reader *r, struct ax_str line)
{
    switch (r->at) {
    case AX_AT_SIZE:
        if (!chunk_size(line, &r->left))
            return AX_ANSWER_BROKEN;
        r->at = r->left ? AX_AT_CHUNK : AX_AT_TRAILER;
        return AX_ANSWER_MORE;
    case AX_AT_CHUNK_END:
        r->at = AX_AT_SIZE;
        return line.n == 0 ? AX_ANSWER_MORE : AX_ANSWER_BROKEN;
    default:
        return line.n == 0 ? AX_ANSWER_DONE : AX_ANSWER_MORE;
    }
}

/* One step from where the reader is: a head, a piece of a body, a line.  *ret_used stays 0 when more bytes
 * are needed for it. */
static enum ax_answer step(struct ax_answer_reader *r, struct ax_answer_memo *memo, const char *p, size_t n,
                           size_t *ret_used)
{
    enum ax_answer found;
    struct ax_str line;
    bool bad;

    if (r->at == AX_AT_HEAD) {
        found = head(&r->framing, memo, p, n, ret_used);
        return found == AX_ANSWER_DONE ? after_head(r) : found;
    }
    if (r->at == AX_AT_BODY || r->at == AX_AT_CHUNK) {
        *ret_used = r->left < n ? (size_t)r->left : n;
        r->left -= *ret_used;
        if (r->left)
            return AX_ANSWER_MORE;
        if (r->at == AX_AT_BODY)
            return AX_ANSWER_DONE;
        r->at = AX_AT_CHUNK_END;
        return AX_ANSWER_MORE;
    }
    if (!line_at(p, n, &line, ret_used, &bad))
        return n < AX_ANSWER_HEAD_MAX ? AX_ANSWER_MORE : AX_ANSWER_BROKEN;
    return bad ? AX_ANSWER_BROKEN : chunk_line(r, line);
}

enum ax_answer ax_answer_read(struct ax_answer_reader *r, struct ax_answer_memo *memo, const char *p,
                              size_t n, size_t *ret_used)
{
    size_t at = 0;

    while (at < n) {
        size_t used = 0;
        enum ax_answer found = step(r, memo, p + at, n - at, &used);
        at += used;
        if (found == AX_ANSWER_DONE)
            r->at = AX_AT_HEAD;
        if (found != AX_ANSWER_MORE) {
            *ret_used = at;
            return found;
        }
        if (!used)
            break;
    }
    *ret_used = at;
    return AX_ANSWER_MORE;
}
