/* base/str.h - a slice of bytes that somebody else owns.  Not NUL-terminated. */
#ifndef AX_BASE_STR_H
#define AX_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ax_str {
    const char *p; /* BORROWED; NULL only when n is 0 */
    size_t n;      /* bytes */
};

#define AX_STR(lit) ((struct ax_str){(lit), sizeof(lit "") - 1})

static inline struct ax_str ax_str(const char *cstr)
{
    return (struct ax_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool ax_str_eq(struct ax_str a, struct ax_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII letters compare without case, as HTTP field names do (RFC 9110, 5.1); no locale. */
bool ax_str_eq_nocase(struct ax_str a, struct ax_str b);
bool ax_str_has_prefix(struct ax_str s, struct ax_str prefix);
/* `s` without leading and trailing SP and HT. */
struct ax_str ax_str_trim(struct ax_str s);
/* Whole slice is a decimal number that fits; false leaves *ret alone. */
bool ax_str_u64(struct ax_str s, uint64_t *ret);

static inline char ax_lower(char c)
{
    return (unsigned char)(c - 'A') < 26 ? (char)(c | 0x20) : c;
}

/* -1 for what is no hexadecimal digit. */
static inline int ax_hex(char c)
{
    if ((unsigned char)(c - '0') < 10)
        return c - '0';
    char l = (char)(c | 0x20);
    return (unsigned char)(l - 'a') < 6 ? l - 'a' + 10 : -1;
}

/* Decimal digits of v at out (at most 20 bytes, no NUL); returns how many. */
unsigned ax_u64_dec(char *out, uint64_t v);

/* Well-formed UTF-8 as Unicode 15, table 3-7 has it: no overlong form, no surrogate, at most U+10FFFF. */
bool ax_utf8_valid(const char *p, size_t n);

/* The entry of names[0..n) nearest to `word` by edit distance, or NULL when none is near (more than a third
 * of its letters differ): the "did you mean" of every message. */
const char *ax_nearest(const char *word, const char *const *names, size_t n);

#endif
