/* The first step over a head: where it ends, and whether its raw lines are well-formed.  Every fault is found
 * at the same byte however the head was cut into reads: a line is searched for its first control byte, what
 * lies before that byte is judged first, and nothing beyond the limits is looked at. */
#include <string.h>

#include "base/assert.h"
#include "http/chars.h"
#include "http/head.h"

enum { HEAD_MAX = 65535, VERSION_LEN = 8, CRLF_LEN = 2 };

/* Bytes of a head that are looked at. */
static inline size_t head_max(const struct ax_head_limits *l)
{
    return l->bytes < HEAD_MAX ? l->bytes : HEAD_MAX;
}

/* What there is of a head, and of it the line that is looked at. */
struct view {
    const char *start, *line, *end;
    bool whole; /* the line's CRLF follows `end` */
};

static inline const char *find(const struct view *v, const char *from, const char *to, enum ax_find what)
{
    return ax_find(v->start, from, to, what);
}

static enum ax_scan refused(struct ax_refusal *why, unsigned status, const char *limit, const char *text)
{
    *why = (struct ax_refusal){status, limit, text};
    return AX_SCAN_REFUSED;
}

/* HTTP-version is "HTTP/" DIGIT "." DIGIT (RFC 9112, 2.3). */
static enum ax_scan check_version(const char *v, size_t n, struct ax_refusal *why)
{
    if (n != VERSION_LEN || memcmp(v, "HTTP/", 5) != 0 || v[6] != '.' || (unsigned char)(v[5] - '0') > 9 ||
        (unsigned char)(v[7] - '0') > 9)
        return refused(why, 400, NULL, "malformed HTTP version");
    if (v[5] != '1' || (v[7] != '0' && v[7] != '1'))
        return refused(why, 505, NULL, "HTTP version not supported");
    return AX_SCAN_DONE;
}

/* method SP request-target SP HTTP-version, or a part of it. */
static enum ax_scan check_request_line(const struct view *v, size_t uri_max, struct ax_refusal *why)
{
    if (v->end > v->line && !ax_is_token(v->line[0]))
        return refused(why, 400, NULL, "malformed request line");
    const char *sp = find(v, v->line, v->end, AX_FIND_SPACE);
    if (sp == v->end)
        return v->whole ? refused(why, 400, NULL, "malformed request line") : AX_SCAN_MORE;
    const char *target = sp + 1;
    const char *limit = (size_t)(v->end - target) > uri_max ? target + uri_max + 1 : v->end;
    sp = find(v, target, limit, AX_FIND_SPACE);
    if (sp == limit && limit - target > (ptrdiff_t)uri_max)
        return refused(why, 414, "limits.uri", "request target too long");
    if (sp == target && sp < limit)
        return refused(why, 400, NULL, "malformed request line");
    if (sp == limit)
        return v->whole ? refused(why, 400, NULL, "request line without an HTTP version") : AX_SCAN_MORE;
    size_t version = (size_t)(v->end - sp - 1);
    if (v->whole)
        return check_version(sp + 1, version, why);
    if (version > VERSION_LEN || memchr(sp + 1, ' ', version))
        return refused(why, 400, NULL, "malformed HTTP version");
    return AX_SCAN_MORE;
}

/* The first byte of a field line; the line is not the empty one. */
static enum ax_scan check_field_start(char c, unsigned fields, const struct ax_head_limits *l,
                                      struct ax_refusal *why)
{
    if (c == ' ' || c == '\t')
        return refused(why, 400, NULL, "header line starts with white space");
    if (c == ':')
        return refused(why, 400, NULL, "header field without a name");
    if (fields >= l->fields)
        return refused(why, 431, "limits.header_count", "too many header fields");
    return AX_SCAN_DONE;
}

static inline enum ax_scan check_field(const struct view *v, struct ax_refusal *why)
{
    const char *colon = find(v, v->line, v->end, AX_FIND_COLON);

    if (AX_UNLIKELY(colon == v->end))
        return refused(why, 400, NULL, "header line without a colon");
    if (AX_UNLIKELY(colon[-1] == ' ' || colon[-1] == '\t'))
        return refused(why, 400, NULL, "white space before the colon of a header field");
    return AX_SCAN_DONE;
}

static inline enum ax_scan check_line(unsigned lines, const struct view *v, const struct ax_head_limits *l,
                                      struct ax_refusal *why)
{
    if (lines == 0)
        return check_request_line(v, l->uri, why);
    if (v->line == v->end)
        return AX_SCAN_MORE;
    enum ax_scan rc = check_field_start(v->line[0], lines - 1, l, why);
    return rc == AX_SCAN_DONE && v->whole ? check_field(v, why) : rc;
}

/* The line met a control byte that ends no line. */
__attribute__((cold)) static enum ax_scan stray(unsigned lines, const struct view *v,
                                                const struct ax_head_limits *l, struct ax_refusal *why)
{
    if (check_line(lines, v, l, why) == AX_SCAN_REFUSED)
        return AX_SCAN_REFUSED;
    if (*v->end == '\n')
        return refused(why, 400, NULL, "line ends in a bare LF");
    return refused(why, 400, NULL,
                   *v->end == '\r' ? "CR that is not followed by LF" : "control byte in the head");
}

/* Line by line, from where the last call stopped. */
static enum ax_scan scan(struct ax_scanner *s, const char *p, size_t n, const struct ax_head_limits *l,
                         size_t *ret_len, struct ax_refusal *ret_why)
{
    size_t max = head_max(l);
    const char *end = p + (n < max ? n : max);

    for (;;) {
        struct view v = {.start = p, .line = p + s->at};
        v.end = ax_find(p, v.line + s->seen, end, AX_FIND_CONTROL);
        if (end - v.end < 2 && (v.end == end || *v.end == '\r')) { /* no whole line yet */
            s->seen = (size_t)(v.end - v.line);
            if (check_line(s->lines, &v, l, ret_why) == AX_SCAN_REFUSED)
                return AX_SCAN_REFUSED;
            return n > max ? refused(ret_why, 431, "limits.header", "request head too large") : AX_SCAN_MORE;
        }
        if (AX_UNLIKELY(*v.end != '\r' || v.end[1] != '\n'))
            return stray(s->lines, &v, l, ret_why);
        s->at = (size_t)(v.end + 2 - p);
        s->seen = 0;
        if (v.end == v.line && s->lines) {
            *ret_len = s->at;
            return AX_SCAN_DONE;
        }
        v.whole = true;
        if (check_line(s->lines++, &v, l, ret_why) == AX_SCAN_REFUSED)
            return AX_SCAN_REFUSED;
    }
}

/* A head that is all there and right in every line; of any other the long way tells what is wrong. */
static bool scan_whole(const char *p, size_t n, const struct ax_head_limits *l, struct ax_head_lines *ret)
{
    size_t max = head_max(l), end = n < max ? n : max;
    struct view v = {.start = p, .line = p, .whole = true};
    struct ax_refusal ignored;

    v.end = ax_find(p, p, p + end, AX_FIND_CONTROL);
    if (p + end - v.end < CRLF_LEN * 2 || memcmp(v.end, "\r\n", CRLF_LEN) != 0)
        return false;
    if (check_request_line(&v, l->uri, &ignored) == AX_SCAN_REFUSED)
        return false;
    ax_head_find_lines(p, (size_t)(v.end + CRLF_LEN - p), end, ret);
    return ret->whole && ret->n <= l->fields;
}

enum ax_scan ax_head_scan_lines(struct ax_scanner *s, const char *p, size_t n, const struct ax_head_limits *l,
                                size_t *ret_len, struct ax_head_lines *ret_lines, struct ax_refusal *ret_why)
{
    if (AX_LIKELY(s->at == 0 && s->seen == 0 && scan_whole(p, n, l, ret_lines))) {
        *ret_len = ret_lines->next;
        return AX_SCAN_DONE;
    }
    ret_lines->whole = false;
    return scan(s, p, n, l, ret_len, ret_why);
}

enum ax_scan ax_head_scan(struct ax_scanner *s, const char *p, size_t n, const struct ax_head_limits *l,
                          size_t *ret_len, struct ax_refusal *ret_why)
{
    return scan(s, p, n, l, ret_len, ret_why);
}
