/* loader/options.h - the command line, and the request that it describes.
 * Thread: read-only once parsed. */
#ifndef AX_BENCH_LOADER_OPTIONS_H
#define AX_BENCH_LOADER_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/err.h"

struct ax_load_options {
    struct sockaddr_storage addr;
    socklen_t addr_bytes;
    double seconds, warmup; /* recorded, and before that */
    unsigned connections, pipeline, threads, idle;
    bool json, help;
    bool head;          /* the method is HEAD: responses have no body */
    bool close_asked;   /* a header said Connection: close: then a closed connection is no error */
    struct ax_buf one;  /* a request, OWNED */
    struct ax_buf send; /* `pipeline` of them, OWNED */
};

/* 0, or a negative code with the reason.  *ret is OWNED by the caller either way: ax_load_options_fini. */
int ax_load_options_parse(int argc, char **argv, struct ax_load_options *ret, struct ax_err *reterr);
void ax_load_options_fini(struct ax_load_options *o);
void ax_load_help(FILE *out);

#endif
