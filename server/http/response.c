/* Response heads from pieces made at compile time.  Pieces are copied at their full fixed width and
 * overwritten by what follows: a copy of known size is a few vector moves, one of unknown size a call.
 * ax_response_head_max has the room. */
#include "http/response.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "http/chars.h"

enum { PIECE = 48, STATUS_MIN = 100, STATUS_MAX = 999, STATUS_TABLE_END = 512 };
#define STATUS_PREFIX "HTTP/1.1 "

struct piece { /* text[0..n) and padding; no NUL needed */
    char text[PIECE];
    uint8_t n;
};
#define PIECE_OF(lit)                                                                                        \
    {                                                                                                        \
        lit, sizeof(lit) - 1                                                                                 \
    }

/* Row 0 is for every status without a reason; its digits are filled in. */
enum row {
    ROW_UNKNOWN,
#define STATUS(code, reason) ROW_##code,
#include "http/status.def"
#undef STATUS
};
static const struct piece status_lines[] = {
    PIECE_OF(STATUS_PREFIX "000 \r\n"),
#define STATUS(code, reason) PIECE_OF(STATUS_PREFIX #code " " reason "\r\n"),
#include "http/status.def"
#undef STATUS
};
static const char *const reasons[] = {
    "",
#define STATUS(code, reason) reason,
#include "http/status.def"
#undef STATUS
};
static const uint8_t rows[STATUS_TABLE_END] = {
#define STATUS(code, reason) [code] = ROW_##code,
#include "http/status.def"
#undef STATUS
};
#define STATUS(code, reason) _Static_assert(sizeof(STATUS_PREFIX "000 " reason "\r\n") <= PIECE + 1, reason);
#include "http/status.def"
#undef STATUS

static const struct piece contents[] = {
    [AX_CONTENT_NONE] = {"", 0},
    [AX_CONTENT_TEXT] = PIECE_OF("Content-Type: text/plain; charset=utf-8\r\n"),
    [AX_CONTENT_JSON] = PIECE_OF("Content-Type: application/json; charset=utf-8\r\n"),
    [AX_CONTENT_BYTES] = PIECE_OF("Content-Type: application/octet-stream\r\n"),
    [AX_CONTENT_HTML] = PIECE_OF("Content-Type: text/html; charset=utf-8\r\n"),
};

/* Status line, Content-Type, Date, Connection, Content-Length with 20 digits, and the width of one piece
 * beyond. */
enum { FIXED_MAX = PIECE + PIECE + 6 + AX_HTTP_DATE_LEN + 2 + 24 + 16 + 20 + 4 + PIECE };

static unsigned row_of(unsigned status)
{
    return status < STATUS_TABLE_END ? rows[status] : ROW_UNKNOWN;
}

const char *ax_status_reason(unsigned status)
{
    return reasons[row_of(status)];
}

size_t ax_response_head_max(const struct ax_response_head *h)
{
    return FIXED_MAX + h->headers.n + h->headers2.n;
}

static inline char *add_piece(char *out, const struct piece *p)
{
    memcpy(out, p->text, PIECE);
    return out + p->n;
}

static inline char *add_str(char *out, struct ax_str s)
{
    if (s.n)
        memcpy(out, s.p, s.n);
    return out + s.n;
}

#define ADD_LIT(out, lit) ((char *)memcpy((out), (lit), sizeof(lit) - 1) + sizeof(lit) - 1)

static char *add_status(char *out, unsigned status)
{
    unsigned row = row_of(status);
    char *end = add_piece(out, &status_lines[row]);

    AX_DEBUG_ASSERT(status >= STATUS_MIN && status <= STATUS_MAX);
    if (AX_UNLIKELY(row == ROW_UNKNOWN)) {
        char *digits = out + sizeof STATUS_PREFIX - 1;
        digits[0] = (char)('0' + status / 100 % 10);
        digits[1] = (char)('0' + status / 10 % 10);
        digits[2] = (char)('0' + status % 10);
    }
    return end;
}

static char *add_lead(char *out, const struct ax_response_head *h)
{
    char *at = add_status(out, h->status);

    at = add_piece(at, &contents[h->content]);
    at = ADD_LIT(at, "Date: ");
    memcpy(at, h->date, AX_HTTP_DATE_LEN);
    return ADD_LIT(at + AX_HTTP_DATE_LEN, "\r\n");
}

_Static_assert(PIECE + PIECE + 6 + AX_HTTP_DATE_LEN + 2 <= AX_LEAD_MAX, "a lead fits its row");
_Static_assert((int)AX_LEAD_MAX <= (int)FIXED_MAX, "a head has room for a row's full width");

void ax_response_leads_clear(struct ax_response_leads *l)
{
    for (unsigned i = 0; i < AX_LEAD_ROWS; i++)
        l->row[i].status = 0;
}

static char *add_kept_lead(char *out, const struct ax_response_head *h)
{
    struct ax_response_lead *row = &h->leads->row[(h->status ^ h->content) % AX_LEAD_ROWS];

    if (AX_UNLIKELY(row->status != h->status || row->content != h->content)) {
        row->n = (uint16_t)(add_lead(row->text, h) - row->text);
        row->status = (uint16_t)h->status;
        row->content = (uint8_t)h->content;
    }
    memcpy(out, row->text, AX_LEAD_MAX);
    return out + row->n;
}

size_t ax_response_head_write(const struct ax_response_head *h, char *out)
{
    char *at = h->leads ? add_kept_lead(out, h) : add_lead(out, h);

    at = add_str(at, h->headers2);
    at = add_str(at, h->headers);
    if (AX_UNLIKELY(h->close))
        at = ADD_LIT(at, "Connection: close\r\n");
    else if (AX_UNLIKELY(h->keep_alive_10))
        at = ADD_LIT(at, "Connection: keep-alive\r\n");
    if (AX_LIKELY(!h->no_length)) {
        at = ADD_LIT(at, "Content-Length: ");
        at += ax_u64_dec(at, h->length);
        at = ADD_LIT(at, "\r\n");
    } else if (h->chunked) {
        at = ADD_LIT(at, "Transfer-Encoding: chunked\r\n");
    }
    at = ADD_LIT(at, "\r\n");
    return (size_t)(at - out);
}

bool ax_field_name_ok(struct ax_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ax_is_token(s.p[i]))
            return false;
    return s.n > 0;
}

bool ax_field_value_ok(struct ax_str s)
{
    return s.n == 0 || ax_find_control(s.p, s.n) == s.p + s.n;
}
