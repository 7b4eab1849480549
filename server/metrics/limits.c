#include "metrics/limits.h"

#include <string.h>

#include "base/assert.h"

static const struct {
    const char *name;
    size_t at; /* in struct ax_counters */
} limits[AX_LIMITS] = {
#define LIMIT(counter, name) {name, offsetof(struct ax_counters, counter)},
#include "metrics/limits.def"
#undef LIMIT
};

const char *ax_limit_name(unsigned limit)
{
    AX_ASSERT(limit < AX_LIMITS);
    return limits[limit].name;
}

static bool is(const char *name, const char *row)
{
    size_t n = strlen(row);

    return row[n - 1] == '*' ? strncmp(name, row, n - 1) == 0 : strcmp(name, row) == 0;
}

void ax_count_limit(struct ax_counters *c, const char *name)
{
    for (unsigned i = 0; i < AX_LIMITS; i++) {
        if (!is(name, limits[i].name))
            continue;
        ax_count_add((uint64_t *)(void *)((char *)c + limits[i].at), 1);
        ax_count_add(&c->limited, 1);
        return;
    }
}

uint64_t ax_limit_count(const struct ax_counters *c, unsigned limit)
{
    AX_ASSERT(limit < AX_LIMITS);
    return *(const uint64_t *)(const void *)((const char *)c + limits[limit].at);
}
