#include "http/chars.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

#define T AX_CH_TOKEN
#define H AX_CH_HOST
#define B (AX_CH_TOKEN | AX_CH_HOST)
const unsigned char
    ax_char_class[256] =
        {
            ['0'] = B, B,         B,         B,         B,         B,          B,         B,
            B,         B,         ['A'] = B, B,         B,         B,          B,         B,
            B,         B,         B,         B,         B,         B,          B,         B,
            B,         B,         B,         B,         B,         B,          B,         B,
            B,         B,         B,         B,         ['a'] = B, B,          B,         B,
            B,         B,         B,         B,         B,         B,          B,         B,
            B,         B,         B,         B,         B,         B,          B,         B,
            B,         B,         B,         B,         B,         B,          ['-'] = B, ['.'] = B,
            ['_'] = B, ['~'] = B, ['!'] = B, ['$'] = B, ['&'] = B, ['\''] = B, ['*'] = B, ['+'] = B,
            ['#'] = T, ['%'] = T, ['^'] = T, ['`'] = T, ['|'] = T, ['('] = H,  [')'] = H, [','] = H,
            [';'] = H, ['='] = H,
};
#undef T
#undef H
#undef B

typedef unsigned char vec __attribute__((vector_size(16)));
typedef uint64_t pair __attribute__((vector_size(16)));

static const vec below = {32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32};
static const vec tab = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
static const vec del = {127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127};

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
        if (AX_UNLIKELY((hit[0] | hit[1]) != 0))
            return find_slow(p, end);
    }
    return find_slow(p, end);
}
