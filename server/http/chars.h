/* http/chars.h - byte classes of HTTP and the search for bytes, shared by the files of this folder.  Pure. */
#ifndef AX_HTTP_CHARS_H
#define AX_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    AX_CH_TOKEN = 1, /* tchar: RFC 9110, 5.6.2 */
    AX_CH_HOST = 2,  /* unreserved and sub-delims, of which a reg-name is made: RFC 3986, 3.2.2 */
};
extern const unsigned char ax_char_class[256];

static inline bool ax_is_token(char c)
{
    return ax_char_class[(unsigned char)c] & AX_CH_TOKEN;
}

static inline bool ax_is_host(char c)
{
    return ax_char_class[(unsigned char)c] & AX_CH_HOST;
}

/* Control bytes but HT: what no field value may hold (RFC 9110, 5.5), CR and LF among them. */
static inline bool ax_is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* ---- comparing without case, in words: nothing beyond a[0..n) is read, the last word overlaps the one
 * before. `lower` is of lower-case letters, digits and '-', of which letters alone have 0x40 set: only in a
 * letter may 0x20, the case, differ. */

static inline uint64_t ax_differ8(const char *a, const char *lower)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, lower, sizeof y);
    return (x ^ y) & ~((y & 0x4040404040404040) >> 1);
}

static inline uint32_t ax_differ4(const char *a, const char *lower)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, lower, sizeof y);
    return (x ^ y) & ~((y & 0x40404040) >> 1);
}

static inline bool ax_same_nocase(const char *a, const char *lower, size_t n)
{
    if (n >= 8) {
        uint64_t d = ax_differ8(a, lower) | ax_differ8(a + n - 8, lower + n - 8);
        for (size_t i = 8; AX_UNLIKELY(i + 8 < n); i += 8)
            d |= ax_differ8(a + i, lower + i);
        return d == 0;
    }
    if (n >= 4)
        return (ax_differ4(a, lower) | ax_differ4(a + n - 4, lower + n - 4)) == 0;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)((a[i] ^ lower[i]) & ~((lower[i] & 0x40) >> 1)))
            return false;
    return true;
}

/* ---- searching, 16 bytes at a step */

enum ax_find { /* what is looked for */
               AX_FIND_CONTROL,
               AX_FIND_CR,
               AX_FIND_COLON,
               AX_FIND_SPACE,
               AX_FIND_TARGET, /* what divides a request target, ends it or may not be in it: '?' SP '#' HT */
};
enum { AX_BLOCK = 16 };

static inline bool ax_is(char c, enum ax_find what)
{
    switch (what) {
    case AX_FIND_CONTROL:
        return ax_is_control(c);
    case AX_FIND_CR:
        return c == '\r';
    case AX_FIND_COLON:
        return c == ':';
    case AX_FIND_SPACE:
        return c == ' ';
    case AX_FIND_TARGET:
        return c == ' ' || c == '?' || c == '#' || c == '\t';
    }
    return false;
}

/* Bit 7 of every byte of w that is zero, exactly. */
static inline uint64_t ax_zero_bytes(uint64_t w)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7f;

    return ~(((w & low) + low) | w | low);
}

static inline uint64_t ax_equal_bytes(uint64_t w, char c)
{
    return ax_zero_bytes(w ^ (0x0101010101010101 * (unsigned char)c));
}

/* The mask of 8 bytes: bit i is about p[i]. */
static inline unsigned ax_mask8(const char *p, enum ax_find what)
{
    uint64_t w, hit = 0;

    memcpy(&w, p, sizeof w);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    switch (what) {
    case AX_FIND_CONTROL:
        hit = (ax_zero_bytes(w & 0xe0e0e0e0e0e0e0e0) & ~ax_equal_bytes(w, '\t')) | ax_equal_bytes(w, 0x7f);
        break;
    case AX_FIND_CR:
        hit = ax_equal_bytes(w, '\r');
        break;
    case AX_FIND_COLON:
        hit = ax_equal_bytes(w, ':');
        break;
    case AX_FIND_SPACE:
        hit = ax_equal_bytes(w, ' ');
        break;
    case AX_FIND_TARGET:
        hit = ax_equal_bytes(w, ' ') | ax_equal_bytes(w, '?') | ax_equal_bytes(w, '#') |
              ax_equal_bytes(w, '\t');
        break;
    }
    /* bit 7 of byte i comes to bit 56 + i, and nothing carries into it */
    return (unsigned)(((hit >> 7) * 0x0102040810204080) >> 56);
}

/* Bit i of the result: p[i] is what is looked for, of p[0..16).  In words, for every machine. */
static inline unsigned ax_mask_words(const char *p, enum ax_find what)
{
    return ax_mask8(p, what) | ax_mask8(p + 8, what) << 8;
}

#ifdef __SSE2__
static inline unsigned ax_mask_sse2(const char *p, enum ax_find what)
{
    __m128i v, hit = _mm_setzero_si128();

    memcpy(&v, p, sizeof v);
#define EQUALS(c) _mm_cmpeq_epi8(v, _mm_set1_epi8(c))
    switch (what) {
    case AX_FIND_CONTROL: /* unsigned v <= 31, but for HT */
        hit = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(31)), v);
        hit = _mm_or_si128(_mm_andnot_si128(EQUALS('\t'), hit), EQUALS(0x7f));
        break;
    case AX_FIND_CR:
        hit = EQUALS('\r');
        break;
    case AX_FIND_COLON:
        hit = EQUALS(':');
        break;
    case AX_FIND_SPACE:
        hit = EQUALS(' ');
        break;
    case AX_FIND_TARGET:
        hit = _mm_or_si128(_mm_or_si128(EQUALS(' '), EQUALS('?')), _mm_or_si128(EQUALS('#'), EQUALS('\t')));
        break;
    }
#undef EQUALS
    return (unsigned)_mm_movemask_epi8(hit);
}
#define ax_mask ax_mask_sse2
#else
#define ax_mask ax_mask_words
#endif

/* The first such byte of p[0..end), or `end`.  [start, end) is readable and holds p: where it has 16 bytes
 * the last step goes back instead of byte by byte.  `what` is a constant wherever this is called. */
__attribute__((always_inline)) static inline const char *ax_find(const char *start, const char *p,
                                                                 const char *end, enum ax_find what)
{
    unsigned hit;

    for (; end - p >= AX_BLOCK; p += AX_BLOCK)
        if ((hit = ax_mask(p, what)) != 0)
            return p + __builtin_ctz(hit);
    if (AX_LIKELY(end - start >= AX_BLOCK)) {
        hit = ax_mask(end - AX_BLOCK, what) >> (AX_BLOCK - (end - p));
        return hit ? p + __builtin_ctz(hit) : end;
    }
    while (p < end && !ax_is(*p, what))
        p++;
    return p;
}

/* The first control byte of p[0..n), or p + n. */
const char *ax_find_control(const char *p, size_t n);

#endif
