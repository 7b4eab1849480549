#include "http/base64.h"

#include <stdint.h>

static int value_of(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

static bool decode(struct ax_str s, bool url, char *out, size_t *ret_n)
{
    uint32_t word = 0;
    unsigned bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        int v = value_of(s.p[i], url);
        if (v < 0)
            return false;
        word = word << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (char)(word >> bits & 0xff);
        }
    }
    *ret_n = n;
    return s.n % 4 != 1 && (word & ((1u << bits) - 1)) == 0;
}

bool ax_base64_decode(struct ax_str text, char *out, size_t *ret_n)
{
    size_t pad = 0;

    while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
        pad++;
    if (pad && text.n % 4)
        return false;
    return decode((struct ax_str){text.p, text.n - pad}, false, out, ret_n);
}

bool ax_base64url_decode(struct ax_str text, char *out, size_t *ret_n)
{
    return decode(text, true, out, ret_n);
}
