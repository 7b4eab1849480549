#include "http/range.h"

#include <stdbool.h>

#include "base/assert.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Decimal digits, at least one; what does not fit is as good as the largest number. */
static bool take_number(struct ax_str *s, uint64_t *ret)
{
    uint64_t v = 0;

    if (s->n == 0 || !is_digit(*s->p))
        return false;
    for (; s->n && is_digit(*s->p); s->p++, s->n--) {
        unsigned d = (unsigned)(*s->p - '0');
        v = v > (UINT64_MAX - d) / 10 ? UINT64_MAX : v * 10 + d;
    }
    *ret = v;
    return true;
}

enum one { BAD, NOTHING, RANGE };

/* "5-9", "5-" or "-5". */
static enum one take_range(struct ax_str s, uint64_t size, struct ax_range *ret)
{
    uint64_t first = 0, last = UINT64_MAX;
    bool suffix = s.n && *s.p == '-';

    if (!suffix && !take_number(&s, &first))
        return BAD;
    if (s.n == 0 || *s.p != '-')
        return BAD;
    s.p++;
    s.n--;
    if ((s.n || suffix) && !take_number(&s, &last))
        return BAD;
    if (s.n || (!suffix && last < first))
        return BAD;
    if (suffix) {
        first = last < size ? size - last : 0;
        if (last == 0 || size == 0)
            return NOTHING;
        last = size - 1;
    }
    if (first >= size)
        return NOTHING;
    *ret = (struct ax_range){first, last < size ? last : size - 1};
    return RANGE;
}

/* They overlap or touch. */
static bool near(const struct ax_range *a, const struct ax_range *b)
{
    const struct ax_range *lo = a->first <= b->first ? a : b, *hi = lo == a ? b : a;

    return hi->first <= lo->last || hi->first - lo->last == 1;
}

/* Puts x among v[0..n); what grows may meet another one.  Returns how many there are. */
static unsigned put(struct ax_range *v, unsigned n, struct ax_range x)
{
    unsigned at = n; /* where x lies */

    v[n++] = x;
    for (unsigned i = 0; i < n;) {
        if (i == at || !near(&v[i], &v[at])) {
            i++;
            continue;
        }
        unsigned keep = i < at ? i : at, drop = i < at ? at : i;
        v[keep].first = v[i].first < v[at].first ? v[i].first : v[at].first;
        v[keep].last = v[i].last > v[at].last ? v[i].last : v[at].last;
        memmove(&v[drop], &v[drop + 1], (n - drop - 1) * sizeof *v);
        n--;
        at = keep;
        i = 0;
    }
    return n;
}

/* The next of a comma-separated list, without white space; false at its end. */
static bool next_item(struct ax_str *list, struct ax_str *ret)
{
    if (!list->p)
        return false;
    const char *comma = memchr(list->p, ',', list->n);
    size_t n = comma ? (size_t)(comma - list->p) : list->n;
    *ret = ax_str_trim((struct ax_str){list->p, n});
    *list = comma ? (struct ax_str){comma + 1, list->n - n - 1} : (struct ax_str){0};
    return true;
}

enum ax_ranges ax_ranges_parse(struct ax_str value, uint64_t size, struct ax_range ret[AX_RANGES_MAX],
                               unsigned *ret_n)
{
    struct ax_range v[AX_RANGES_MAX + 1], r;
    struct ax_str item, unit = AX_STR("bytes=");
    unsigned n = 0, asked = 0, beyond = 0;

    if (value.n < unit.n || !ax_str_eq_nocase((struct ax_str){value.p, unit.n}, unit))
        return AX_RANGES_NONE;
    value = (struct ax_str){value.p + unit.n, value.n - unit.n};
    while (next_item(&value, &item)) {
        if (item.n == 0)
            continue; /* RFC 9110, 5.6.1: empty elements are ignored */
        enum one one = take_range(item, size, &r);
        if (one == BAD || ++asked > AX_RANGES_MAX)
            return AX_RANGES_NONE;
        if (one == RANGE)
            n = put(v, n, r);
        else
            beyond++;
    }
    if (asked == 0)
        return AX_RANGES_NONE;
    if (n == 0)
        return AX_RANGES_UNSATISFIABLE;
    memcpy(ret, v, n * sizeof *v);
    *ret_n = n;
    AX_DEBUG_ASSERT(n + beyond <= AX_RANGES_MAX);
    return AX_RANGES_SOME;
}
