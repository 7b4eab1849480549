#include "http/pattern.h"

static int bad_pattern(const struct ax_pattern *p, struct ax_err *reterr, const char *what)
{
    int n = p->text.n < AX_PATTERN_QUOTED ? (int)p->text.n : AX_PATTERN_QUOTED;

    return ax_fail(reterr, AX_E_SYNTAX, "route path %s (found \"%.*s\")", what, n,
                   p->text.n ? p->text.p : "");
}

/* The rule of config/mf_pattern.c too: a name is what JavaScript can write as params.name.  "/:from-:to" and
 * "/:id.json", which other routers split, are refused and not taken for something else. */
static bool name_char(char c, bool first)
{
    return (unsigned char)(ax_lower(c) - 'a') < 26 || c == '_' || (!first && (unsigned char)(c - '0') < 10);
}

struct ax_str ax_pattern_name(struct ax_str segment)
{
    if (segment.n == 1 && segment.p[0] == '*')
        return segment;
    return (struct ax_str){segment.p + 1, segment.n - 1};
}

static int add_name(struct ax_pattern *p, struct ax_str segment, struct ax_err *reterr)
{
    struct ax_str name = ax_pattern_name(segment);

    if (name.n == 0)
        return bad_pattern(p, reterr, "has a parameter without a name");
    for (size_t i = 0; i < name.n && name.p != segment.p; i++)
        if (!name_char(name.p[i], i == 0))
            return bad_pattern(
                p, reterr, "has a parameter whose name is not letters, digits and '_', the first no digit");
    for (unsigned i = 0; i < p->nnames; i++)
        if (ax_str_eq(p->names[i], name))
            return bad_pattern(p, reterr, "names a parameter twice");
    if (p->nnames == AX_ROUTE_PARAMS_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "route path has more than %d parameters", AX_ROUTE_PARAMS_MAX);
    p->names[p->nnames++] = name;
    p->shape[p->n++] = segment.p[0] == ':' ? AX_SHAPE_PARAM : AX_SHAPE_REST;
    return 0;
}

/* One byte of a shape, decoded as a request path is; -1 when it cannot be part of a path. */
static int static_byte(struct ax_str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[*at];

    *at += 1;
    if (c == '%') {
        int hi = s.n - *at < 2 ? -1 : ax_hex(s.p[*at]);
        int lo = s.n - *at < 2 ? -1 : ax_hex(s.p[*at + 1]);
        if (hi < 0 || lo < 0)
            return -1;
        *at += 2;
        c = (unsigned char)(hi << 4 | lo);
        if (c == '/')
            return AX_SHAPE_SLASH;
    } else if (c == '?' || c == '#' || c == '*') {
        return -1;
    }
    return c < 0x20 || c == 0x7f ? -1 : c;
}

static int add_static(struct ax_pattern *p, struct ax_str segment, struct ax_err *reterr)
{
    size_t start = p->n;

    for (size_t at = 0; at < segment.n;) {
        int c = static_byte(segment, &at);
        if (c < 0)
            return bad_pattern(p, reterr, "has a '?', '#', inner '*', control byte or malformed '%' in it");
        p->shape[p->n++] = (char)c;
    }
    struct ax_str text = {p->shape + start, p->n - start};
    if (ax_str_eq(text, AX_STR(".")) || ax_str_eq(text, AX_STR("..")))
        return bad_pattern(p, reterr, "has a '.' or '..' segment, which no request can have");
    if (!ax_utf8_valid(text.p, text.n))
        return bad_pattern(p, reterr, "is not valid UTF-8");
    return 0;
}

int ax_pattern_parse(struct ax_pattern *p, struct ax_str text, struct ax_err *reterr)
{
    unsigned segments = 0;

    p->text = text;
    p->n = p->nnames = 0;
    if (text.n == 0 || text.p[0] != '/')
        return bad_pattern(p, reterr, "must start with '/'");
    if (text.n > AX_ROUTE_PATTERN_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "route path is longer than %d bytes", AX_ROUTE_PATTERN_MAX);
    for (size_t at = 0; at < text.n;) {
        struct ax_str seg = ax_segment_at(text, ++at);
        bool rest = seg.n && seg.p[0] == '*';

        at += seg.n;
        p->shape[p->n++] = '/';
        if (++segments > AX_ROUTE_SEGMENTS_MAX)
            return ax_fail(reterr, AX_E_LIMIT, "route path has more than %d segments", AX_ROUTE_SEGMENTS_MAX);
        if (rest && at < text.n)
            return bad_pattern(p, reterr, "has segments behind its '*', which takes all that is left");
        int rc = rest || (seg.n && seg.p[0] == ':') ? add_name(p, seg, reterr) : add_static(p, seg, reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int ax_pattern_check(struct ax_str pattern, struct ax_err *reterr)
{
    struct ax_pattern p;

    return ax_pattern_parse(&p, pattern, reterr);
}
