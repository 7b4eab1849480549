#include "http/chars.h"

#include <stdint.h>
#include <string.h>

/* clang-format off */
#define T AX_CH_TOKEN
#define H AX_CH_HOST
#define B (AX_CH_TOKEN | AX_CH_HOST)
const unsigned char ax_char_class[256] = {
    ['0' ... '9'] = B, ['A' ... 'Z'] = B, ['a' ... 'z'] = B,
    ['-'] = B, ['.'] = B, ['_'] = B, ['~'] = B, ['!'] = B, ['$'] = B, ['&'] = B, ['\''] = B, ['*'] = B,
    ['+'] = B, ['#'] = T, ['%'] = T, ['^'] = T, ['`'] = T, ['|'] = T,
    ['('] = H, [')'] = H, [','] = H, [';'] = H, ['='] = H,
};
#undef T
#undef H
#undef B
/* clang-format on */

typedef unsigned char vec __attribute__((vector_size(16)));
typedef uint64_t pair __attribute__((vector_size(16)));

static const vec below = {32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32};
static const vec tab = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
static const vec del = {127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127};

/* The first byte of the vector at p that was hit: its lane is all ones. */
static inline const char *first_hit(pair hit, const char *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return hit[0] ? p + __builtin_ctzll(hit[0]) / 8 : p + 8 + __builtin_ctzll(hit[1]) / 8;
#else
    return hit[0] ? p + __builtin_clzll(hit[0]) / 8 : p + 8 + __builtin_clzll(hit[1]) / 8;
#endif
}

static const char *find_slow(const char *p, const char *end)
{
    while (p < end && !ax_is_control(*p))
        p++;
    return p;
}

const char *ax_find_control(const char *p, size_t n)
{
    const char *end = p + n;

    for (; end - p >= (ptrdiff_t)sizeof(vec); p += sizeof(vec)) {
        vec v;

        memcpy(&v, p, sizeof v);
        pair hit = (pair)(((v < below) & (v != tab)) | (v == del));
        if (hit[0] | hit[1])
            return first_hit(hit, p);
    }
    return find_slow(p, end);
}
