/* metrics/limits.h - requests refused by a limit, counted by its name (limits.def).  Pure. */
#ifndef AX_METRICS_LIMITS_H
#define AX_METRICS_LIMITS_H

#include "metrics/segment.h"

enum {
#define LIMIT(counter, name) AX_LIMIT_##counter,
#include "metrics/limits.def"
#undef LIMIT
    AX_LIMITS
};

/* As an answer names it; static. */
const char *ax_limit_name(unsigned limit);
/* The worker's own thread: one request was refused by the limit of that name; one that the list does not have
 * counts nothing. */
void ax_count_limit(struct ax_counters *c, const char *name);
uint64_t ax_limit_count(const struct ax_counters *c, unsigned limit);

#endif
