#include "http/encoding.h"

#include "base/assert.h"

enum { WEIGHT_ONE = 1000 };

/* Up to the next comma, which is passed over. */
static struct ax_str next_element(struct ax_str *rest)
{
    const char *end = rest->n ? memchr(rest->p, ',', rest->n) : NULL;
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    struct ax_str one = {rest->p, n};

    *rest = (struct ax_str){rest->p + n + (end != NULL), rest->n - n - (end != NULL)};
    return ax_str_trim(one);
}

static struct ax_str before(struct ax_str s, char c)
{
    const char *end = s.n ? memchr(s.p, c, s.n) : NULL;

    return ax_str_trim((struct ax_str){s.p, end ? (size_t)(end - s.p) : s.n});
}

/* "0.5" in thousandths: at most three digits behind the point (RFC 9110, 12.4.2); -1 = malformed. */
static int weight(struct ax_str s)
{
    int v = 0, unit = WEIGHT_ONE;

    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return -1;
    v = s.p[0] == '1' ? WEIGHT_ONE : 0;
    for (size_t i = 2; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        unit /= 10;
        v += (s.p[i] - '0') * unit;
    }
    return v > WEIGHT_ONE ? -1 : v;
}

/* Of one element: its q, 1000 without one, -1 when that is malformed. */
static int weight_of(struct ax_str element)
{
    struct ax_str rest = element;

    for (;;) {
        const char *semi = rest.n ? memchr(rest.p, ';', rest.n) : NULL;
        if (!semi)
            return WEIGHT_ONE;
        rest = (struct ax_str){semi + 1, rest.n - (size_t)(semi - rest.p) - 1};
        struct ax_str param = before(rest, ';');
        if (param.n >= 2 && (param.p[0] == 'q' || param.p[0] == 'Q') && param.p[1] == '=')
            return weight((struct ax_str){param.p + 2, param.n - 2});
    }
}

static bool type_is(struct ax_str type, struct ax_str want)
{
    if (want.n > 1 && want.p[want.n - 1] == '*')
        return type.n >= want.n &&
               ax_str_eq_nocase((struct ax_str){type.p, want.n - 1}, (struct ax_str){want.p, want.n - 1});
    return ax_str_eq_nocase(type, want);
}

static bool ends_with(struct ax_str s, struct ax_str end)
{
    return s.n > end.n && ax_str_eq_nocase((struct ax_str){s.p + s.n - end.n, end.n}, end);
}

/* Not server-sent events: each client that listens would keep an encoder, which many of them do for hours. */
static bool compresses_anyway(struct ax_str type)
{
    static const struct ax_str own[] = {
        {"text/*", 6},
        {"application/json", 16},
        {"application/javascript", 22},
        {"application/xml", 15},
        {"application/wasm", 16},
        {"application/x-ndjson", 20},
        {"application/manifest+json", 25},
        {"application/vnd.ms-fontobject", 29},
        {"font/ttf", 8},
        {"font/otf", 8},
        {"image/bmp", 9},
        {"image/x-icon", 12},
        {"image/vnd.microsoft.icon", 24},
    };

    if (type_is(type, AX_STR("text/event-stream")))
        return false;
    for (size_t i = 0; i < AX_COUNT(own); i++)
        if (type_is(type, own[i]))
            return true;
    return ends_with(type, AX_STR("+json")) || ends_with(type, AX_STR("+xml"));
}

bool ax_type_compresses(struct ax_str type, struct ax_str list)
{
    type = before(type, ';');
    if (type.n == 0)
        return false;
    if (list.n == 0)
        return compresses_anyway(type);
    while (list.n) {
        struct ax_str line = before(list, '\n');
        const char *nl = memchr(list.p, '\n', list.n);
        size_t n = nl ? (size_t)(nl - list.p) + 1 : list.n;
        list = (struct ax_str){list.p + n, list.n - n};
        if (line.n && type_is(type, line))
            return true;
    }
    return false;
}

bool ax_accepts_html(struct ax_str accept)
{
    while (accept.n) {
        struct ax_str e = next_element(&accept);
        if (ax_str_eq_nocase(before(e, ';'), AX_STR("text/html")) && weight_of(e) > 0)
            return true;
    }
    return false;
}

bool ax_list_has(struct ax_str list, struct ax_str word)
{
    while (list.n) {
        struct ax_str e = next_element(&list);
        if (ax_str_eq_nocase(before(before(e, ';'), '='), word))
            return true;
    }
    return false;
}
