/* base/clock.h - time with its meaning in the type.  Reading a clock costs about 20 ns (vDSO). */
#ifndef AX_BASE_CLOCK_H
#define AX_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct {
    int64_t us;
} ax_mono; /* CLOCK_MONOTONIC: durations and timeouts */
typedef struct {
    int64_t us;
} ax_wall; /* CLOCK_REALTIME: only for what people read */

static inline ax_mono ax_mono_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (ax_mono){(int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000};
}

/* The processor's cycle counter, which costs a third of a clock: only for telling that almost no time has
 * passed.  0 where there is none that fast. */
static inline uint64_t ax_cycles(void)
{
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}
enum { AX_CYCLES_NO_TIME = 1024 }; /* at most half a microsecond on any x86-64 */

static inline ax_wall ax_wall_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (ax_wall){(int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000};
}

enum { AX_HTTP_DATE_LEN = 29, AX_RFC3339_LEN = 24 };
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7); writes AX_HTTP_DATE_LEN bytes and a NUL. */
void ax_http_date(char out[AX_HTTP_DATE_LEN + 1], int64_t unix_seconds);
/* "2026-11-22T14:00:00.123Z" (RFC 3339, UTC, milliseconds); writes AX_RFC3339_LEN bytes and a NUL. */
void ax_rfc3339(char out[AX_RFC3339_LEN + 1], ax_wall t);

#endif
