#include <netinet/in.h>
#include <stdlib.h>

#include "base/assert.h"
#include "yardstick.h"

enum { BACKLOG = 1024 };

static void write_out(struct yard_conn *c)
{
    uv_buf_t out = uv_buf_init(c->out, c->out_n);

    uv_try_write((uv_stream_t *)&c->tcp, &out, 1);
    c->out_n = 0;
}

void yard_write_all(struct yard *y)
{
    while (y->unsent) {
        struct yard_conn *c = y->unsent;
        y->unsent = c->next_unsent;
        c->unsent = false;
        write_out(c);
    }
}

char *yard_conn_room(struct yard_conn *c)
{
    if (AX_UNLIKELY(c->out_n > YARD_OUT - YARD_RESPONSE))
        write_out(c);
    return c->out + c->out_n;
}

void yard_conn_wrote(struct yard_conn *c, uint32_t n)
{
    struct yard *y = c->yard;

    c->out_n += n;
    if (!c->unsent) {
        c->unsent = true;
        c->next_unsent = y->unsent;
        y->unsent = c;
    }
}

static void on_closed(uv_handle_t *h)
{
    struct yard_conn *c = h->data;

    if (c->reading)
        yard_request_put(c->yard, c->reading);
    free(c);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    const struct yard_conn *c = h->data;

    (void)suggested;
    *ret = uv_buf_init(c->yard->in, sizeof c->yard->in);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *in)
{
    struct yard_conn *c = stream->data;

    if (n < 0 || llhttp_execute(&c->parser, in->base, (size_t)n) != HPE_OK)
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct yard *y = AX_CAST(struct yard, listener->data, YARD_MAGIC);
    struct yard_conn *c = calloc(1, sizeof *c);

    AX_ASSERT(status == 0 && c);
    c->magic = YARD_CONN_MAGIC;
    c->yard = y;
    uv_tcp_init(y->loop, &c->tcp);
    c->tcp.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0) {
        uv_close((uv_handle_t *)&c->tcp, on_closed);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    llhttp_init(&c->parser, HTTP_REQUEST, &y->parser);
    c->parser.data = c;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void on_after_poll(uv_check_t *h)
{
    yard_run_batch(h->data);
}

static void on_before_poll(uv_prepare_t *h)
{
    yard_write_all(h->data);
}

int yard_listen(struct yard *y, int port)
{
    struct sockaddr_in a;
    int bytes = sizeof a;

    uv_ip4_addr("127.0.0.1", port, &a);
    uv_tcp_init(y->loop, &y->listener);
    y->listener.data = y->after_poll.data = y->before_poll.data = y;
    int rc = uv_tcp_bind(&y->listener, (const struct sockaddr *)&a, 0); /* sets SO_REUSEADDR */
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&y->listener, BACKLOG, on_connection);
    if (rc == 0)
        rc = uv_tcp_getsockname(&y->listener, (struct sockaddr *)&a, &bytes);
    if (rc < 0)
        return rc;
    uv_check_init(y->loop, &y->after_poll);
    uv_check_start(&y->after_poll, on_after_poll);
    uv_prepare_init(y->loop, &y->before_poll);
    uv_prepare_start(&y->before_poll, on_before_poll);
    return ntohs(a.sin_port);
}
