/* base/buf.h - a growing byte buffer with a ceiling.  An append that would pass the ceiling, or that finds no
 * memory, changes nothing and sets the sticky `failed`; so a writer may append many times and check once.
 * Thread: none.  OWNED by whoever inits it. */
#ifndef AX_BASE_BUF_H
#define AX_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct ax_buf {
    char *p;       /* NUL is NOT kept behind the bytes; see ax_buf_cstr */
    size_t n, cap; /* bytes used, bytes allocated */
    size_t max;    /* ceiling in bytes */
    bool failed;   /* sticky: an append did not fit */
};

#define AX_BUF_INIT(ceiling) ((struct ax_buf){.max = (ceiling)})

void ax_buf_fini(struct ax_buf *b);  /* frees; the buffer is as after AX_BUF_INIT with the same ceiling */
void ax_buf_clear(struct ax_buf *b); /* empties, keeps the memory, clears `failed` */
/* Room for n more bytes; NULL and `failed` when there is none.  Add what was written to b->n. */
char *ax_buf_reserve(struct ax_buf *b, size_t n);
bool ax_buf_add(struct ax_buf *b, const void *p, size_t n);
bool ax_buf_addc(struct ax_buf *b, char c);
bool ax_buf_addf(struct ax_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `s` as the inside of a JSON string: quotes, backslash, control bytes escaped (RFC 8259, 7); invalid UTF-8
 * becomes U+FFFD, so the result is always valid JSON. */
bool ax_buf_add_json(struct ax_buf *b, struct ax_str s);
void ax_buf_drop(struct ax_buf *b, size_t n); /* removes n bytes at the front */
/* NUL-terminated view, valid until the next append; NULL = no memory. */
const char *ax_buf_cstr(struct ax_buf *b);

static inline bool ax_buf_adds(struct ax_buf *b, const char *s)
{
    return ax_buf_add(b, s, strlen(s));
}

static inline struct ax_str ax_buf_str(const struct ax_buf *b)
{
    return (struct ax_str){b->p, b->n};
}

#endif
