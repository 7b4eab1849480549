/* supervisor/message.h - what an engine says (FromEngine of addon/plan.d.ts), decoded.  Thread: any. */
#ifndef AX_SUPERVISOR_MESSAGE_H
#define AX_SUPERVISOR_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum ax_message_type {
    AX_MSG_READY,
    AX_MSG_FAILED,
    AX_MSG_EVENT,
    AX_MSG_WORKERS,
    AX_MSG_DRAINED,
    AX_MSG_KILLED,
    AX_MSG_RENEW,
    AX_MSG_NOT_ACCEPTING,
    AX_MSG_FILES,
};

struct ax_message_error {
    const char *file; /* NULL = no place */
    unsigned line, col;
    const char *text;
};
struct ax_message_worker {
    unsigned id, restarts;
    char state[16]; /* starting ready draining gone */
};
enum { AX_MESSAGE_ERRORS = 64, AX_MESSAGE_WORKERS = 1024, AX_MESSAGE_FILES = 4096 };

struct ax_message {
    enum ax_message_type type;
    unsigned zombies;               /* WORKERS: threads that were given up and have not ended */
    const char *method, *pattern;   /* KILLED; BORROWED; both NULL: nobody can tell the route */
    const char *why;                /* KILLED, RENEW; BORROWED */
    unsigned workers;               /* READY; WORKERS: entries of worker[] */
    struct ax_message_error *error; /* FAILED; OWNED array, BORROWED strings */
    size_t nerrors;
    bool shown;        /* FAILED: it has printed them itself (actix dev) */
    bool broken;       /* READY: what answers is a page that says why the code does not load (actix dev) */
    const char **file; /* FILES: what was loaded; OWNED array, BORROWED strings */
    size_t nfiles;
    const char *kind, *text;          /* EVENT; BORROWED */
    int id;                           /* EVENT: worker, -1 = none */
    struct ax_message_worker *worker; /* WORKERS; OWNED */
    struct json_t *json;              /* OWNED: holds the BORROWED strings */
};

/* One line, without its end.  -AX_E_PROTO for what is no message; *ret wants ax_message_fini only after 0. */
int ax_message_parse(struct ax_str line, struct ax_message *ret, struct ax_err *reterr);
void ax_message_fini(struct ax_message *m);

#endif
