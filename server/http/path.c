#include "http/path.h"

#define ONES (UINT64_MAX / 0xff)

/* The decoded byte at s.p[*at], which is moved behind it; -1 for a '%' without two hexadecimal digits. */
static int take(struct ax_str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[*at];

    if (c != '%') {
        *at += 1;
        return c;
    }
    if (s.n - *at < 3)
        return -1;
    int hi = ax_hex(s.p[*at + 1]), lo = ax_hex(s.p[*at + 2]);
    if (hi < 0 || lo < 0)
        return -1;
    *at += 3;
    return hi << 4 | lo;
}

static uint64_t has_byte(uint64_t w, unsigned char c)
{
    uint64_t x = w ^ ONES * c;

    return (x - ONES) & ~x;
}

/* True when no byte needs a look: no control byte, DEL, '%', '.', and nothing above ASCII.  Eight bytes at a
 * time, because every request comes through here and nearly every path is plain. */
static bool all_harmless(struct ax_str s)
{
    uint64_t w, bad = 0;

    if (s.n < sizeof w)
        return false;
    for (size_t at = 0;; at += sizeof w) {
        if (at + sizeof w > s.n)
            at = s.n - sizeof w;
        memcpy(&w, s.p + at, sizeof w);
        bad |= w | ((w - ONES * 0x20) & ~w) | has_byte(w, 0x7f) | has_byte(w, '%') | has_byte(w, '.');
        if (at + sizeof w == s.n)
            return (bad & ONES * 0x80) == 0;
    }
}

/* The rest of a UTF-8 sequence whose first byte is `lead`; its bytes may be encoded or not, each for itself.
 */
static bool take_utf8(struct ax_str s, size_t *at, int lead)
{
    char seq[4] = {(char)lead};
    size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

    for (size_t i = 1; i < n; i++) {
        int c = *at < s.n ? take(s, at) : -1;
        if (c < 0x80)
            return false;
        seq[i] = (char)c;
    }
    return ax_utf8_valid(seq, n);
}

static bool segment_ok(struct ax_str s, size_t *at)
{
    size_t start = *at, len = 0, dots = 0;

    while (*at < s.n && s.p[*at] != '/') {
        bool encoded = s.p[*at] == '%';
        int c = take(s, at);
        if (c <= 0 || (!encoded && (c < 0x20 || c == 0x7f)))
            return false;
        if (c >= 0x80 && !take_utf8(s, at, c))
            return false;
        len++;
        dots += c == '.';
    }
    return *at == start || dots != len || len > 2;
}

bool ax_path_ok(struct ax_str path)
{
    if (path.n == 0 || path.p[0] != '/')
        return false;
    if (all_harmless(path))
        return true;
    for (size_t at = 0; at < path.n;) {
        at++; /* the '/' */
        if (!segment_ok(path, &at))
            return false;
    }
    return true;
}

size_t ax_path_decode(struct ax_str s, char *out)
{
    size_t n = 0;

    for (size_t at = 0; at < s.n;) {
        int c = take(s, &at);
        out[n++] = c < 0 ? s.p[at++] : (char)c;
    }
    return n;
}
