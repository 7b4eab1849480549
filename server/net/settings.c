#include "net/settings.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"

static const struct {
    const char *name;
    size_t offset;
    int64_t dflt;
} rows[] = {
#define S(name, dflt, help) {#name, offsetof(struct ax_settings, name), dflt},
#include "net/settings.def"
#undef S
};

static int64_t *field(struct ax_settings *s, size_t i)
{
    return (int64_t *)(void *)((char *)s + rows[i].offset);
}

void ax_settings_default(struct ax_settings *s)
{
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        *field(s, i) = rows[i].dflt;
}

int ax_settings_set(struct ax_settings *s, const char *name, int64_t value)
{
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *field(s, i) = value;
            return 0;
        }
    }
    return -AX_E_UNKNOWN;
}
