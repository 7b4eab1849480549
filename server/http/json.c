#include "http/json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { NUMBER_MAX = 64 }; /* bytes; a longer one is no time */

struct scan {
    const char *p, *end;
};

static void blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static bool take(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool string(struct scan *s)
{
    if (!take(s, '"'))
        return false;
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p++;
        if (c == '"')
            return true;
        if (c < ' ')
            return false;
        if (c != '\\')
            continue;
        if (s->p == s->end || !memchr("\"\\/bfnrtu", *s->p, 9))
            return false;
        if (*s->p++ != 'u')
            continue;
        for (int i = 0; i < 4; i++)
            if (s->p == s->end || ax_hex(*s->p++) < 0)
                return false;
    }
    return false;
}

static size_t digits(struct scan *s)
{
    size_t n = 0;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        s->p++;
        n++;
    }
    return n;
}

static bool number(struct scan *s)
{
    (void)take(s, '-');
    bool zero = s->p < s->end && *s->p == '0';
    size_t n = digits(s);
    if (n == 0 || (zero && n > 1) || (take(s, '.') && digits(s) == 0))
        return false;
    if (!take(s, 'e') && !take(s, 'E'))
        return true;
    if (!take(s, '+'))
        (void)take(s, '-');
    return digits(s) > 0;
}

static bool word(struct scan *s, struct ax_str w)
{
    if ((size_t)(s->end - s->p) < w.n || memcmp(s->p, w.p, w.n) != 0)
        return false;
    s->p += w.n;
    return true;
}

static bool value(struct scan *s, unsigned depth);

/* Between `open` and its end: values, behind a name each where there are names. */
static bool many(struct scan *s, unsigned depth, bool names)
{
    char close = names ? '}' : ']';

    if (depth == AX_JSON_DEPTH_MAX)
        return false;
    s->p++;
    blanks(s);
    if (take(s, close))
        return true;
    do {
        blanks(s);
        if (names) {
            if (!string(s))
                return false;
            blanks(s);
            if (!take(s, ':'))
                return false;
        }
        if (!value(s, depth + 1))
            return false;
        blanks(s);
    } while (take(s, ','));
    return take(s, close);
}

static bool value(struct scan *s, unsigned depth)
{
    blanks(s);
    if (s->p == s->end)
        return false;
    switch (*s->p) {
    case '{':
        return many(s, depth, true);
    case '[':
        return many(s, depth, false);
    case '"':
        return string(s);
    case 't':
        return word(s, AX_STR("true"));
    case 'f':
        return word(s, AX_STR("false"));
    case 'n':
        return word(s, AX_STR("null"));
    default:
        return number(s);
    }
}

static struct ax_str since(const struct scan *s, const char *from)
{
    return (struct ax_str){from, (size_t)(s->p - from)};
}

/* One name and value, or one value. */
static bool one(struct scan *s, bool names,
                bool (*member)(void *ctx, struct ax_str name, struct ax_str value),
                bool (*item)(void *ctx, struct ax_str value), void *ctx)
{
    struct ax_str name = {0};

    blanks(s);
    if (names) {
        const char *from = s->p;
        if (!string(s))
            return false;
        name = (struct ax_str){from + 1, (size_t)(s->p - from) - 2};
        blanks(s);
        if (!take(s, ':'))
            return false;
        blanks(s);
    }
    const char *from = s->p;
    if (!value(s, 1))
        return false;
    return names ? member(ctx, name, since(s, from)) : item(ctx, since(s, from));
}

static bool walk(struct ax_str text, bool names,
                 bool (*member)(void *ctx, struct ax_str name, struct ax_str value),
                 bool (*item)(void *ctx, struct ax_str value), void *ctx)
{
    struct scan s = {text.p, text.p + text.n};
    char close = names ? '}' : ']';

    blanks(&s);
    if (!take(&s, names ? '{' : '['))
        return false;
    blanks(&s);
    if (!take(&s, close)) {
        do {
            if (!one(&s, names, member, item, ctx))
                return false;
            blanks(&s);
        } while (take(&s, ','));
        if (!take(&s, close))
            return false;
    }
    blanks(&s);
    return s.p == s.end;
}

bool ax_json_members(struct ax_str text, bool (*member)(void *ctx, struct ax_str name, struct ax_str value),
                     void *ctx)
{
    return walk(text, true, member, NULL, ctx);
}

bool ax_json_items(struct ax_str text, bool (*item)(void *ctx, struct ax_str value), void *ctx)
{
    return walk(text, false, NULL, item, ctx);
}

/* ---- values */

static uint32_t unit(const char *p)
{
    return (uint32_t)ax_hex(p[0]) << 12 | (uint32_t)ax_hex(p[1]) << 8 | (uint32_t)ax_hex(p[2]) << 4 |
           (uint32_t)ax_hex(p[3]);
}

static char *add_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* What stands behind a backslash at *p, which moves on; NULL for a lone surrogate.  The syntax is checked. */
static char *add_escape(char *out, const char **p, const char *end)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *(*p)++;

    if (c != 'u') {
        *out++ = to[strchr(from, c) - from];
        return out;
    }
    uint32_t u = unit(*p);
    *p += 4;
    if (u >= 0xd800 && u < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        uint32_t low = unit(*p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            return add_utf8(out, 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00));
        }
    }
    return u >= 0xd800 && u < 0xe000 ? NULL : add_utf8(out, u);
}

struct ax_str ax_json_string(struct ax_str v, struct ax_arena *a)
{
    struct scan s = {v.p, v.p + v.n};
    static const struct ax_str none = {NULL, 0};

    if (v.n < 2 || !string(&s) || s.p != s.end)
        return none;
    struct ax_str inside = {v.p + 1, v.n - 2};
    if (!memchr(inside.p, '\\', inside.n))
        return inside;
    char *start = ax_arena_alloc(a, inside.n),
         *out = start; /* no escape is shorter than what it stands for */
    if (!start)
        return none;
    for (const char *p = inside.p, *end = p + inside.n; p < end;) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        p++;
        out = add_escape(out, &p, end);
        if (!out)
            return none;
    }
    return (struct ax_str){start, (size_t)(out - start)};
}

bool ax_json_number(struct ax_str v, double *ret)
{
    struct scan s = {v.p, v.p + v.n};
    char text[NUMBER_MAX + 1];

    if (v.n > NUMBER_MAX || !number(&s) || s.p != s.end)
        return false;
    memcpy(text, v.p, v.n);
    text[v.n] = '\0';
    *ret = strtod(text, NULL);
    return isfinite(*ret);
}
