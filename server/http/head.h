/* http/head.h - a request head: found in the bytes, checked strictly, parsed.  Pure: no socket, no clock.
 * Two steps, because the bytes are copied only once, when the head is whole:
 *
 * ax_head_scan finds its end in what was received and checks the raw lines: every line ends in CRLF, no other
 * control byte but HT, no line starts with SP, HT or ':', no SP or HT before the colon (RFC 9112, 2.2, 5.1,
 * 5.2), one space between the parts of the request line (3).
 *
 * ax_head_parse finds the parts and checks them: token characters in names, Host (RFC 9112, 3.2),
 * Transfer-Encoding exactly `chunked` and only under 1.1 (6.1), version 1.0 or 1.1, no fragment.
 *
 * What they accept llhttp accepts too, and finds the same in it: tests/unit/http/head_diff_test.c. */
#ifndef AX_HTTP_HEAD_H
#define AX_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/field_name.h"
#include "http/head_lines.h"
#include "http/method.h"

struct ax_span { /* of the head's own bytes; a head has at most 65,535 */
    uint16_t off, n;
};
struct ax_field {
    struct ax_span name, value; /* value without surrounding white space */
    uint16_t id;                /* enum ax_field_name */
};
struct ax_head {             /* 64 bytes: it is in every request's slot */
    const char *base;        /* BORROWED: the copy of the head */
    struct ax_field *fields; /* in the request's arena, as received */
    uint64_t known;          /* bit `id` is set when a field with that enum ax_field_name is there */
    uint64_t content_length; /* 0 when none */
    uint16_t bytes;
    uint16_t nfields;
    struct ax_span method_name; /* as received */
    struct ax_span target;      /* as received: the URI */
    struct ax_span path, query; /* of the target, absolute form included; query without '?' */
    struct ax_span host;        /* value of Host, or the authority of an absolute-form target */
    uint8_t method;             /* enum ax_method */
    uint8_t minor;              /* HTTP/1.minor */
    bool keep_alive, chunked, expect_continue, has_query;
    bool asterisk; /* OPTIONS * */
};

/* Why a head is refused: status, the manifest key of the limit it met (or NULL) and a sentence. */
struct ax_refusal {
    unsigned status;
    const char *limit;
    const char *text;
};

struct ax_head_limits {
    size_t bytes, uri;
    unsigned fields;
    struct ax_host_seen *host_seen; /* BORROWED, of the thread that parses; NULL = every Host is looked at */
};
enum { AX_HOST_SEEN_MAX = 63 };
/* The last Host that was found well-formed: most clients of a server ask for one name.  Zero at first. */
struct ax_host_seen {
    unsigned char n;
    char text[AX_HOST_SEEN_MAX];
};

enum ax_scan { AX_SCAN_MORE, AX_SCAN_DONE, AX_SCAN_REFUSED };
struct ax_scanner { /* progress over a head that comes in pieces; zero before each head */
    size_t at;      /* start of the line that is not complete yet */
    unsigned lines; /* complete ones */
    size_t seen;    /* bytes of that line already searched for its end */
};
/* p[0..n) are all bytes of the head received so far (leading empty lines already skipped by the caller).
 * DONE: *ret_len is the length with its last CRLFCRLF.  Lines already seen are not looked at again. */
enum ax_scan ax_head_scan(struct ax_scanner *s, const char *p, size_t n, const struct ax_head_limits *l,
                          size_t *ret_len, struct ax_refusal *ret_why);
/* The same, and for a head that comes whole it leaves in *ret_lines what ax_head_parse_lines would search. */
enum ax_scan ax_head_scan_lines(struct ax_scanner *s, const char *p, size_t n, const struct ax_head_limits *l,
                                size_t *ret_len, struct ax_head_lines *ret_lines, struct ax_refusal *ret_why);
/* `copy` holds a scanned head and lives as long as *ret, or ret->base is set to other bytes like it.  Fields
 * are allocated in `a`. */
bool ax_head_parse(const char *copy, size_t n, const struct ax_head_limits *l, struct ax_arena *a,
                   struct ax_head *ret, struct ax_refusal *ret_why);
/* The same with the lines that ax_head_scan_lines left when it was DONE with this head. */
bool ax_head_parse_lines(const char *copy, size_t n, const struct ax_head_limits *l,
                         const struct ax_head_lines *lines, struct ax_arena *a, struct ax_head *ret,
                         struct ax_refusal *ret_why);

static inline struct ax_str ax_head_str(const struct ax_head *h, struct ax_span s)
{
    return (struct ax_str){h->base + s.off, s.n};
}
/* First field of that name (any case); p NULL when there is none. */
struct ax_str ax_head_field(const struct ax_head *h, struct ax_str name);
/* The same for a name of the list, without comparing strings; p NULL for AX_FIELD_OTHER. */
struct ax_str ax_head_known(const struct ax_head *h, enum ax_field_name id);

#endif
