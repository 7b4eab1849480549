/* net/out.h - bytes on their way out: a chain of blocks.  Small responses are appended to 4 KiB blocks from
 * the worker's pool; large bodies are linked in by reference.  An empty chain owns nothing, so an idle
 * connection costs no buffer. Thread: the worker's own. */
#ifndef AX_NET_OUT_H
#define AX_NET_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/pool.h"

enum { AX_OUT_BLOCK = 4096, AX_OUT_FILE_TURN = 1 << 20 };

struct ax_chunk {
    struct ax_chunk *next;
    union {
        const char *data;
        int64_t file_at; /* file: where in it the bytes begin */
    };
    size_t len, off;              /* bytes there, bytes already sent */
    size_t cap;                   /* of a block; 0 = data belongs to somebody else */
    void (*release)(void *owner); /* called when the bytes are out or lost; NULL = none */
    bool (*lent)(void *owner);    /* asked before each write: are the bytes still there?  NULL = they are */
    void *owner;
    bool pooled;
    bool file; /* the bytes are in `fd`, which is open until `release` */
    int fd;
};
struct ax_out {
    struct ax_chunk *head, *tail;
    size_t bytes; /* not sent yet */
};

/* Room for `want` bytes behind what is there, *ret_room says how many fit; NULL = out of memory.  Then _grow.
 */
char *ax_out_room(struct ax_out *o, struct ax_pool *blocks, size_t want, size_t *ret_room);
void ax_out_grow(struct ax_out *o, size_t n);
/* Links bytes in without a copy; false = out of memory (release was not called). */
bool ax_out_link(struct ax_out *o, const char *p, size_t n, void (*release)(void *), bool (*lent)(void *),
                 void *owner);
/* The same for n bytes of a file from `at` on; fd is BORROWED until `release`. */
bool ax_out_file(struct ax_out *o, int fd, int64_t at, size_t n, void (*release)(void *), void *owner);
/* Moves all of `from` behind `to`. */
void ax_out_splice(struct ax_out *to, struct ax_out *from);
/* Fills at most max vectors with the first bytes; returns how many, or -1 when bytes that were lent have been
 * taken away: the connection can only end.  Ends before a file: 0 = a file is next. */
int ax_out_vec(const struct ax_out *o, struct iovec *v, int max);
/* Sends from the file that is next, at most AX_OUT_FILE_TURN bytes; as send(2), but 0 = the file has become
 * shorter than was promised: the connection can only end. */
ssize_t ax_out_send_file(const struct ax_out *o, int sock);
/* n bytes were sent: drops them. */
void ax_out_sent(struct ax_out *o, struct ax_pool *blocks, size_t n);
void ax_out_clear(struct ax_out *o, struct ax_pool *blocks);

#endif
