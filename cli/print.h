/* cli/print.h - how commands speak: tables for people and JSON for programs on stdout, messages on stderr.
 * Colour and bold only on a terminal, never with NO_COLOR (no-color.org: set and not empty) or --no-color.
 * The only user of libsmartcols. */
#ifndef AX_CLI_PRINT_H
#define AX_CLI_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "cli/cmd.h"

struct json_t; /* jansson */

/* "actix: MESSAGE" on stderr. */
void ax_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, with a hint at --help; returns AX_EXIT_USAGE. */
int ax_usage(const struct ax_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "FILE:LINE:COL: MESSAGE" when the error has a place, else "actix: MESSAGE"; returns `code`. */
int ax_say_err(const struct ax_err *err, int code);

bool ax_color(const struct ax_args *a, FILE *out);

/* One JSON text, indented on a terminal and compact elsewhere, and a newline.  Takes the reference.
 * Returns an exit code; says what went wrong. */
int ax_print_json(struct json_t *json);

/* ---- tables.  Columns first, then rows, then print.  Cells are copied.  A failed call makes print fail. */
struct ax_table;
enum { AX_COL_RIGHT = 1, AX_COL_WRAP = 2 };
struct ax_table *ax_table_new(void); /* NULL = out of memory; every call below takes NULL */
void ax_table_column(struct ax_table *t, const char *title, unsigned flags);
/* Starts a row; then ax_table_cell fills its columns from left to right. */
void ax_table_row(struct ax_table *t);
void ax_table_cell(struct ax_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ax_table_bold(struct ax_table *t); /* the current row stands out, where there is colour */
/* Prints to stdout and frees; returns an exit code. */
int ax_table_print(struct ax_table *t, const struct ax_args *a);

/* ---- numbers for people; each writes into the caller's buffer and returns it */
enum { AX_SHORT_MAX = 32 };
const char *ax_short_us(char out[AX_SHORT_MAX], uint64_t us);       /* 0us 850us 1.25ms 12.5ms 2.50s 3m20s */
const char *ax_short_bytes(char out[AX_SHORT_MAX], uint64_t bytes); /* 512B 1.5KiB 12.3MiB */
/* As the manifest would write it, exactly: "10s", "250ms", "1m30s" is "90s"; AX_OFF is "off". */
const char *ax_short_duration(char out[AX_SHORT_MAX], int64_t us);
const char *ax_short_count(char out[AX_SHORT_MAX], uint64_t n); /* 1,234,567 */

/* Flushes stdout; a full disk or a closed pipe is a failure, said on stderr.  Returns `code` or
 * AX_EXIT_FAILED. */
int ax_finish(int code);

#endif
