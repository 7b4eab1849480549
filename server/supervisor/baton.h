/* supervisor/baton.h - what one program of this process leaves to the next (upgrade.h): JSON that names
 * descriptors by number, and those descriptors, which stay open over exec.  upgrade.c writes it, adopt.c
 * reads it; here is how single values are written and read.  Thread: the supervisor's main thread. */
#ifndef AX_SUPERVISOR_BATON_H
#define AX_SUPERVISOR_BATON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/totals.h"
#include "supervisor/sockets.h"

/* Another number when a key changes its meaning: programs of different formats leave each other nothing. */
enum { AX_BATON_FORMAT = 1 };

struct ax_baton { /* descriptors that go over; a zeroed one is empty */
    int *fds;     /* OWNED, the descriptors are BORROWED */
    unsigned n, cap;
    bool failed; /* out of memory */
};

/* ---- writing.  References to JSON are the caller's; NULL = out of memory, which jansson passes on. */
json_t *ax_baton_fd(struct ax_baton *b, int fd); /* notes it; -1 stays -1 */
json_t *ax_baton_text(const char *text);         /* NULL becomes null */
json_t *ax_baton_bytes(struct ax_str s);         /* any bytes, as hexadecimal */
json_t *ax_baton_sockets(struct ax_baton *b, const struct ax_sockets *s);
json_t *ax_baton_totals(const struct ax_totals *t);
/* Whether the noted descriptors survive exec; false if one does not let itself be changed. */
bool ax_baton_hold(const struct ax_baton *b, bool over_exec);
void ax_baton_fini(struct ax_baton *b);

/* ---- reading: what is absent is 0, NULL, -1, nothing */
int64_t ax_baton_number(const json_t *o, const char *key);
int ax_baton_take_fd(const json_t *o, const char *key); /* OWNED; close-on-exec from now on */
/* OWNED; NULL is also what a null becomes: *nomem tells it apart, and is left alone otherwise. */
char *ax_baton_dup(const json_t *o, const char *key, bool *nomem);
struct ax_str ax_baton_take_bytes(const json_t *o, const char *key); /* OWNED: ax_free(p) */
int ax_baton_take_sockets(const json_t *list, struct ax_sockets *ret, struct ax_err *reterr);
int ax_baton_take_totals(const json_t *o, struct ax_totals *t, struct ax_err *reterr);

#endif
