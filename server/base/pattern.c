#include "base/pattern.h"

enum { QUOTED = 80 }; /* bytes of a pattern that a message shows */

static int quoted(struct ax_str s)
{
    return (int)(s.n < QUOTED ? s.n : QUOTED);
}

/* What JavaScript can write as params.name.  "/:from-:to" and "/:id.json", which other routers split, are
 * refused and not taken for something else. */
static bool is_name(struct ax_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool letter = (unsigned char)(ax_lower(s.p[i]) - 'a') < 26 || s.p[i] == '_';
        if (!letter && (i == 0 || (unsigned char)(s.p[i] - '0') >= 10))
            return false;
    }
    return s.n > 0;
}

struct ax_str ax_pattern_name(struct ax_str segment)
{
    if (segment.n == 1 && segment.p[0] == '*')
        return segment;
    return (struct ax_str){segment.p + 1, segment.n - 1};
}

static int add_param(struct ax_pattern *p, struct ax_str seg, bool last, struct ax_err *reterr)
{
    struct ax_str name = ax_pattern_name(seg);

    if (name.p != seg.p && !is_name(name))
        return ax_fail(reterr, AX_E_SYNTAX,
                       "%.*s is no parameter: a name is letters, digits and _, and fills its segment",
                       quoted(seg), seg.p);
    if (seg.p[0] == '*' && !last)
        return ax_fail(reterr, AX_E_SYNTAX, "%.*s must be the last segment", quoted(seg), seg.p);
    for (unsigned i = 0; i < p->nnames; i++)
        if (ax_str_eq(p->names[i], name))
            return ax_fail(reterr, AX_E_DUPLICATE, "parameter %.*s stands twice in the path", quoted(name),
                           name.p);
    if (p->nnames == AX_ROUTE_PARAMS_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "more than %d parameters in the path", AX_ROUTE_PARAMS_MAX);
    p->names[p->nnames++] = name;
    p->shape[p->n++] = seg.p[0] == ':' ? AX_SHAPE_PARAM : AX_SHAPE_REST;
    return 0;
}

/* The byte at *at, decoded as a request path is; -1 for what no path can hold. */
static int static_byte(struct ax_str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[(*at)++];

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
    return c < ' ' || c == 0x7f ? -1 : c;
}

static int add_static(struct ax_pattern *p, struct ax_str seg, struct ax_err *reterr)
{
    size_t start = p->n;

    for (size_t at = 0; at < seg.n;) {
        int c = static_byte(seg, &at);
        if (c < 0)
            return ax_fail(
                reterr, AX_E_SYNTAX,
                "a path cannot hold ?, #, a * inside a segment, a control byte or a lone %% (found %.*s)",
                quoted(seg), seg.p);
        p->shape[p->n++] = (char)c;
    }
    struct ax_str text = {p->shape + start, p->n - start};
    if (ax_str_eq(text, AX_STR(".")) || ax_str_eq(text, AX_STR("..")))
        return ax_fail(reterr, AX_E_SYNTAX,
                       "a path cannot hold a . or .. segment: such a request is refused");
    if (!ax_utf8_valid(text.p, text.n))
        return ax_fail(reterr, AX_E_SYNTAX, "%.*s is not valid UTF-8 once decoded", quoted(seg), seg.p);
    return 0;
}

int ax_pattern_parse(struct ax_pattern *p, struct ax_str text, struct ax_err *reterr)
{
    unsigned segments = 0;

    p->text = text;
    p->n = p->nnames = 0;
    if (text.n == 0 || text.p[0] != '/')
        return ax_fail(reterr, AX_E_SYNTAX, "a path starts with /: did you mean /%.*s?", quoted(text),
                       text.n ? text.p : "");
    if (text.n > AX_ROUTE_PATTERN_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "a path has at most %d bytes", AX_ROUTE_PATTERN_MAX);
    for (size_t at = 0; at < text.n;) {
        struct ax_str seg = ax_segment_at(text, ++at);
        bool param = seg.n && (seg.p[0] == ':' || seg.p[0] == '*');

        at += seg.n;
        p->shape[p->n++] = '/';
        if (++segments > AX_ROUTE_SEGMENTS_MAX)
            return ax_fail(reterr, AX_E_LIMIT, "a path has at most %d segments", AX_ROUTE_SEGMENTS_MAX);
        int rc = param ? add_param(p, seg, at == text.n, reterr) : add_static(p, seg, reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int ax_pattern_check(struct ax_str text, struct ax_err *reterr)
{
    struct ax_pattern p;

    return ax_pattern_parse(&p, text, reterr);
}
