#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void ax_buf_fini(struct ax_buf *b)
{
    size_t max = b->max;

    ax_free(b->p);
    *b = AX_BUF_INIT(max);
}

void ax_buf_clear(struct ax_buf *b)
{
    b->n = 0;
    b->failed = false;
}

char *ax_buf_reserve(struct ax_buf *b, size_t n)
{
    if (b->cap - b->n >= n && b->n + n <= b->max)
        return b->p + b->n; /* n is 0 when p is NULL */
    if (b->failed || n > b->max || b->n > b->max - n)
        goto fail;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->n + n)
        cap += cap;
    if (cap > b->max)
        cap = b->max;
    char *p = ax_realloc(b->p, cap);
    if (!p)
        goto fail;
    b->p = p;
    b->cap = cap;
    return b->p + b->n;
fail:
    b->failed = true;
    return NULL;
}

bool ax_buf_add(struct ax_buf *b, const void *p, size_t n)
{
    if (n == 0)
        return !b->failed;
    char *to = b->failed ? NULL : ax_buf_reserve(b, n);
    if (!to)
        return false;
    memcpy(to, p, n);
    b->n += n;
    return true;
}

bool ax_buf_addc(struct ax_buf *b, char c)
{
    return ax_buf_add(b, &c, 1);
}

/* Room for n bytes and a NUL, which does not count against the ceiling. */
static char *reserve_nul(struct ax_buf *b, size_t n)
{
    size_t max = b->max;

    if (n > max || b->n > max - n)
        return NULL;
    b->max = max == SIZE_MAX ? max : max + 1;
    char *p = ax_buf_reserve(b, n + 1);
    b->max = max;
    return p;
}

bool ax_buf_addf(struct ax_buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *to = n < 0 || b->failed ? NULL : reserve_nul(b, (size_t)n);
    if (!to) {
        b->failed = true;
        return false;
    }
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return true;
}

/* Bytes of the well-formed UTF-8 sequence at the front of s; 0 when it is malformed. */
static size_t utf8_len(struct ax_str s)
{
    for (size_t k = 1; k <= 4 && k <= s.n; k++)
        if (ax_utf8_valid(s.p, k))
            return k;
    return 0;
}

static void add_json_char(struct ax_buf *b, char c)
{
    static const char shorts[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *at = c ? strchr(shorts, c) : NULL;

    if (at) {
        char esc[2] = {'\\', names[at - shorts]};
        ax_buf_add(b, esc, 2);
    } else if ((unsigned char)c < 0x20 || c == 0x7f) {
        ax_buf_addf(b, "\\u%04x", (unsigned)(unsigned char)c);
    } else {
        ax_buf_addc(b, c);
    }
}

bool ax_buf_add_json(struct ax_buf *b, struct ax_str s)
{
    while (s.n) {
        size_t k = (unsigned char)s.p[0] < 0x80 ? 1 : utf8_len(s);
        if (k == 1)
            add_json_char(b, s.p[0]);
        else if (k == 0)
            ax_buf_adds(b, "\xef\xbf\xbd");
        else
            ax_buf_add(b, s.p, k);
        k = k ? k : 1;
        s.p += k;
        s.n -= k;
    }
    return !b->failed;
}

void ax_buf_drop(struct ax_buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

const char *ax_buf_cstr(struct ax_buf *b)
{
    char *p = reserve_nul(b, 0);

    if (p)
        *p = '\0';
    return p ? b->p : NULL;
}
