/* loader/answer.h - where one HTTP/1.1 response ends (RFC 9112, 6.3) and whether it is framed rightly.
 * Bytes of a body are passed over, never kept.  A head that is byte for byte the one before it is not taken
 * apart again: servers send the same head until the second of its Date changes.
 * Thread: a reader belongs to one connection, a memo to one thread.  No memory is allocated. */
#ifndef AX_BENCH_LOADER_ANSWER_H
#define AX_BENCH_LOADER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AX_ANSWER_HEAD_MAX = 16384, /* bytes of a head, and of what may stay unread in front of a recv */
    AX_ANSWER_MEMO = 512,       /* heads longer than this are taken apart each time */
};

/* What a head says about the bytes behind it. */
struct ax_framing {
    unsigned status;
    bool has_length, chunked, closes;
    uint64_t length; /* of the body, bytes */
};

struct ax_answer_memo {
    size_t n; /* 0 = empty */
    struct ax_framing framing;
    char head[AX_ANSWER_MEMO];
};

enum ax_answer_at { AX_AT_HEAD, AX_AT_BODY, AX_AT_SIZE, AX_AT_CHUNK, AX_AT_CHUNK_END, AX_AT_TRAILER };
/* All zero: before the first byte of a response. */
struct ax_answer_reader {
    enum ax_answer_at at;
    bool no_body;  /* the request was HEAD: set by the caller, kept between responses */
    uint64_t left; /* bytes of this body or chunk still to come */
    struct ax_framing framing;
};

enum ax_answer {
    AX_ANSWER_MORE,  /* *ret_used bytes are done with; show the rest again with more behind it */
    AX_ANSWER_DONE,  /* the response ends after *ret_used bytes; framing says status and closes */
    AX_ANSWER_BROKEN /* not HTTP/1.x, or nobody can tell where it ends */
};

/* Interim responses (1xx) are passed over.  A response that ends with its connection counts as broken: the
 * loader asks for connections that stay open. */
enum ax_answer ax_answer_read(struct ax_answer_reader *r, struct ax_answer_memo *memo, const char *p,
                              size_t n, size_t *ret_used);

#endif
