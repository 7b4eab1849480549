/* tests/unit/http/base64url.h - base64url without padding (RFC 7515, 2), for tokens that tests and a fuzzer
 * make. */
#ifndef AX_TESTS_BASE64URL_H
#define AX_TESTS_BASE64URL_H

#include "base/buf.h"
#include "base/str.h"

static inline void add_base64url(struct ax_buf *b, struct ax_str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t w = 0;
        size_t k = s.n - i < 3 ? s.n - i : 3;
        for (size_t j = 0; j < 3; j++)
            w = w << 8 | (j < k ? (unsigned char)s.p[i + j] : 0);
        for (size_t j = 0; j <= k; j++)
            ax_buf_addc(b, digits[w >> (18 - 6 * j) & 63]);
    }
}

#endif
