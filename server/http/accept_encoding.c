#include "http/accept_encoding.h"

#include <stdbool.h>

#include "base/assert.h"

enum { QUALITY_MAX = 1000 };

static const char *const names[AX_CODINGS] = {"identity", "gzip", "br"};

const char *ax_coding_name(enum ax_coding c)
{
    return names[c];
}

/* ";q=0.5" in thousandths; what is malformed refuses nothing and prefers nothing. */
static unsigned quality(struct ax_str s)
{
    unsigned v = 0, scale = QUALITY_MAX;

    if (s.n < 3 || (*s.p | 0x20) != 'q' || s.p[1] != '=' || (s.p[2] != '0' && s.p[2] != '1'))
        return s.n ? 1 : QUALITY_MAX;
    if (s.p[2] == '1')
        return QUALITY_MAX;
    for (size_t i = 4; i < s.n && i < 7 && s.p[3] == '.' && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
        scale /= 10;
        v += (unsigned)(s.p[i] - '0') * scale;
    }
    return v;
}

/* One element: its name, and *ret_q. */
static struct ax_str element(struct ax_str s, unsigned *ret_q)
{
    const char *semi = s.n ? memchr(s.p, ';', s.n) : NULL;
    struct ax_str rest =
        semi ? (struct ax_str){semi + 1, s.n - (size_t)(semi + 1 - s.p)} : (struct ax_str){0};

    *ret_q = quality(ax_str_trim(rest));
    return ax_str_trim(semi ? (struct ax_str){s.p, (size_t)(semi - s.p)} : s);
}

static bool is_coding(struct ax_str name, enum ax_coding c)
{
    if (c == AX_CODING_GZIP && ax_str_eq_nocase(name, AX_STR("x-gzip")))
        return true; /* RFC 9110, 8.4.1.3 */
    return ax_str_eq_nocase(name, ax_str(names[c]));
}

/* What the field says of it, by its name or by "*"; false = nothing. */
static bool find(struct ax_str value, enum ax_coding c, unsigned *ret_q)
{
    bool found = false;
    unsigned q;

    while (value.n) {
        const char *comma = memchr(value.p, ',', value.n);
        size_t n = comma ? (size_t)(comma - value.p) : value.n;
        struct ax_str name = element((struct ax_str){value.p, n}, &q);
        bool named = is_coding(name, c);
        if (named || ax_str_eq(name, AX_STR("*"))) {
            *ret_q = q;
            found = true;
        }
        if (named)
            return true;
        n += comma != NULL;
        value = (struct ax_str){value.p + n, value.n - n};
    }
    return found;
}

unsigned ax_accept_quality(struct ax_str value, enum ax_coding c)
{
    unsigned q = c == AX_CODING_IDENTITY ? QUALITY_MAX : 0;

    find(value, c, &q);
    return q;
}

enum ax_coding ax_accept_encoding(struct ax_str value, unsigned have)
{
    enum ax_coding best = AX_CODING_IDENTITY;
    unsigned most = 0, plain;

    if (!have || value.n == 0)
        return AX_CODING_IDENTITY;
    for (int c = AX_CODINGS - 1; c > AX_CODING_IDENTITY; c--) {
        unsigned q = have & 1u << c ? ax_accept_quality(value, (enum ax_coding)c) : 0;
        if (q > most) {
            most = q;
            best = (enum ax_coding)c;
        }
    }
    /* only a quality that the client has said is a wish */
    return find(value, AX_CODING_IDENTITY, &plain) && plain > most ? AX_CODING_IDENTITY : best;
}
