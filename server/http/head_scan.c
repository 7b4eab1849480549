/* The first step over a head: where it ends, and whether its raw lines are well-formed.  Every fault is found
 * at the same byte however the head was cut into reads: a line is searched for its first control byte, what
 * lies before that byte is judged first, and nothing beyond the limits is looked at. */
#include <string.h>

#include "base/assert.h"
#include "http/chars.h"
#include "http/head.h"

enum { HEAD_MAX = 65535, VERSION_LEN = 8 };

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

/* method SP request-target SP HTTP-version, of which line[0..n) is what came, `whole` when its CR follows. */
static enum ax_scan check_request_line(const char *line, size_t n, bool whole, size_t uri_max,
                                       struct ax_refusal *why)
{
    const char *end = line + n;
    const char *sp = memchr(line, ' ', n);

    if (n && !ax_is_token(line[0]))
        return refused(why, 400, NULL, "malformed request line");
    if (!sp)
        return whole ? refused(why, 400, NULL, "malformed request line") : AX_SCAN_MORE;
    const char *target = sp + 1;
    size_t left = (size_t)(end - target);
    sp = memchr(target, ' ', left > uri_max ? uri_max + 1 : left);
    if (!sp && left > uri_max)
        return refused(why, 414, "limits.uri", "request target too long");
    if (sp == target)
        return refused(why, 400, NULL, "malformed request line");
    if (!sp)
        return whole ? refused(why, 400, NULL, "request line without an HTTP version") : AX_SCAN_MORE;
    const char *version = sp + 1;
    if (whole)
        return check_version(version, (size_t)(end - version), why);
    if (memchr(version, ' ', (size_t)(end - version)) || end - version > VERSION_LEN)
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

static enum ax_scan check_field(const char *line, size_t n, struct ax_refusal *why)
{
    const char *colon = memchr(line, ':', n);

    if (!colon)
        return refused(why, 400, NULL, "header line without a colon");
    if (colon[-1] == ' ' || colon[-1] == '\t')
        return refused(why, 400, NULL, "white space before the colon of a header field");
    return AX_SCAN_DONE;
}

/* What there is of the current line, p[0..n): a part when `whole` is false. */
static inline enum ax_scan check_line(unsigned lines, const char *p, size_t n, bool whole,
                                      const struct ax_head_limits *l, struct ax_refusal *why)
{
    if (lines == 0)
        return check_request_line(p, n, whole, l->uri, why);
    if (n == 0)
        return AX_SCAN_MORE;
    enum ax_scan rc = check_field_start(p[0], lines - 1, l, why);
    return rc == AX_SCAN_DONE && whole ? check_field(p, n, why) : rc;
}

/* The line p[0..n) met a control byte that ends no line. */
__attribute__((cold)) static enum ax_scan stray(unsigned lines, const char *p, size_t n,
                                                const struct ax_head_limits *l, struct ax_refusal *why)
{
    if (check_line(lines, p, n, false, l, why) == AX_SCAN_REFUSED)
        return AX_SCAN_REFUSED;
    if (p[n] == '\n')
        return refused(why, 400, NULL, "line ends in a bare LF");
    return refused(why, 400, NULL,
                   p[n] == '\r' ? "CR that is not followed by LF" : "control byte in the head");
}

enum ax_scan ax_head_scan(struct ax_scanner *s, const char *p, size_t n, const struct ax_head_limits *l,
                          size_t *ret_len, struct ax_refusal *ret_why)
{
    size_t max = l->bytes < HEAD_MAX ? l->bytes : HEAD_MAX;
    const char *end = p + (n < max ? n : max);

    for (;;) {
        const char *line = p + s->at;
        const char *from = line + s->seen;
        const char *stop = ax_find_control(from, (size_t)(end - from));
        size_t len = (size_t)(stop - line);
        if (end - stop < 2 && (stop == end || *stop == '\r')) { /* no whole line yet */
            s->seen = len;
            if (check_line(s->lines, line, len, false, l, ret_why) == AX_SCAN_REFUSED)
                return AX_SCAN_REFUSED;
            return n > max ? refused(ret_why, 431, "limits.header", "request head too large") : AX_SCAN_MORE;
        }
        if (AX_UNLIKELY(*stop != '\r' || stop[1] != '\n'))
            return stray(s->lines, line, len, l, ret_why);
        s->at = (size_t)(stop + 2 - p);
        s->seen = 0;
        if (len == 0 && s->lines) {
            *ret_len = s->at;
            return AX_SCAN_DONE;
        }
        if (check_line(s->lines++, line, len, true, l, ret_why) == AX_SCAN_REFUSED)
            return AX_SCAN_REFUSED;
    }
}
