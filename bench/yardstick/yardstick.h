/* yardstick/yardstick.h - how fast the server's way of taking a request can be at all, on the machine at
 * hand. llhttp on Node's own loop; the requests that became complete in a turn go into JavaScript in one
 * call, each is answered by one native call, and each connection is written once.  Nothing else is done: no
 * limits, no timeouts, no routing, one worker, a fixed Date, responses that do not fit a socket's buffer are
 * cut off. It is a measure, not a server, and must not grow. Thread: all of it runs on the JavaScript thread.
 */
#ifndef AX_BENCH_YARDSTICK_H
#define AX_BENCH_YARDSTICK_H

#include <stdbool.h>
#include <stdint.h>

#include <llhttp.h>
#include <node_api.h>
#include <uv.h>

enum {
    YARD_REQUESTS = 4096, /* read or in JavaScript at once; one more is an abort */
    YARD_FIELDS = 32,     /* further ones are dropped */
    YARD_HEAD = 2048,     /* bytes of target, names and values; what does not fit is empty */
    YARD_BATCH = 256,
    YARD_OUT = 16384, /* bytes to write on a connection */
    YARD_RESPONSE = 4096,
    YARD_READ = 65536,
};
#define YARD_MAGIC      0x59617264u
#define YARD_CONN_MAGIC 0x59436f6eu

struct yard_text {
    uint16_t at, n; /* in `head` */
};

/* From the first byte of its head to its response.  JavaScript knows it by its index. */
struct yard_request {
    uint32_t next_free;
    struct yard_conn *conn;
    uint16_t used, nfields;
    struct yard_text target;
    struct {
        struct yard_text name, value;
    } fields[YARD_FIELDS];
    char head[YARD_HEAD];
    char *body; /* kept for the next request in this place */
    size_t body_n, body_cap;
};

struct yard_conn {
    uv_tcp_t tcp;
    uint32_t magic;
    bool unsent;
    uint32_t out_n;
    struct yard *yard;
    llhttp_t parser;
    struct yard_request *reading; /* NULL between requests */
    struct yard_conn *next_unsent;
    char out[YARD_OUT];
};

struct yard {
    uint32_t magic, first_free, nbatch;
    uint32_t *batch; /* shared with JavaScript: how many, then their indices */
    struct yard_request *requests;
    struct yard_conn *unsent;
    napi_env env;
    napi_ref dispatch, self;
    napi_async_context context;
    llhttp_settings_t parser;
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_check_t after_poll;
    uv_prepare_t before_poll;
    char in[YARD_READ];
};

/* requests.c: the table and what llhttp says. */
void yard_requests_init(struct yard *y);
void yard_request_put(struct yard *y, struct yard_request *r);
/* loop.c: sockets.  Returns the port. */
int yard_listen(struct yard *y, int port);
/* The YARD_RESPONSE bytes that the next response of `c` may fill. */
char *yard_conn_room(struct yard_conn *c);
void yard_conn_wrote(struct yard_conn *c, uint32_t n);
void yard_write_all(struct yard *y);
/* addon.c: one call into JavaScript for all that is in the batch, then a write per connection. */
void yard_run_batch(struct yard *y);

#endif
