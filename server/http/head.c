/* The second step over a head: its parts, found in one pass over bytes that ax_head_scan has passed.  Each
 * rule names its place in RFC 9112 or 9110. */
#include "http/head.h"

#include <string.h>

#include "base/assert.h"
#include "http/chars.h"
#include "http/target.h"

_Static_assert(sizeof(struct ax_head) <= 64, "a cache line of the request slot");

/* HEAD_MIN: "G / HTTP/1.1" CRLF CRLF.  FIELDS_FIRST: as many as browsers send. */
enum { HEAD_MIN = 16, VERSION_LEN = 8, CRLF_LEN = 2, FIELDS_FIRST = 24 };

/* What the fields say together. */
struct facts {
    struct ax_str host, length, coding;
    unsigned hosts, lengths, codings;
    bool close, keep_alive;
    bool expect_unknown;
};

struct reader {
    const char *start, *at, *end; /* the head, what is not read yet, and its last CRLF */
    struct ax_head *head;
    struct ax_arena *arena;
    struct ax_refusal *why;
    unsigned cap, max; /* fields there is room for, and may be */
    struct facts facts;
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

static inline bool is_lower(struct ax_str s, struct ax_str lower)
{
    return s.n == lower.n && ax_same_nocase(s.p, lower.p, lower.n);
}

static void read_connection(struct facts *f, struct ax_str value)
{
    struct ax_str token;

    if (AX_LIKELY(is_lower(value, AX_STR("keep-alive")))) {
        f->keep_alive = true;
        return;
    }
    while (list_next(&value, &token)) {
        f->close |= is_lower(token, AX_STR("close"));
        f->keep_alive |= is_lower(token, AX_STR("keep-alive"));
    }
}

static void read_expect(struct ax_head *h, struct facts *f, struct ax_str value)
{
    bool known = is_lower(value, AX_STR("100-continue"));

    f->expect_unknown |= !known;
    h->expect_continue |= known && h->minor; /* ignored under 1.0: RFC 9110, 10.1.1 */
}

/* The id of a field, also where a build gives them none. */
static inline enum ax_field_name meaning(enum ax_field_name id, struct ax_str name)
{
#ifdef AX_NO_INTERN
    static const enum ax_field_name read[] = {AX_FIELD_HOST, AX_FIELD_CONNECTION, AX_FIELD_CONTENT_LENGTH,
                                              AX_FIELD_TRANSFER_ENCODING, AX_FIELD_EXPECT};
    for (unsigned i = 0; i < AX_COUNT(read); i++)
        if (is_lower(name, ax_field_name_str(read[i])))
            return read[i];
#endif
    (void)name;
    return id;
}

static const uint64_t read_here = 1ull << AX_FIELD_HOST | 1ull << AX_FIELD_CONNECTION |
                                  1ull << AX_FIELD_CONTENT_LENGTH | 1ull << AX_FIELD_TRANSFER_ENCODING |
                                  1ull << AX_FIELD_EXPECT;

static void read_field(struct ax_head *h, struct facts *f, enum ax_field_name id, struct ax_str value)
{
    switch (id) {
    case AX_FIELD_HOST:
        f->host = value;
        f->hosts++;
        break;
    case AX_FIELD_CONNECTION:
        read_connection(f, value);
        break;
    case AX_FIELD_CONTENT_LENGTH:
        f->length = value;
        f->lengths++;
        break;
    case AX_FIELD_TRANSFER_ENCODING:
        f->coding = value;
        f->codings++;
        break;
    case AX_FIELD_EXPECT:
        read_expect(h, f, value);
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
        chunked += is_lower(coding, AX_STR("chunked"));
        empty += coding.n == 0;
    }
    if (chunked == 1 && !empty && is_lower(coding, AX_STR("chunked")))
        return refuse(why, 501, "transfer coding not supported");
    return refuse(why, 400, "Transfer-Encoding is not chunked");
}

/* Of digits alone, and no HT behind them, which parsers take for different things: llhttp refuses it too. */
static bool read_length(struct ax_head *h, struct ax_str value)
{
    const char *p = value.p + value.n;

    while (*p == ' ')
        p++;
    return *p != '\t' && ax_str_u64(value, &h->content_length);
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
        if (!is_lower(f->coding, AX_STR("chunked")))
            return refuse_coding(f->coding, why);
        h->chunked = true;
    }
    if (f->lengths > 1)
        return refuse(why, 400, "more than one Content-Length");
    if (f->lengths && !read_length(h, f->length))
        return refuse(why, 400, "malformed Content-Length");
    return true;
}

static inline bool host_ok(struct ax_host_seen *seen, struct ax_str host)
{
    if (AX_LIKELY(seen && host.n == seen->n && memcmp(host.p, seen->text, host.n) == 0))
        return true;
    if (!ax_authority_ok(host))
        return false;
    if (seen && host.n <= sizeof seen->text)
        memcpy(seen->text, host.p, seen->n = (unsigned char)host.n);
    return true;
}

/* 9112, 3.2: one Host under 1.1; the authority of an absolute-form target replaces it (3.2.2). */
static bool check_host(struct ax_head *h, const struct facts *f, struct ax_host_seen *seen,
                       struct ax_refusal *why)
{
    if (f->hosts > 1)
        return refuse(why, 400, "more than one Host");
    if (f->hosts == 0)
        return h->minor == 0 || refuse(why, 400, "Host is missing");
    if (!host_ok(seen, f->host))
        return refuse(why, 400, "malformed Host");
    if (h->host.n == 0)
        h->host = (struct ax_span){(uint16_t)(f->host.p - h->base), (uint16_t)f->host.n};
    return true;
}

static bool check_fields(struct ax_head *h, const struct facts *f, struct ax_host_seen *seen,
                         struct ax_refusal *why)
{
    h->keep_alive = !f->close && (h->minor || f->keep_alive); /* 9112, 9.3 */
    if (!check_host(h, f, seen, why) || !check_framing(h, f, why))
        return false;
    return !f->expect_unknown || refuse(why, 417, "expectation not supported");
}

/* ---- the pass over the bytes */

static bool all_token(const char *p, const char *end)
{
    while (p < end && ax_is_token(*p))
        p++;
    return p == end;
}

static bool malformed(struct reader *r)
{
    return refuse(r->why, 400, "malformed request head");
}

static bool check_method(struct reader *r, struct ax_str name)
{
    r->head->method = (uint8_t)ax_method_parse(name);
    if (AX_LIKELY(r->head->method < AX_OTHER_METHOD))
        return true;
    if (r->head->method == AX_OTHER_METHOD) /* PRI starts HTTP/2 and nothing else: RFC 9113, 3.4 */
        return !ax_str_eq(name, AX_STR("PRI")) || malformed(r);
    return all_token(name.p, name.p + name.n) ? refuse(r->why, 501, "unknown method")
                                              : refuse(r->why, 400, "malformed method");
}

/* Method, target and version; ax_head_scan has seen the two spaces and the version. */
static bool read_request_line(struct reader *r)
{
    const char *target = ax_find(r->start, r->start, r->end, AX_FIND_SPACE) + 1;
    const char *mark = NULL, *wrong = NULL, *p;
    struct ax_head *h = r->head;

    for (p = target; p < r->end; p++) {
        p = ax_find(r->start, p, r->end, AX_FIND_TARGET);
        if (p == r->end || *p == ' ')
            break;
        if (*p == '?')
            mark = mark ? mark : p;
        else if (!wrong)
            wrong = *p == '#' ? "fragment in the request target" : "white space in the request target";
    }
    r->at = p + 1 + VERSION_LEN + CRLF_LEN;
    if (AX_NEVER(target >= p || r->at > r->end))
        return malformed(r);
    h->method_name = (struct ax_span){0, (uint16_t)(target - 1 - r->start)};
    h->target = (struct ax_span){(uint16_t)(target - r->start), (uint16_t)(p - target)};
    h->minor = p[VERSION_LEN] == '1';
    if (!check_method(r, ax_head_str(h, h->method_name)))
        return false;
    wrong = wrong ? wrong : ax_target_parse(h, mark);
    return !wrong || refuse(r->why, 400, wrong);
}

/* Room for more fields than the h->nfields there are. */
static bool grow(struct reader *r)
{
    struct ax_head *h = r->head;
    unsigned cap = h->nfields ? h->nfields * 2u : FIELDS_FIRST;

    if (h->nfields >= r->max) {
        *r->why = (struct ax_refusal){431, "limits.header_count", "too many header fields"};
        return false;
    }
    if (cap > r->max)
        cap = r->max;
    struct ax_field *f = ax_arena_alloc(r->arena, cap * sizeof *f);
    if (!f)
        return refuse(r->why, 503, "out of memory");
    if (h->nfields)
        memcpy(f, h->fields, h->nfields * sizeof *f);
    h->fields = f;
    r->cap = cap;
    return true;
}

/* The value at p[0..stop) without the white space around it.  Bytes up to SP are HT and SP, and CR at `stop`.
 */
static inline struct ax_str trim(const char *p, const char *stop)
{
    p += *p == ' '; /* most have one, and nothing behind */
    if (AX_UNLIKELY((unsigned char)*p <= ' ' || (unsigned char)stop[-1] <= ' '))
        return p < stop ? ax_str_trim((struct ax_str){p, (size_t)(stop - p)}) : (struct ax_str){stop, 0};
    return (struct ax_str){p, (size_t)(stop - p)};
}

static bool read_lines(struct reader *r, const struct ax_head_lines *lines)
{
    struct ax_head *h = r->head;
    const char *base = r->start;
    uint64_t known = h->known;
    unsigned at = lines->start, n = h->nfields;

    for (const struct ax_head_line *l = lines->line, *stop = l + lines->n; l < stop; l++, n++) {
        const struct ax_str name = {base + at, l->colon - at};
        enum ax_field_name id = ax_field_name_of(name);
        if (id == AX_FIELD_OTHER && AX_UNLIKELY(!all_token(name.p, name.p + name.n)))
            return malformed(r); /* the names of the list are made of token characters */
        h->nfields = (uint16_t)n;
        if (AX_UNLIKELY(n == r->cap) && !grow(r))
            return false;
        struct ax_str value = trim(base + l->colon + 1, base + l->end);
        struct ax_field *f = &h->fields[n];
        f->name = (struct ax_span){(uint16_t)at, (uint16_t)name.n};
        f->value = (struct ax_span){(uint16_t)(value.p - base), (uint16_t)value.n};
        f->id = (uint16_t)id;
        known |= 1ull << id;
        id = meaning(id, name);
        if (read_here >> id & 1)
            read_field(h, &r->facts, id, value);
        at = l->end + CRLF_LEN;
    }
    h->nfields = (uint16_t)n;
    h->known = known;
    return true;
}

/* The lines of a head that came in pieces, or has too many for one search, are found once more. */
static bool find_and_read(struct reader *r, size_t start, size_t n)
{
    struct ax_head_lines lines = {.whole = false, .next = (uint32_t)start};

    while (!lines.whole) {
        size_t from = lines.next;
        ax_head_find_lines(r->start, from, n, &lines);
        if (AX_NEVER(!lines.whole && lines.n == 0))
            return malformed(r);
        if (!read_lines(r, &lines))
            return false;
    }
    return true;
}

bool ax_head_parse_lines(const char *copy, size_t n, const struct ax_head_limits *l,
                         const struct ax_head_lines *lines, struct ax_arena *a, struct ax_head *ret,
                         struct ax_refusal *ret_why)
{
    struct reader r = {
        .start = copy, .end = copy + n - CRLF_LEN, .head = ret, .arena = a, .why = ret_why, .max = l->fields};

    *ret = (struct ax_head){.base = copy, .bytes = (uint16_t)n};
    if (AX_NEVER(n > UINT16_MAX || n < HEAD_MIN))
        return malformed(&r);
    if (!read_request_line(&r))
        return false;
    bool found = lines && lines->whole;
    if (!(AX_LIKELY(found) ? read_lines(&r, lines) : find_and_read(&r, (size_t)(r.at - copy), n)))
        return false;
    return check_fields(ret, &r.facts, l->host_seen, ret_why);
}

bool ax_head_parse(const char *copy, size_t n, const struct ax_head_limits *l, struct ax_arena *a,
                   struct ax_head *ret, struct ax_refusal *ret_why)
{
    return ax_head_parse_lines(copy, n, l, NULL, a, ret, ret_why);
}

/* ---- looking fields up */

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
