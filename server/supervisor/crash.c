#include "supervisor/crash.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "supervisor/flights.h"
#include "supervisor/quarantine.h"
#include "supervisor/runner.h"
#include "supervisor/supervisor_private.h"

enum { TEXT_MAX = 2048, PATTERN_MAX = 512 };

static void accuse(const struct ax_runner *r)
{
    struct ax_route_name route;
    char method[AX_RECORD_METHOD + 1], pattern[PATTERN_MAX];

    if (!ax_flights_one_route(r->segment, &route))
        return;
    snprintf(method, sizeof method, "%.*s", (int)route.method.n, route.method.p);
    snprintf(pattern, sizeof pattern, "%.*s", (int)route.pattern.n, route.pattern.p);
    ax_quarantine_kill(r->s->quarantine, method, pattern, "crash");
}

void ax_crash_report(const struct ax_runner *r, int status, const char *how)
{
    struct ax_buf b = AX_BUF_INIT(TEXT_MAX);
    unsigned n = ax_flights_text(r->segment, &b);
    const char *running = n ? ax_buf_cstr(&b) : NULL;

    ax_log_error(&r->s->log, "the engine %s; it is started again%s%s", how, running ? "; was running: " : "",
                 running ? running : "");
    ax_supervisor_event(r->s, "crash", "the engine %s%s%s", how, running ? "; was running: " : "",
                        running ? running : "");
    ax_buf_fini(&b);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        accuse(r);
}
