/* micro/bench.h - the timing loop and the table that all these programs share.
 * A row is the best of many runs: what the machine does when nobody else is on it.  How many operations a run
 * has is found out first, so that the clock (a microsecond) does not matter.
 *   PROGRAM [--json] [--seconds S]    S: time for a row (0.1)
 * Thread: none.  Everything is in struct ax_bench, which main owns. */
#ifndef AX_BENCH_MICRO_BENCH_H
#define AX_BENCH_MICRO_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"

enum { AX_BENCH_RUN_US = 1000, AX_BENCH_NAME = 48 };

struct ax_bench {
    const char *what; /* "router": BORROWED */
    bool json;
    double row_s;
};

/* Does its operation n times. */
typedef void ax_bench_op(void *arg, unsigned n);

/* The compiler must have x, and must think that it has been looked at, memory behind it included. */
#define AX_BENCH_USE(x) __asm__ volatile("" : : "r"(x) : "memory")

static inline struct ax_bench ax_bench_init(int argc, char **argv, const char *what)
{
    struct ax_bench b = {.what = what, .row_s = 0.1};
    bool ok = true;

    for (int i = 1; i < argc && ok; i++) {
        if (strcmp(argv[i], "--json") == 0)
            b.json = true;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            ok = (b.row_s = strtod(argv[++i], NULL)) > 0;
        else
            ok = false;
    }
    if (!ok) {
        fprintf(stderr, "usage: %s_bench [--json] [--seconds S]\n", what);
        exit(2);
    }
    if (!b.json)
        printf("%-*s %10s\n", AX_BENCH_NAME, what, "ns");
    return b;
}

static inline int64_t ax_bench_run_us(ax_bench_op *op, void *arg, unsigned n)
{
    ax_mono start = ax_mono_now();

    op(arg, n);
    return ax_mono_now().us - start.us;
}

/* Nanoseconds per operation. */
static inline double ax_bench_time(const struct ax_bench *b, ax_bench_op *op, void *arg)
{
    ax_mono start = ax_mono_now();
    unsigned n = 1;
    int64_t best;

    while ((best = ax_bench_run_us(op, arg, n)) < AX_BENCH_RUN_US && n < 1u << 30)
        n *= 2;
    do {
        int64_t us = ax_bench_run_us(op, arg, n);
        best = us < best ? us : best;
    } while ((double)(ax_mono_now().us - start.us) < b->row_s * 1e6);
    return (double)best * 1000 / n;
}

static inline void ax_bench_row(const struct ax_bench *b, const char *name, ax_bench_op *op, void *arg)
{
    double ns = ax_bench_time(b, op, arg);

    if (b->json)
        printf("{\"bench\":\"%s\",\"name\":\"%s\",\"ns\":%.2f}\n", b->what, name, ns);
    else
        printf("%-*s %10.2f\n", AX_BENCH_NAME, name, ns);
    fflush(stdout);
}

/* A benchmark that cannot be set up has nothing to measure. */
static inline void ax_bench_must(int rc, const struct ax_err *err)
{
    if (rc < 0) {
        fprintf(stderr, "%s\n", err->msg);
        exit(1);
    }
}

/* A sequence that no branch predictor learns, the same in every run. */
static inline uint32_t ax_bench_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}
enum { AX_BENCH_SEED = 246353422 }; /* any but 0 */

#endif
