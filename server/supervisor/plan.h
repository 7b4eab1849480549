/* supervisor/plan.h - the plan: what the engine has to do, as one JSON text in a sealed memfd
 * (addon/plan.d.ts). Thread: the supervisor's main thread, or the caller of ax_check_run. */
#ifndef AX_SUPERVISOR_PLAN_H
#define AX_SUPERVISOR_PLAN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "config/manifest.h"
#include "net/settings.h"
#include "supervisor/sockets.h"

struct ax_plan_input {
    const struct ax_manifest *manifest;
    unsigned generation, workers; /* workers: in all, of every engine */
    unsigned engines, slot;       /* how many there are (0 counts as 1), and which of them this is */
    bool first;                   /* the app is starting: whatever fails in this engine fails it */
    bool hold;                    /* another engine serves: accept nothing before all workers are ready */
    bool dev, page, color;        /* actix dev: see plan.d.ts; color: lines of requests are coloured */
    const char *inspect;          /* HOST:PORT; NULL = no debugger */
    int64_t connections;          /* limits.connections, maybe lowered; AX_OFF */
    enum ax_log_format format, access_format; /* resolved, never AUTO */
    const struct ax_sockets *sockets;         /* NULL = none (check) */
    int first_fd; /* the sockets' descriptors in the engine are first_fd, first_fd + 1 ... */
    int segment_fd, mailbox_fd, board_fd; /* their numbers in the engine; -1 = none */
};

/* The numbers of the core, by the manifest. */
void ax_plan_settings(const struct ax_plan_input *in, struct ax_settings *ret);
/* The text; OWNED by the caller (ax_free), NULL with *reterr. */
char *ax_plan_text(const struct ax_plan_input *in, struct ax_err *reterr);
/* A sealed memfd that holds the text, its offset at 0; OWNED by the caller.  Or -code. */
int ax_plan_memfd(const struct ax_plan_input *in, struct ax_err *reterr);

/* server.workers: auto resolved; `option` > 0 wins. */
unsigned ax_plan_workers(const struct ax_manifest *m, unsigned option);
/* The level and formats that the manifest's words mean; AUTO stays AUTO. */
enum ax_log_level ax_log_level_of(const char *name);
enum ax_log_format ax_log_format_of(const char *name);
/* A file of log.output or log.access: absolute, relative ones start at the manifest's folder; "stderr",
 * "stdout" and "off" stay.  NULL means off.  OWNED, NULL = out of memory. */
char *ax_log_target(const struct ax_manifest *m, const char *output);

/* limits.heap in megabytes of V8's old generation; 0 = its own choice. */
int64_t ax_plan_heap_mb(const struct ax_manifest *m);

#endif
