/* The control socket: bytes into the real thing.  Every answer is one line of JSON, a client that breaks the
 * rules is dropped, and the pieces in which the bytes come change nothing. */
#include <errno.h>
#include <jansson.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "supervisor/control.h"
#include "supervisor/unixsock.h"

enum { TURNS_MAX = 20000, QUIET = 3 };

struct server {
    uv_loop_t loop;
    uv_timer_t alive;
    struct ax_control *control;
    uint64_t asked;
    unsigned reloads;
    bool reloading;
    char dir[64], path[96];
};

static char *on_status(void *ctx)
{
    (void)ctx;
    return ax_strdup("{\"pid\":1}");
}

static void on_stop(void *ctx)
{
    (void)ctx;
}

static uint64_t on_flush(void *ctx)
{
    struct server *s = ctx;

    return ++s->asked;
}

/* Every other one is refused, with a sentence that JSON has to escape. */
static int on_reload(void *ctx, struct ax_err *reterr)
{
    struct server *s = ctx;

    if (s->reloading || s->reloads++ % 2)
        return ax_fail(reterr, AX_E_BUSY, "not \"now\", C:\\ says\n%s", "\xff");
    s->reloading = true;
    return 0;
}

static void clean_up(void)
{
    char path[96];

    snprintf(path, sizeof path, "/tmp/actix-fuzzc-%ld/c", (long)getpid());
    unlink(path);
    path[strlen(path) - 2] = '\0';
    rmdir(path);
}

static struct server *server(void)
{
    static struct server *s;
    struct ax_err err = {0};

    if (s)
        return s;
    s = calloc(1, sizeof *s);
    AX_ASSERT(s);
    snprintf(s->dir, sizeof s->dir, "/tmp/actix-fuzzc-%ld", (long)getpid());
    snprintf(s->path, sizeof s->path, "%s/c", s->dir);
    AX_ASSERT(mkdir(s->dir, 0700) == 0);
    atexit(clean_up);
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->alive);
    uv_timer_start(&s->alive, (uv_timer_cb)abort, (uint64_t)1 << 40, 0);
    struct ax_control_options o = {.loop = &s->loop,
                                   .path = s->path,
                                   .mode = 0600,
                                   .idle_ms = 1u << 30,
                                   .status = on_status,
                                   .stop = on_stop,
                                   .reload = on_reload,
                                   .flush = on_flush,
                                   .ctx = s};
    AX_ASSERT(ax_control_open(&o, &s->control, &err) == 0);
    return s;
}

/* Turns until nothing moves; true when the other side has closed. */
static bool settle(struct server *s, int fd, struct ax_buf *in)
{
    bool ended = false;
    int left = 0, before = -1;

    for (int turn = 0, quiet = 0; quiet < QUIET && !ended; turn++) {
        char p[4096];
        AX_ASSERT(turn < TURNS_MAX);
        uv_run(&s->loop, UV_RUN_NOWAIT);
        ssize_t n = recv(fd, p, sizeof p, MSG_DONTWAIT);
        ended = n == 0 || (n < 0 && errno != EAGAIN);
        if (n > 0)
            ax_buf_add(in, p, (size_t)n);
        ioctl(fd, SIOCOUTQ, &left);
        quiet = n > 0 || left != before ? 0 : quiet + 1;
        before = left;
        if (quiet == QUIET)
            ax_control_flushed(s->control, s->asked);
        if (quiet == QUIET && s->reloading) {
            ax_control_reloading(s->control, ax_strdup("{\"step\":\"started\"}"), false);
            ax_control_reloading(s->control, ax_strdup("{\"ok\":true}"), true);
            s->reloading = false;
            quiet = 0;
        }
    }
    return ended;
}

static void talk(struct server *s, const char *p, size_t n, struct dice *cuts, struct ax_buf *in)
{
    int fd = ax_unix_connect(s->path, NULL);
    bool ended = false;

    AX_ASSERT(fd >= 0);
    for (size_t at = 0, pieces = 0; at < n && !ended; pieces++) {
        size_t end = cuts && pieces < FUZZ_CUTS_MAX ? next_cut(cuts, at, n) : n;
        if (send(fd, p + at, end - at, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(end - at))
            break;
        at = end;
        ended = settle(s, fd, in);
    }
    settle(s, fd, in);
    shutdown(fd, SHUT_WR);
    settle(s, fd, in);
    settle(s, fd, in);
    close(fd);
    for (int i = 0; i < QUIET; i++)
        uv_run(&s->loop, UV_RUN_NOWAIT);
}

static unsigned check(const struct ax_buf *in)
{
    struct ax_str rest = ax_buf_str(in), line;
    unsigned lines = 0;

    AX_ASSERT(!in->n || in->p[in->n - 1] == '\n');
    while (next_line(&rest, &line)) {
        json_t *o = json_loadb(line.p, line.n, 0, NULL);
        AX_ASSERT(json_is_object(o));
        json_decref(o);
        lines++;
    }
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d = dice_of(data, n);
    struct server *s = server();
    struct ax_buf whole = AX_BUF_INIT(FUZZ_OUT_MAX), pieces = AX_BUF_INIT(FUZZ_OUT_MAX);
    unsigned asked = 1;

    for (size_t i = 0; i < n; i++)
        asked += data[i] == '\n';
    talk(s, (const char *)data, n, NULL, &whole);
    talk(s, (const char *)data, n, &d, &pieces);
    AX_ASSERT(check(&whole) <= 2 * asked && check(&pieces) <= 2 * asked);
    /* who asks for one of these is told when it is done, between other answers or behind them */
    if (!n || (!memmem(data, n, "flush", 5) && !memmem(data, n, "reload", 6)))
        AX_ASSERT(ax_str_eq(ax_buf_str(&whole), ax_buf_str(&pieces)));
    ax_buf_fini(&whole);
    ax_buf_fini(&pieces);
    return 0;
}
