/* The only file that knows llhttp.  Its settings are constant tables; a parser lives on the stack for a head
 * and in the body reader for a chunked body. */
#include "http/parser.h"

#include <llhttp.h>
#include <string.h>

#include "base/assert.h"

_Static_assert(sizeof(llhttp_t) <= AX_PARSER_BYTES, "AX_PARSER_BYTES is too small for this llhttp");

enum { FIELDS_FIRST = 16 };

struct head_run {
    const char *base;
    struct ax_arena *arena;
    struct ax_head *head;
    struct ax_refusal *why;
    const char *end;  /* of the head, its last CRLFCRLF included */
    const char *name; /* of the field being read; NULL before the first */
    size_t name_n;
    unsigned cap, max;
    bool complete;
};

static bool refuse(struct ax_refusal *why, unsigned status, const char *limit, const char *text)
{
    *why = (struct ax_refusal){status, limit, text};
    return false;
}

static bool grow(struct head_run *r)
{
    unsigned cap = r->cap ? r->cap * 2 : FIELDS_FIRST;

    if (r->cap >= r->max)
        return refuse(r->why, 431, "limits.header_count", "too many header fields");
    if (cap > r->max)
        cap = r->max;
    struct ax_field *f = ax_arena_alloc(r->arena, cap * sizeof *f);

    if (!f)
        return refuse(r->why, 503, NULL, "out of memory");
    if (r->head->nfields)
        memcpy(f, r->head->fields, r->head->nfields * sizeof *f);
    r->head->fields = f;
    r->cap = cap;
    return true;
}

/* The field whose name came last ends at `end`, before its CRLF.  Its value is what is between, trimmed:
 * lines and colons are where ax_head_scan found them, so llhttp need not report values. */
static int store(struct head_run *r, const char *end)
{
    struct ax_head *h = r->head;
    const char *v = r->name + r->name_n + 1;

    if (AX_UNLIKELY(v > end || v[-1] != ':'))
        return HPE_USER;
    if (AX_UNLIKELY(h->nfields == r->cap) && !grow(r))
        return HPE_USER;
    while (v < end && (*v == ' ' || *v == '\t'))
        v++;
    while (v < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    enum ax_field_name id = ax_field_name_of((struct ax_str){r->name, r->name_n});
    h->known |= 1ull << id;
    h->fields[h->nfields++] = (struct ax_field){
        {(uint16_t)(r->name - r->base), (uint16_t)r->name_n},
        {(uint16_t)(v - r->base), (uint16_t)(end - v)},
        (uint16_t)id,
    };
    return 0;
}

/* One call a field: the name is in one piece, since the bytes are. */
static int on_name(llhttp_t *p, const char *at, size_t n)
{
    struct head_run *r = p->data;
    int rc = r->name ? store(r, at - 2) : 0;

    r->name = at;
    r->name_n = n;
    return rc;
}

/* 1 makes llhttp end the message here: bodies are read by body.c. */
static int on_head_complete(llhttp_t *p)
{
    struct head_run *r = p->data;

    if (r->name && store(r, r->end - 4) != 0)
        return -1;
    r->complete = true;
    return 1;
}

static const llhttp_settings_t head_settings = {
    .on_header_field = on_name,
    .on_headers_complete = on_head_complete,
};

static bool has_high(struct ax_str s)
{
    unsigned char any = 0;

    for (size_t i = 0; i < s.n; i++)
        any |= (unsigned char)s.p[i];
    return any & 0x80;
}

/* Strict llhttp refuses bytes >= 0x80 in the target.  They are path.c's to judge, so such a target is passed
 * over and a '/' takes its place; target.c has checked it. */
static llhttp_errno_t execute(llhttp_t *p, const char *copy, size_t n, struct ax_span target)
{
    if (AX_LIKELY(!has_high((struct ax_str){copy + target.off, target.n})))
        return llhttp_execute(p, copy, n);
    size_t after = (size_t)target.off + target.n;
    llhttp_errno_t e = llhttp_execute(p, copy, target.off);
    if (e == HPE_OK)
        e = llhttp_execute(p, "/", 1);
    return e == HPE_OK ? llhttp_execute(p, copy + after, n - after) : e;
}

bool ax_parser_head(const char *copy, size_t n, unsigned max_fields, struct ax_arena *a, struct ax_head *ret,
                    struct ax_refusal *ret_why)
{
    struct head_run r = {
        .base = copy, .end = copy + n, .arena = a, .head = ret, .why = ret_why, .max = max_fields};
    llhttp_t p;

    ret->fields = NULL;
    ret->nfields = 0;
    refuse(ret_why, 400, NULL, "malformed request head");
    llhttp_init(&p, HTTP_REQUEST, &head_settings);
    p.data = &r;
    /* PAUSED_UPGRADE: an Upgrade is asked for, and ignored. */
    llhttp_errno_t e = execute(&p, copy, n, ret->target);
    return (e == HPE_OK || e == HPE_PAUSED_UPGRADE) && r.complete;
}

/* ---- chunked bodies */

static int on_size(llhttp_t *p)
{
    struct ax_chunk_events *ev = p->data;

    ev->header = true;
    ev->size = p->content_length;
    return 0;
}

static int on_data(llhttp_t *p, const char *at, size_t n)
{
    struct ax_chunk_events *ev = p->data;

    if (ev->sink(ev->ctx, at, n))
        return 0;
    ev->full = true;
    return HPE_USER;
}

static int on_end(llhttp_t *p)
{
    struct ax_chunk_events *ev = p->data;

    ev->end = true;
    return 0;
}

static const llhttp_settings_t chunk_settings = {
    .on_chunk_header = on_size,
    .on_body = on_data,
    .on_message_complete = on_end,
};

/* llhttp has no entry for a body alone: it is given a head that leads to one. */
void ax_parser_chunk_init(struct ax_chunk_parser *c)
{
    static const char lead[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    llhttp_t p;

    llhttp_init(&p, HTTP_REQUEST, &chunk_settings);
    llhttp_errno_t e = llhttp_execute(&p, lead, sizeof lead - 1);
    AX_ASSERT(e == HPE_OK);
    memcpy(c->state, &p, sizeof p);
}

bool ax_parser_chunk(struct ax_chunk_parser *c, const char *at, size_t n, struct ax_chunk_events *ev)
{
    llhttp_t p;

    ev->header = ev->end = ev->full = false;
    memcpy(&p, c->state, sizeof p);
    p.data = ev;
    llhttp_errno_t e = llhttp_execute(&p, at, n);
    p.data = NULL;
    memcpy(c->state, &p, sizeof p);
    return e == HPE_OK;
}
