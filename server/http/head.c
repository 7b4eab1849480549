/* The second step over a head: its parts.  llhttp (parser.c) finds the fields; what it would let pass is
 * refused here. Each rule names its place in RFC 9112 or 9110. */
#include "http/head.h"

#include <string.h>

#include "base/assert.h"
#include "http/chars.h"
#include "http/parser.h"
#include "http/target.h"

enum { VERSION_MINOR_AT = 7 }; /* of "HTTP/1.1" */

_Static_assert(sizeof(struct ax_head) <= 64, "a cache line of the request slot");

/* What the fields say together. */
struct facts {
    struct ax_str host, length, coding;
    unsigned hosts, lengths, codings;
    bool close, keep_alive;
    bool expect_unknown;
};

static bool refuse(struct ax_refusal *why, unsigned status, const char *text)
{
    *why = (struct ax_refusal){status, NULL, text};
    return false;
}

/* Next element of a comma-separated list, trimmed, maybe empty; false at the end. */
static bool list_next(struct ax_str *rest, struct ax_str *ret)
{
    if (!rest->p)
        return false;
    const char *comma = rest->n ? memchr(rest->p, ',', rest->n) : NULL;
    size_t n = comma ? (size_t)(comma - rest->p) : rest->n;
    *ret = ax_str_trim((struct ax_str){rest->p, n});
    *rest = comma ? (struct ax_str){comma + 1, rest->n - n - 1} : (struct ax_str){NULL, 0};
    return true;
}

static void read_connection(struct facts *f, struct ax_str value)
{
    struct ax_str token;

    while (list_next(&value, &token)) {
        f->close |= ax_str_eq_nocase(token, AX_STR("close"));
        f->keep_alive |= ax_str_eq_nocase(token, AX_STR("keep-alive"));
    }
}

/* The first letter settles it for most names. */
static inline bool named(struct ax_str name, struct ax_str lower)
{
    return ax_lower(name.p[0]) == lower.p[0] && ax_str_eq_nocase(name, lower);
}

static void read_field(struct ax_head *h, struct facts *f, struct ax_str name, struct ax_str value)
{
    switch (name.n) {
    case 4:
        if (named(name, AX_STR("host"))) {
            f->host = value;
            f->hosts++;
        }
        break;
    case 6:
        if (named(name, AX_STR("expect"))) {
            bool known = ax_str_eq_nocase(value, AX_STR("100-continue"));
            f->expect_unknown |= !known;
            h->expect_continue |= known && h->minor; /* ignored under 1.0: RFC 9110, 10.1.1 */
        }
        break;
    case 10:
        if (named(name, AX_STR("connection")))
            read_connection(f, value);
        break;
    case 14:
        if (named(name, AX_STR("content-length"))) {
            f->length = value;
            f->lengths++;
        }
        break;
    case 17:
        if (named(name, AX_STR("transfer-encoding"))) {
            f->coding = value;
            f->codings++;
        }
        break;
    default:
        break;
    }
}

/* 9112, 6.1: 501 for a coding this server does not have, as long as `chunked` comes once and last, so that
 * the body's end is known; else 400. */
static bool refuse_coding(struct ax_str value, struct ax_refusal *why)
{
    struct ax_str coding = {NULL, 0};
    unsigned chunked = 0, empty = 0;

    while (list_next(&value, &coding)) {
        chunked += ax_str_eq_nocase(coding, AX_STR("chunked"));
        empty += coding.n == 0;
    }
    if (chunked == 1 && !empty && ax_str_eq_nocase(coding, AX_STR("chunked")))
        return refuse(why, 501, "transfer coding not supported");
    return refuse(why, 400, "Transfer-Encoding is not chunked");
}

static bool check_framing(struct ax_head *h, const struct facts *f, struct ax_refusal *why)
{
    if (f->codings) {
        if (h->minor == 0)
            return refuse(why, 400, "Transfer-Encoding under HTTP/1.0");
        if (f->lengths)
            return refuse(why, 400, "Transfer-Encoding and Content-Length together");
        if (f->codings > 1)
            return refuse(why, 400, "more than one Transfer-Encoding");
        if (!ax_str_eq_nocase(f->coding, AX_STR("chunked")))
            return refuse_coding(f->coding, why);
        h->chunked = true;
    }
    if (f->lengths > 1)
        return refuse(why, 400, "more than one Content-Length");
    if (f->lengths && !ax_str_u64(f->length, &h->content_length))
        return refuse(why, 400, "malformed Content-Length");
    return true;
}

/* 9112, 3.2: one Host under 1.1; the authority of an absolute-form target replaces it (3.2.2). */
static bool check_host(struct ax_head *h, const struct facts *f, struct ax_refusal *why)
{
    if (f->hosts > 1)
        return refuse(why, 400, "more than one Host");
    if (f->hosts == 0)
        return h->minor == 0 || refuse(why, 400, "Host is missing");
    if (!ax_authority_ok(f->host))
        return refuse(why, 400, "malformed Host");
    if (h->host.n == 0)
        h->host = (struct ax_span){(uint16_t)(f->host.p - h->base), (uint16_t)f->host.n};
    return true;
}

static bool check_fields(struct ax_head *h, struct ax_refusal *why)
{
    struct facts f = {.hosts = 0};

    for (unsigned i = 0; i < h->nfields; i++)
        read_field(h, &f, ax_head_str(h, h->fields[i].name), ax_head_str(h, h->fields[i].value));
    h->keep_alive = !f.close && (h->minor || f.keep_alive); /* 9112, 9.3 */
    if (!check_host(h, &f, why) || !check_framing(h, &f, why))
        return false;
    return !f.expect_unknown || refuse(why, 417, "expectation not supported");
}

/* Method, target and version; ax_head_scan has seen the two spaces and the version. */
static bool check_request_line(struct ax_head *h, struct ax_refusal *why)
{
    const char *target = memchr(h->base, ' ', h->bytes);
    const char *version = target ? memchr(target + 1, ' ', (size_t)(h->base + h->bytes - target - 1)) : NULL;

    if (AX_NEVER(!version || h->base + h->bytes - version <= VERSION_MINOR_AT + 1))
        return refuse(why, 400, "malformed request line");
    h->method_name = (struct ax_span){0, (uint16_t)(target - h->base)};
    h->target = (struct ax_span){(uint16_t)(target + 1 - h->base), (uint16_t)(version - target - 1)};
    h->minor = version[1 + VERSION_MINOR_AT] == '1';
    h->method = ax_method_parse(ax_head_str(h, h->method_name));
    if (h->method == AX_UNKNOWN_METHOD) {
        for (unsigned i = 0; i < h->method_name.n; i++)
            if (!ax_is_token(h->base[i]))
                return refuse(why, 400, "malformed method");
        return refuse(why, 501, "unknown method");
    }
    const char *wrong = ax_target_parse(h);
    return !wrong || refuse(why, 400, wrong);
}

bool ax_head_parse(const char *copy, size_t n, const struct ax_head_limits *l, struct ax_arena *a,
                   struct ax_head *ret, struct ax_refusal *ret_why)
{
    *ret = (struct ax_head){.base = copy, .bytes = (uint16_t)n};
    if (AX_NEVER(n > UINT16_MAX))
        return refuse(ret_why, 431, "request head too large");
    return check_request_line(ret, ret_why) && ax_parser_head(copy, n, l->fields, a, ret, ret_why) &&
           check_fields(ret, ret_why);
}

static struct ax_str by_id(const struct ax_head *h, enum ax_field_name id)
{
    if (h->known >> id & 1)
        for (unsigned i = 0; i < h->nfields; i++)
            if (h->fields[i].id == id)
                return ax_head_str(h, h->fields[i].value);
    return (struct ax_str){NULL, 0};
}

static struct ax_str by_name(const struct ax_head *h, struct ax_str name)
{
    for (unsigned i = 0; i < h->nfields; i++)
        if (h->fields[i].name.n == name.n && ax_str_eq_nocase(ax_head_str(h, h->fields[i].name), name))
            return ax_head_str(h, h->fields[i].value);
    return (struct ax_str){NULL, 0};
}

struct ax_str ax_head_field(const struct ax_head *h, struct ax_str name)
{
    enum ax_field_name id = ax_field_name_of(name);

    return id == AX_FIELD_OTHER ? by_name(h, name) : by_id(h, id);
}

struct ax_str ax_head_known(const struct ax_head *h, enum ax_field_name id)
{
    if (AX_NEVER((unsigned)id >= AX_FIELD_NAMES) || id == AX_FIELD_OTHER)
        return (struct ax_str){NULL, 0};
#ifdef AX_NO_INTERN
    return by_name(h, ax_field_name_str(id));
#else
    return by_id(h, id);
#endif
}
