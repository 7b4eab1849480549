#include "http/chars.h"

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

const char *ax_find_control(const char *p, size_t n)
{
    return ax_find(p, p, p + n, AX_FIND_CONTROL);
}
