/* What the fuzz targets share.  A target's input is plain bytes, so that a corpus can be read and a finding
 * pasted; whatever else it needs (where to cut, what to fail) is drawn from dice that the input itself seeds:
 * the same bytes always do the same.  A broken promise is an AX_ASSERT. */
#ifndef AX_TESTS_FUZZ_H
#define AX_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FUZZ_CUTS_MAX = 8, FUZZ_OUT_MAX = 1 << 26 };

struct dice {
    uint64_t x;
};

static inline struct dice dice_of(const uint8_t *data, size_t n)
{
    struct dice d = {0xcbf29ce484222325}; /* FNV-1a */

    for (size_t i = 0; i < n; i++)
        d.x = (d.x ^ data[i]) * 0x100000001b3;
    return d;
}

/* 0 .. n - 1; n > 0. */
static inline size_t roll(struct dice *d, size_t n)
{
    uint64_t z = d->x += 0x9e3779b97f4a7c15; /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (size_t)((z ^ (z >> 31)) % n);
}

/* In memory of just its size, so that a read past its end is seen.  OWNED: free(). */
static inline char *exact(const void *p, size_t n)
{
    char *copy = malloc(n ? n : 1);

    AX_ASSERT(copy);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

/* The same, NUL-terminated, up to its first NUL. */
static inline char *exact_cstr(const void *p, size_t n)
{
    const char *nul = n ? memchr(p, '\0', n) : NULL;
    size_t len = nul ? (size_t)(nul - (const char *)p) : n;
    char *copy = malloc(len + 1);

    AX_ASSERT(copy);
    if (len)
        memcpy(copy, p, len);
    copy[len] = '\0';
    return copy;
}

/* Where the next piece ends, behind `at`: mostly few pieces, sometimes single bytes. */
static inline size_t next_cut(struct dice *d, size_t at, size_t n)
{
    size_t left = n - at;

    switch (roll(d, 4)) {
    case 0:
        return at + 1;
    case 1:
        return at + 1 + roll(d, left < 16 ? left : 16);
    default:
        return at + 1 + roll(d, left);
    }
}

/* True when a[0..n) lies within whole. */
static inline bool within(struct ax_str part, const char *whole, size_t n)
{
    uintptr_t p = (uintptr_t)part.p, from = (uintptr_t)whole;

    return p >= from && p <= from + n && part.n <= from + n - p;
}

/* The next line of *rest without its LF; false at the end. */
static inline bool next_line(struct ax_str *rest, struct ax_str *ret)
{
    if (rest->n == 0)
        return false;
    const char *nl = memchr(rest->p, '\n', rest->n);
    size_t n = nl ? (size_t)(nl - rest->p) : rest->n;
    *ret = (struct ax_str){rest->p, n};
    rest->p += n + (nl != NULL);
    rest->n -= n + (nl != NULL);
    return true;
}

#endif
