#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void ax_assert_failed(const char *expr, const char *file, int line)
{
    char msg[512];
    int n = snprintf(msg, sizeof msg, "actix: assertion failed at %s:%d: %s\n", file, line, expr);

    if (n > 0 && write(STDERR_FILENO, msg, (size_t)n < sizeof msg ? (size_t)n : sizeof msg - 1) < 0)
        abort();
    abort();
}
