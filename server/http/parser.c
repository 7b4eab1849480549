/* The only file that knows llhttp.  Its settings are a constant table; a parser lives in the body reader. */
#include "http/parser.h"

#include <llhttp.h>
#include <string.h>

#include "base/assert.h"

_Static_assert(sizeof(llhttp_t) <= AX_PARSER_BYTES, "AX_PARSER_BYTES is too small for this llhttp");

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
