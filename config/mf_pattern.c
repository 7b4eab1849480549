#include "config/mf_pattern.h"

#include "base/str.h"

enum { ENCODED_SLASH = 1, QUOTED = 80 };

struct reader {
    struct ax_str names[AX_MF_PARAMS_MAX];
    size_t nnames;
    char *out;
};

static int quoted(struct ax_str s)
{
    return (int)(s.n < QUOTED ? s.n : QUOTED);
}

static bool is_name(struct ax_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool letter = (ax_lower(s.p[i]) >= 'a' && ax_lower(s.p[i]) <= 'z') || s.p[i] == '_';
        if (!letter && (i == 0 || s.p[i] < '0' || s.p[i] > '9'))
            return false;
    }
    return s.n > 0;
}

static int read_param(struct reader *r, struct ax_str seg, bool last, struct ax_err *reterr)
{
    bool lone = seg.n == 1 && seg.p[0] == '*';
    struct ax_str name = {seg.p + !lone, seg.n - !lone};

    if (!lone && !is_name(name))
        return ax_fail(reterr, AX_E_SYNTAX,
                       "%.*s is no parameter: a name is letters, digits and _, and fills its segment",
                       quoted(seg), seg.p);
    if (seg.p[0] == '*' && !last)
        return ax_fail(reterr, AX_E_SYNTAX, "%.*s must be the last segment", quoted(seg), seg.p);
    for (size_t i = 0; i < r->nnames; i++)
        if (ax_str_eq(r->names[i], name))
            return ax_fail(reterr, AX_E_DUPLICATE, "parameter %.*s stands twice in the path", quoted(name),
                           name.p);
    if (r->nnames == AX_MF_PARAMS_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "more than %d parameters in the path", AX_MF_PARAMS_MAX);
    r->names[r->nnames++] = name;
    *r->out++ = seg.p[0];
    return 0;
}

/* The byte at *at, decoded; -1 for what no path can hold. */
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
            return ENCODED_SLASH;
    } else if (c == '?' || c == '#' || c == '*') {
        return -1;
    }
    return c < ' ' || c == 0x7f ? -1 : c;
}

static int read_static(struct reader *r, struct ax_str seg, struct ax_err *reterr)
{
    char *start = r->out;

    for (size_t at = 0; at < seg.n;) {
        int c = static_byte(seg, &at);
        if (c < 0)
            return ax_fail(
                reterr, AX_E_SYNTAX,
                "a path cannot hold ?, #, a * inside a segment, a control byte or a lone %% (found %.*s)",
                quoted(seg), seg.p);
        *r->out++ = (char)c;
    }
    struct ax_str text = {start, (size_t)(r->out - start)};
    if (ax_str_eq(text, AX_STR(".")) || ax_str_eq(text, AX_STR("..")))
        return ax_fail(reterr, AX_E_SYNTAX,
                       "a path cannot hold a . or .. segment: such a request is refused");
    if (!ax_utf8_valid(text.p, text.n))
        return ax_fail(reterr, AX_E_SYNTAX, "%.*s is not valid UTF-8 once decoded", quoted(seg), seg.p);
    return 0;
}

int ax_mf_pattern_shape(const char *pattern, char *shape, struct ax_err *reterr)
{
    struct reader r = {.out = shape};
    unsigned segments = 0;

    *shape = '\0';
    if (pattern[0] != '/')
        return ax_fail(reterr, AX_E_SYNTAX, "a path starts with /: did you mean /%.100s?", pattern);
    if (strlen(pattern) > AX_MF_PATTERN_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "a path has at most %d bytes", AX_MF_PATTERN_MAX);
    for (const char *at = pattern; *at == '/';) {
        struct ax_str seg = {at + 1, strcspn(at + 1, "/")};
        bool param = seg.n && (seg.p[0] == ':' || seg.p[0] == '*');
        at = seg.p + seg.n;
        *r.out++ = '/';
        if (++segments > AX_MF_SEGMENTS_MAX)
            return ax_fail(reterr, AX_E_LIMIT, "a path has at most %d segments", AX_MF_SEGMENTS_MAX);
        int rc = param ? read_param(&r, seg, *at == '\0', reterr) : read_static(&r, seg, reterr);
        if (rc < 0)
            return rc;
    }
    *r.out = '\0';
    return 0;
}
