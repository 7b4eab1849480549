/* http/rate_limit.h - token buckets by client, for all workers of an engine.
 *
 * A bucket is one number, the time at which it will be full again (the generic cell rate algorithm), so a
 * bucket that is full needs no place: the table has a fixed size, and who comes first takes the place of a
 * full one. When all places of a set are taken, the one that is nearest to full goes: who was refused stays
 * refused. IPv6 clients count by their /64: an address costs nothing there. Thread: any; a set's lock is held
 * for a few instructions. */
#ifndef AX_HTTP_RATE_LIMIT_H
#define AX_HTTP_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct ax_rate_table;
/* For about so many clients at once; rounded up to a power of two from 2^10 to 2^20, of 16 bytes each. */
struct ax_rate_table *ax_rate_table_new(uint64_t clients); /* OWNED; NULL = out of memory */
void ax_rate_table_free(struct ax_rate_table *t);          /* NULL is fine */
uint64_t ax_rate_table_places(const struct ax_rate_table *t);

struct ax_rate {
    uint32_t id;         /* buckets of one id are shared; never 0 */
    int64_t interval_ns; /* in which one token comes */
    int64_t burst;       /* tokens of a full bucket, 1 or more */
};
/* What "n requests in unit_us, at most burst at once" is. */
struct ax_rate ax_rate_of(uint32_t id, int64_t n, int64_t unit_us, int64_t burst);
/* Takes a token.  0, or in how many microseconds there will be one. */
int64_t ax_rate_take(struct ax_rate_table *t, const struct ax_rate *r, struct ax_str client, int64_t now_us);

#endif
