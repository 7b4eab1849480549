/* net/settings.h - the numbers that the core obeys: a plain value, filled by the addon from the plan. */
#ifndef AX_NET_SETTINGS_H
#define AX_NET_SETTINGS_H

#include <stdint.h>

struct ax_settings {
#define S(name, dflt, help) int64_t name;
#include "net/settings.def"
#undef S
};

/* Values of some of them, as settings.def tells them. */
enum { AX_SLASH_STRICT, AX_SLASH_REDIRECT, AX_SLASH_IGNORE };     /* trailing_slash */
enum { AX_KEEP_NONE, AX_KEEP_ERRORS, AX_KEEP_SLOW, AX_KEEP_ALL }; /* record */
enum {
    AX_ACCESS_TEXT,
    AX_ACCESS_JSON,
    AX_ACCESS_COMBINED,
    AX_ACCESS_DEV,
    AX_ACCESS_DEV_COLOR
}; /* access_format */

void ax_settings_default(struct ax_settings *s);
/* Sets one by its name; 0, or -AX_E_UNKNOWN. */
int ax_settings_set(struct ax_settings *s, const char *name, int64_t value);

#endif
