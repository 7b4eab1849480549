/* base/log.h - one line per record, to one descriptor, never blocking the caller.
 * Text on a terminal, one JSON object a line elsewhere (docs/operations.md).  A full disk or a blocked pipe
 * drops the line and counts it.  Thread: any; a record is one write(2) of at most AX_LOG_LINE_MAX bytes. */
#ifndef AX_BASE_LOG_H
#define AX_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum ax_log_level { AX_LOG_ERROR, AX_LOG_WARN, AX_LOG_INFO, AX_LOG_DEBUG };
enum ax_log_format { AX_LOG_AUTO, AX_LOG_TEXT, AX_LOG_JSON, AX_LOG_COMBINED };
enum { AX_LOG_LINE_MAX = 4096 }; /* PIPE_BUF: whole lines stay whole */

struct ax_log {
    int fd;                    /* -1 = off */
    char *path;                /* OWNED; NULL for stderr and stdout, which are never closed */
    enum ax_log_level level;   /* records above it are not written */
    enum ax_log_format format; /* TEXT, JSON or (access lines only) COMBINED once opened */
    uint64_t dropped;          /* lines lost to a full disk or a blocked pipe; relaxed atomic */
};

/* A field of a record: text when s.p is set, else the number. */
struct ax_kv {
    const char *key;
    struct ax_str s;
    int64_t i;
};

/* output: "stderr", "stdout", "off" or a file path (opened O_APPEND, 0640).  AUTO becomes TEXT on a terminal.
 */
int ax_log_open(struct ax_log *log, const char *output, enum ax_log_format format, enum ax_log_level level,
                struct ax_err *reterr);
/* Opens the file anew (after rotation); keeps the old descriptor when that fails. */
int ax_log_reopen(struct ax_log *log, struct ax_err *reterr);
void ax_log_close(struct ax_log *log);
void ax_log_write(struct ax_log *log, enum ax_log_level level, const struct ax_kv *kv, unsigned nkv,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
#define ax_log_error(log, ...) ax_log_write((log), AX_LOG_ERROR, NULL, 0, __VA_ARGS__)
#define ax_log_warn(log, ...)  ax_log_write((log), AX_LOG_WARN, NULL, 0, __VA_ARGS__)
#define ax_log_info(log, ...)  ax_log_write((log), AX_LOG_INFO, NULL, 0, __VA_ARGS__)
/* Writes ready-made bytes (whole lines) without waiting: pipes and sockets only while they can take them, in
 * pieces of at most AX_LOG_LINE_MAX cut at line ends.  Returns bytes written; what is missing was dropped. */
size_t ax_log_raw(int fd, const char *p, size_t n);

#endif
