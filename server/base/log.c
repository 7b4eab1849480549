#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"

enum { STACK_LINES = 20 }; /* of a text record; the rest stays one line, so that the record keeps its bound */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

int ax_log_open(struct ax_log *log, const char *output, enum ax_log_format format, enum ax_log_level level,
                struct ax_err *reterr)
{
    *log = (struct ax_log){.fd = -1, .level = level, .format = format};
    if (strcmp(output, "stderr") == 0) {
        log->fd = STDERR_FILENO;
    } else if (strcmp(output, "stdout") == 0) {
        log->fd = STDOUT_FILENO;
    } else if (strcmp(output, "off") != 0) {
        log->path = ax_strdup(output);
        if (!log->path)
            return ax_fail(reterr, AX_E_NOMEM, "out of memory");
        log->fd = open_file(output);
        if (log->fd < 0) {
            int os = errno;
            ax_free(log->path);
            log->path = NULL;
            return ax_fail_os(reterr, os, "cannot open the log file %s", output);
        }
    }
    if (format == AX_LOG_AUTO)
        log->format = log->fd >= 0 && isatty(log->fd) ? AX_LOG_TEXT : AX_LOG_JSON;
    return 0;
}

int ax_log_reopen(struct ax_log *log, struct ax_err *reterr)
{
    if (!log->path)
        return 0;
    int fd = open_file(log->path);
    if (fd < 0)
        return ax_fail_os(reterr, errno, "cannot reopen the log file %s", log->path);
    /* same number, so that other threads never see a closed descriptor */
    int rc = dup3(fd, log->fd, O_CLOEXEC) < 0 ? ax_fail_os(reterr, errno, "cannot reopen %s", log->path) : 0;
    close(fd);
    return rc;
}

void ax_log_close(struct ax_log *log)
{
    if (log->path && log->fd >= 0)
        close(log->fd);
    ax_free(log->path);
    *log = (struct ax_log){.fd = -1};
}

/* Pipes and sockets take AX_LOG_LINE_MAX bytes at once when poll says so; files never block. */
static bool can_take(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int rc;

    do
        rc = poll(&p, 1, 0);
    while (rc < 0 && errno == EINTR);
    return rc == 1 && (p.revents & (POLLOUT | POLLERR)) ==
                          POLLOUT; /* POLLERR: no reader is left, SIGPIPE would follow */
}

/* The longest piece of at most AX_LOG_LINE_MAX bytes that ends with a line; a longer line is cut. */
static size_t piece(const char *p, size_t n)
{
    if (n <= AX_LOG_LINE_MAX)
        return n;
    const char *nl = memrchr(p, '\n', AX_LOG_LINE_MAX);
    return nl ? (size_t)(nl - p) + 1 : AX_LOG_LINE_MAX;
}

size_t ax_log_raw(int fd, const char *p, size_t n)
{
    struct stat st;
    bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    size_t done = 0;

    while (done < n) {
        size_t k = file ? n - done : piece(p + done, n - done);
        if (!file && !can_take(fd))
            break;
        ssize_t w = write(fd, p + done, k);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break;
        done += (size_t)w;
    }
    return done;
}

/* A stack is for people to read: its lines stand below, indented so that no text in it can pass for a record.
 */
static void add_stack_text(struct ax_buf *b, struct ax_str s)
{
    for (unsigned left = STACK_LINES; s.n > 0; left -= left > 0) {
        const char *nl = left > 1 ? memchr(s.p, '\n', s.n) : NULL;
        size_t n = nl ? (size_t)(nl - s.p) : s.n;
        ax_buf_addf(b, "\n  ");
        ax_buf_add_json(b, (struct ax_str){s.p, n});
        n += nl != NULL;
        s = (struct ax_str){s.p + n, s.n - n};
    }
}

static bool is_stack(const struct ax_kv *kv)
{
    return kv->s.p && strcmp(kv->key, "stack") == 0;
}

static void add_fields_text(struct ax_buf *b, const struct ax_kv *kv, unsigned nkv)
{
    for (unsigned i = 0; i < nkv; i++) {
        if (is_stack(&kv[i]))
            continue;
        ax_buf_addf(b, " %s=", kv[i].key);
        if (kv[i].s.p)
            ax_buf_add_json(b, kv[i].s);
        else
            ax_buf_addf(b, "%lld", (long long)kv[i].i);
    }
    for (unsigned i = 0; i < nkv; i++)
        if (is_stack(&kv[i]))
            add_stack_text(b, kv[i].s);
}

static void add_fields_json(struct ax_buf *b, const struct ax_kv *kv, unsigned nkv)
{
    for (unsigned i = 0; i < nkv; i++) {
        ax_buf_addf(b, ",\"%s\":", kv[i].key);
        if (kv[i].s.p) {
            ax_buf_addc(b, '"');
            ax_buf_add_json(b, kv[i].s);
            ax_buf_addc(b, '"');
        } else {
            ax_buf_addf(b, "%lld", (long long)kv[i].i);
        }
    }
}

void ax_log_write(struct ax_log *log, enum ax_log_level level, const struct ax_kv *kv, unsigned nkv,
                  const char *fmt, ...)
{
    char msg[1024], when[AX_RFC3339_LEN + 1];
    va_list ap;

    if (log->fd < 0 || level > log->level)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    ax_rfc3339(when, ax_wall_now());
    struct ax_buf b = AX_BUF_INIT(AX_LOG_LINE_MAX);
    if (log->format == AX_LOG_TEXT) {
        ax_buf_addf(&b, "%.19s %s: ", when, level_names[level]);
        ax_buf_add_json(&b, ax_str(msg)); /* control bytes never reach a terminal */
        add_fields_text(&b, kv, nkv);
    } else {
        ax_buf_addf(&b, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"", when, level_names[level]);
        ax_buf_add_json(&b, ax_str(msg));
        ax_buf_addc(&b, '"');
        add_fields_json(&b, kv, nkv);
        ax_buf_addc(&b, '}');
    }
    ax_buf_addc(&b, '\n');
    if (b.failed || ax_log_raw(log->fd, b.p, b.n) < b.n)
        __atomic_fetch_add(&log->dropped, 1, __ATOMIC_RELAXED);
    ax_buf_fini(&b);
}
