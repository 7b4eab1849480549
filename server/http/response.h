/* http/response.h - a response head as bytes.  Pure: the caller owns the buffer and the clock. */
#ifndef AX_HTTP_RESPONSE_H
#define AX_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Content-Type lines made once. */
enum ax_content {
    AX_CONTENT_NONE,
    AX_CONTENT_TEXT,  /* text/plain; charset=utf-8 */
    AX_CONTENT_JSON,  /* application/json; charset=utf-8 */
    AX_CONTENT_BYTES, /* application/octet-stream */
    AX_CONTENT_HTML,  /* text/html; charset=utf-8 */
};

/* The first lines of a response, which all of its kind share for a second: status, Content-Type and Date.  A
 * worker keeps them as one text; whenever `date` changes, ax_response_leads_clear. */
enum { AX_LEAD_ROWS = 8, AX_LEAD_MAX = 136 };
struct ax_response_leads {
    struct ax_response_lead {
        uint16_t status, n; /* status 0 = empty */
        uint8_t content;
        char text[AX_LEAD_MAX];
    } row[AX_LEAD_ROWS];
};
void ax_response_leads_clear(struct ax_response_leads *l);

struct ax_response_head {
    unsigned status;                 /* 200..999 */
    enum ax_content content;         /* NONE: no Content-Type line, or it is among `headers` */
    const char *date;                /* AX_HTTP_DATE_LEN bytes */
    struct ax_response_leads *leads; /* BORROWED; NULL = the lines are made for this head alone */
    struct ax_str headers;           /* rendered lines, each ending in CRLF */
    struct ax_str headers2;          /* more of them (the route's) */
    uint64_t length;                 /* of the body, also for HEAD */
    bool no_length;                  /* 204 and 1xx carry none (RFC 9110, 8.6) */
    bool chunked;                    /* without a length: Transfer-Encoding (RFC 9112, 7.1) */
    bool close;                      /* Connection: close */
    bool keep_alive_10;              /* Connection: keep-alive, to an HTTP/1.0 client that asked for it */
};
/* Bytes that ax_response_head may write at most, for this head. */
size_t ax_response_head_max(const struct ax_response_head *h);
/* Writes the head with its empty line; returns its bytes. */
size_t ax_response_head_write(const struct ax_response_head *h, char *out);
const char *ax_status_reason(unsigned status); /* "" when unknown */

/* Lines for `headers`: a valid field name (RFC 9110, 5.1) and value (5.5: no CR, LF, NUL or other control
 * byte but HT). */
bool ax_field_name_ok(struct ax_str s);
bool ax_field_value_ok(struct ax_str s);

#endif
