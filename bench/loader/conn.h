/* loader/conn.h - one connection of the load: opened, written to, read from, opened again.
 * Two system calls a round: a send of all its requests and a recv of their answers; epoll is told only when a
 * socket is opened or has no room.  Sockets are blocking, and each call on them says MSG_DONTWAIT.
 * Thread: a connection belongs to one worker, as do the tally, the memo and the read buffer it uses. */
#ifndef AX_BENCH_LOADER_CONN_H
#define AX_BENCH_LOADER_CONN_H

#include "answer.h"
#include "base/buf.h"
#include "base/err.h"
#include "latency.h"
#include "options.h"

enum { AX_LOAD_READ_BYTES = 65536 };
#define AX_LOAD_CONN_MAGIC 0x4c436f6eu

struct ax_load_tally {
    uint64_t requests; /* answers within the recorded time */
    uint64_t unrecorded;
    uint64_t bytes, errors, non2xx; /* within the recorded time; errors at any time */
    struct ax_latency latency;      /* of writes within the recorded time */
};

/* What the connections of one thread share. */
struct ax_load_share {
    const struct ax_load_options *o; /* BORROWED */
    int epoll;
    bool recording;
    int64_t now_ns, begin_ns; /* of the recorded time: samples begin there */
    struct ax_load_tally tally;
    struct ax_answer_memo memo;
    char in[AX_ANSWER_HEAD_MAX + AX_LOAD_READ_BYTES];
};

struct ax_load_conn {
    uint32_t magic;
    int fd;           /* -1 = lost, to be opened again */
    bool blocked;     /* epoll tells when the socket has room */
    unsigned pending; /* answers to come */
    size_t sent;      /* bytes of this round's requests */
    int64_t start_ns; /* of this round */
    struct ax_answer_reader reader;
    struct ax_buf rest; /* the beginning of a head or a line, for the next recv; OWNED */
};

enum ax_load_state {
    AX_LOAD_WAITING,    /* for answers, or for room to write */
    AX_LOAD_ROUND_DONE, /* all answers are there: write again, or leave it */
    AX_LOAD_LOST        /* closed; an error is counted unless the client asked for it */
};

int64_t ax_load_now_ns(void);

void ax_load_conn_init(struct ax_load_conn *c, bool head);
/* Connects and joins the epoll set. */
int ax_load_conn_open(struct ax_load_conn *c, const struct ax_load_share *s, struct ax_err *reterr);
void ax_load_conn_close(struct ax_load_conn *c);
void ax_load_conn_fini(struct ax_load_conn *c);

/* Starts a round, at s->now_ns. */
enum ax_load_state ax_load_conn_write(struct ax_load_conn *c, struct ax_load_share *s);
/* Acts on what epoll said. */
enum ax_load_state ax_load_conn_ready(struct ax_load_conn *c, struct ax_load_share *s, uint32_t events);

/* One request and its answer, waiting for both: a silent connection.  Its socket joins no epoll set. */
int ax_load_conn_idle(struct ax_load_conn *c, struct ax_load_share *s, struct ax_err *reterr);
/* The server has closed it, or sent what nobody asked for. */
bool ax_load_conn_is_dead(const struct ax_load_conn *c);

#endif
