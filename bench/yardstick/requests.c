#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "yardstick.h"

static struct yard_request *request_get(struct yard *y, struct yard_conn *c)
{
    AX_ASSERT(y->first_free < YARD_REQUESTS);
    struct yard_request *r = &y->requests[y->first_free];
    y->first_free = r->next_free;
    r->conn = c;
    r->used = r->nfields = 0;
    r->body_n = 0;
    return r;
}

void yard_request_put(struct yard *y, struct yard_request *r)
{
    r->conn = NULL;
    r->next_free = y->first_free;
    y->first_free = (uint32_t)(r - y->requests);
}

static struct yard_text keep(struct yard_request *r, const char *p, size_t n)
{
    if (r->used + n > sizeof r->head)
        n = 0;
    struct yard_text kept = {r->used, (uint16_t)n};
    memcpy(r->head + r->used, p, n);
    r->used = (uint16_t)(r->used + n);
    return kept;
}

static struct yard_request *reading(llhttp_t *parser)
{
    const struct yard_conn *c = parser->data;

    return c->reading;
}

static int on_begin(llhttp_t *parser)
{
    struct yard_conn *c = AX_CAST(struct yard_conn, parser->data, YARD_CONN_MAGIC);

    c->reading = request_get(c->yard, c);
    return 0;
}

static int on_target(llhttp_t *parser, const char *p, size_t n)
{
    struct yard_request *r = reading(parser);

    r->target = keep(r, p, n);
    return 0;
}

static int on_name(llhttp_t *parser, const char *p, size_t n)
{
    struct yard_request *r = reading(parser);

    if (r->nfields < YARD_FIELDS)
        r->fields[r->nfields++].name = keep(r, p, n);
    return 0;
}

static int on_value(llhttp_t *parser, const char *p, size_t n)
{
    struct yard_request *r = reading(parser);

    if (r->nfields)
        r->fields[r->nfields - 1].value = keep(r, p, n);
    return 0;
}

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
    struct yard_request *r = reading(parser);

    if (r->body_n + n > r->body_cap) {
        r->body_cap = (r->body_n + n) * 2;
        r->body = realloc(r->body, r->body_cap);
        AX_ASSERT(r->body);
    }
    memcpy(r->body + r->body_n, p, n);
    r->body_n += n;
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct yard_conn *c = parser->data;
    struct yard *y = c->yard;

    y->batch[1 + y->nbatch++] = (uint32_t)(c->reading - y->requests);
    c->reading = NULL;
    if (y->nbatch == YARD_BATCH)
        yard_run_batch(y);
    return 0;
}

void yard_requests_init(struct yard *y)
{
    y->requests = calloc(YARD_REQUESTS, sizeof *y->requests);
    AX_ASSERT(y->requests);
    for (uint32_t i = 0; i < YARD_REQUESTS; i++)
        y->requests[i].next_free = i + 1;
    llhttp_settings_init(&y->parser);
    y->parser.on_message_begin = on_begin;
    y->parser.on_url = on_target;
    y->parser.on_header_field = on_name;
    y->parser.on_header_value = on_value;
    y->parser.on_body = on_body;
    y->parser.on_message_complete = on_complete;
}
