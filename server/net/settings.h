/* net/settings.h - the numbers that the core obeys: a plain value, filled by the addon from the plan. */
#ifndef AX_NET_SETTINGS_H
#define AX_NET_SETTINGS_H

#include <stdint.h>

struct ax_settings {
#define S(name, dflt, help) int64_t name;
#include "net/settings.def"
#undef S
};

void ax_settings_default(struct ax_settings *s);
/* Sets one by its name; 0, or -AX_E_UNKNOWN. */
int ax_settings_set(struct ax_settings *s, const char *name, int64_t value);

#endif
