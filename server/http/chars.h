/* http/chars.h - byte classes of HTTP, shared by the files of this folder.  Pure. */
#ifndef AX_HTTP_CHARS_H
#define AX_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>

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

/* The first such byte of p[0..n), or p + n.  16 bytes at a step: about 40 ns for 660 bytes. */
const char *ax_find_control(const char *p, size_t n);

#endif
