#include "supervisor/systemd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "supervisor/notify.h"
#include "supervisor/supervisor_private.h"

enum { SYSTEMD_MAGIC = 0x53595344, STATUS_MAX = 600 };
enum { EXTEND_EVERY_MS = 5000, EXTEND_BY_US = 20000000 };

struct ax_systemd {
    uint32_t magic;
    struct ax_supervisor *s;
    struct ax_notify notify;
    uv_timer_t watchdog, extend;
    unsigned open; /* handles to close before freeing */
    bool failing;  /* the last message did not get through: said once */
};

/* ---- sending */
static void sent(struct ax_systemd *d, int rc, const struct ax_err *err)
{
    if (rc < 0 && !d->failing)
        ax_log_warn(&d->s->log, "%s", err->msg);
    d->failing = rc < 0;
}

/* One line: what it quotes may come from anywhere. */
static const char *status_line(const struct ax_supervisor *s, const char *why, char out[STATUS_MAX])
{
    unsigned ready = 0;

    for (unsigned i = 0; i < s->gen->engines && i < s->nslots; i++)
        ready += ax_slot_serves(s->slots[i]);
    int n = snprintf(out, STATUS_MAX, "%s: generation %u, engines: %u of %u ready, workers: %u",
                     ax_phase_name(s), s->gen->number, ready, s->gen->engines, s->gen->workers);
    if (why && n > 0 && n < STATUS_MAX)
        snprintf(out + n, STATUS_MAX - (size_t)n, "; the last reload failed: %s", why);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    return out;
}

static void tell(struct ax_systemd *d, const char *what, const char *why)
{
    char status[STATUS_MAX];
    struct ax_err err = {0};

    int rc = ax_notify_send(&d->notify, &err, "%s%sSTATUS=%s", what, *what ? "\n" : "",
                            status_line(d->s, why, status));
    sent(d, rc, &err);
}

/* ---- timers */
static struct ax_systemd *of_timer(const uv_timer_t *t)
{
    return AX_CAST(struct ax_systemd, t->data, SYSTEMD_MAGIC);
}

static void on_watchdog(uv_timer_t *t)
{
    struct ax_systemd *d = of_timer(t);
    struct ax_err err = {0};

    if (d->s->phase == AX_RUNNING && !ax_admin_live(d->s->admin))
        return;
    int rc = ax_notify_send(&d->notify, &err, "WATCHDOG=1");
    sent(d, rc, &err);
}

static bool takes_time(const struct ax_supervisor *s)
{
    return s->phase != AX_RUNNING || s->reload;
}

static void on_extend(uv_timer_t *t)
{
    struct ax_systemd *d = of_timer(t);
    struct ax_err err = {0};

    if (!takes_time(d->s)) {
        uv_timer_stop(t);
        return;
    }
    int rc = ax_notify_send(&d->notify, &err, "EXTEND_TIMEOUT_USEC=%d", EXTEND_BY_US);
    sent(d, rc, &err);
}

static void extend(struct ax_systemd *d)
{
    uv_timer_start(&d->extend, on_extend, 0, EXTEND_EVERY_MS);
}

/* ---- the app's life */
void ax_systemd_ready(struct ax_supervisor *s)
{
    char what[64];

    if (!s->systemd)
        return;
    snprintf(what, sizeof what, "READY=1\nMAINPID=%ld", (long)getpid());
    tell(s->systemd, what, NULL);
}

void ax_systemd_reloading(struct ax_supervisor *s)
{
    char what[64];

    if (!s->systemd)
        return;
    /* notify-reload: systemd waits for a time that is not before it asked (sd_notify(3)) */
    snprintf(what, sizeof what, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, ax_mono_now().us);
    tell(s->systemd, what, NULL);
    extend(s->systemd);
}

void ax_systemd_reloaded(struct ax_supervisor *s, const char *why)
{
    if (s->systemd)
        tell(s->systemd, "READY=1", why);
}

void ax_systemd_stopping(struct ax_supervisor *s)
{
    if (!s->systemd)
        return;
    tell(s->systemd, "STOPPING=1", NULL);
    extend(s->systemd);
}

void ax_systemd_status(struct ax_supervisor *s)
{
    if (s->systemd)
        tell(s->systemd, "", NULL);
}

/* ---- life */
static int start_watchdog(struct ax_systemd *d, struct ax_err *reterr)
{
    uint64_t ms = (uint64_t)d->notify.watchdog_us / 2000;

    if (d->notify.watchdog_us == 0)
        return 0;
    int rc = ax_admin_watch(d->s->admin, reterr);
    if (rc == 0)
        uv_timer_start(&d->watchdog, on_watchdog, 0, ms ? ms : 1);
    return rc;
}

int ax_systemd_open(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_notify_env env = {getenv("NOTIFY_SOCKET"), getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")};
    struct ax_notify n;
    struct ax_err why = {0};
    int rc = ax_notify_open(&env, &n, &why);

    if (rc < 0)
        ax_log_warn(&s->log, "systemd is not told anything: %s", why.msg);
    if (rc <= 0)
        return 0;
    struct ax_systemd *d = ax_calloc(1, sizeof *d);
    if (!d) {
        ax_notify_close(&n);
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    *d = (struct ax_systemd){.magic = SYSTEMD_MAGIC, .s = s, .notify = n, .open = 2};
    uv_timer_init(&s->loop, &d->watchdog);
    uv_timer_init(&s->loop, &d->extend);
    d->watchdog.data = d->extend.data = d;
    s->systemd = d;
    ax_systemd_status(s);
    extend(d);
    return start_watchdog(d, reterr);
}

static void on_closed(uv_handle_t *h)
{
    struct ax_systemd *d = AX_CAST(struct ax_systemd, h->data, SYSTEMD_MAGIC);

    if (--d->open > 0)
        return;
    ax_notify_close(&d->notify);
    d->magic = 0;
    ax_free(d);
}

void ax_systemd_close(struct ax_supervisor *s)
{
    struct ax_systemd *d = s->systemd;

    s->systemd = NULL;
    if (!d)
        return;
    uv_close((uv_handle_t *)&d->watchdog, on_closed);
    uv_close((uv_handle_t *)&d->extend, on_closed);
}
