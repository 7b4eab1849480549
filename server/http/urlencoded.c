#include "http/urlencoded.h"

bool ax_urlencoded_next(struct ax_urlencoded *it, struct ax_str *name, struct ax_str *value)
{
    while (it->rest.n) {
        struct ax_str piece = it->rest;
        const char *amp = memchr(piece.p, '&', piece.n);

        if (amp)
            piece.n = (size_t)(amp - piece.p);
        it->rest.p += piece.n + (amp != NULL);
        it->rest.n -= piece.n + (amp != NULL);
        if (piece.n == 0)
            continue;
        const char *eq = memchr(piece.p, '=', piece.n);
        const char *end = piece.p + piece.n;
        *name = (struct ax_str){piece.p, (size_t)((eq ? eq : end) - piece.p)};
        *value = eq ? (struct ax_str){eq + 1, (size_t)(end - eq - 1)} : (struct ax_str){end, 0};
        return true;
    }
    return false;
}

size_t ax_urlencoded_decode(struct ax_str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int hi = -1, lo = -1;

        if (c == '%' && s.n - i >= 3) {
            hi = ax_hex(s.p[i + 1]);
            lo = ax_hex(s.p[i + 2]);
        }
        if (hi >= 0 && lo >= 0) {
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        out[n++] = c;
    }
    return n;
}
