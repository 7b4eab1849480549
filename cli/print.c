#include "cli/print.h"

#include <errno.h>
#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "config/manifest.h"

enum { CELL_MAX = 4096 };

/* ---- messages */

static void say(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static void say(const char *fmt, va_list ap)
{
    fflush(stdout); /* so that messages and output stay in order on one terminal */
    fputs("actix: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

void ax_say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

int ax_usage(const struct ax_args *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    if (a && a->cmd)
        fprintf(stderr, "try 'actix %s --help'\n", a->cmd->name);
    else
        fputs("try 'actix help'\n", stderr);
    return AX_EXIT_USAGE;
}

int ax_say_err(const struct ax_err *err, int code)
{
    const char *msg = err->msg[0] ? err->msg : ax_code_text(err->code);

    if (err->file && err->line)
        fprintf(stderr, "%s:%u:%u: %s\n", err->file, err->line, err->col, msg);
    else
        ax_say("%s", msg);
    return code;
}

bool ax_color(const struct ax_args *a, FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    if (!isatty(fileno(out)) || (no_color && *no_color) || (term && strcmp(term, "dumb") == 0))
        return false;
    return !a || ax_args_flag(a, "color", true);
}

int ax_finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno != EPIPE) /* `actix stats | head` is no reason for a message */
        ax_say("cannot write to standard output: %s", strerror(errno));
    return code == AX_EXIT_OK ? AX_EXIT_FAILED : code;
}

int ax_print_json(struct json_t *json)
{
    size_t flags = isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT;

    if (!json) {
        ax_say("out of memory");
        return AX_EXIT_FAILED;
    }
    int rc = json_dumpf(json, stdout, flags | JSON_REAL_PRECISION(15));
    json_decref(json);
    if (rc < 0 && !ferror(stdout)) {
        ax_say("out of memory");
        return AX_EXIT_FAILED;
    }
    putchar('\n');
    return ax_finish(AX_EXIT_OK);
}

/* ---- tables */

struct ax_table {
    struct libscols_table *tb;
    struct libscols_line *row;
    size_t at; /* next column of the row */
    bool failed;
};

struct ax_table *ax_table_new(void)
{
    struct ax_table *t = ax_calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->tb = scols_new_table();
    if (t->tb)
        return t;
    ax_free(t);
    return NULL;
}

void ax_table_column(struct ax_table *t, const char *title, unsigned flags)
{
    int fl = (flags & AX_COL_RIGHT ? SCOLS_FL_RIGHT : 0) | (flags & AX_COL_WRAP ? SCOLS_FL_WRAP : 0);

    if (t && !scols_table_new_column(t->tb, title, 0, fl))
        t->failed = true;
}

void ax_table_row(struct ax_table *t)
{
    if (!t)
        return;
    t->row = scols_table_new_line(t->tb, NULL);
    t->at = 0;
    t->failed |= !t->row;
}

/* What a client or a file put into a name must not steer the terminal. */
static void blank_controls(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = '?';
}

void ax_table_cell(struct ax_table *t, const char *fmt, ...)
{
    char text[CELL_MAX];
    va_list ap;

    if (!t || t->failed)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    blank_controls(text);
    t->failed |= scols_line_set_data(t->row, t->at++, text) != 0;
}

void ax_table_bold(struct ax_table *t)
{
    if (t && t->row)
        t->failed |= scols_line_set_color(t->row, "\033[1m") != 0;
}

int ax_table_print(struct ax_table *t, const struct ax_args *a)
{
    bool failed = !t || t->failed;

    if (t && !failed) {
        scols_table_enable_colors(t->tb, ax_color(a, stdout));
        if (!isatty(STDOUT_FILENO)) {
            scols_table_set_termforce(t->tb, SCOLS_TERMFORCE_NEVER);
            scols_table_enable_nowrap(t->tb, 1);
        }
        failed = scols_print_table(t->tb) != 0;
    }
    if (t)
        scols_unref_table(t->tb);
    ax_free(t);
    if (failed) {
        ax_say("out of memory");
        return AX_EXIT_FAILED;
    }
    return ax_finish(AX_EXIT_OK);
}

/* ---- numbers for people */

const char *ax_short_us(char out[AX_SHORT_MAX], uint64_t us)
{
    if (us < 1000)
        snprintf(out, AX_SHORT_MAX, "%uus", (unsigned)us);
    else if (us < 1000000)
        snprintf(out, AX_SHORT_MAX, "%.*fms", us < 10000 ? 2 : us < 100000 ? 1 : 0, (double)us / 1e3);
    else if (us < 60000000)
        snprintf(out, AX_SHORT_MAX, "%.2fs", (double)us / 1e6);
    else
        snprintf(out, AX_SHORT_MAX, "%lum%02us", (unsigned long)(us / 60000000),
                 (unsigned)(us / 1000000 % 60));
    return out;
}

const char *ax_short_bytes(char out[AX_SHORT_MAX], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    unsigned u = 0;

    for (; v >= 1023.95 && u < 6; u++)
        v /= 1024;
    snprintf(out, AX_SHORT_MAX, "%.*f%s", u ? 1 : 0, v, units[u]);
    return out;
}

const char *ax_short_duration(char out[AX_SHORT_MAX], int64_t us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"d", INT64_C(86400000000)},
                 {"h", INT64_C(3600000000)},
                 {"m", 60000000},
                 {"s", 1000000},
                 {"ms", 1000}};

    if (us == AX_OFF) {
        snprintf(out, AX_SHORT_MAX, "off");
        return out;
    }
    for (size_t i = 0; i < AX_COUNT(units); i++)
        if (us && us % units[i].us == 0) {
            snprintf(out, AX_SHORT_MAX, "%lld%s", (long long)(us / units[i].us), units[i].unit);
            return out;
        }
    snprintf(out, AX_SHORT_MAX, us ? "%lldus" : "%lld", (long long)us);
    return out;
}

const char *ax_short_count(char out[AX_SHORT_MAX], uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    size_t at = 0;

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}
