/* config/units.h - numbers with units, both ways.  Pure. */
#ifndef AX_CONFIG_UNITS_H
#define AX_CONFIG_UNITS_H

#include "config/manifest.h"

enum { AX_UNIT_TEXT = 64 };
/* As a person would write it in a manifest: "10s", "1h", "64KiB-1", "off". */
void ax_duration_text(char out[AX_UNIT_TEXT], int64_t us);
void ax_size_text(char out[AX_UNIT_TEXT], int64_t bytes);
/* Decimal, the whole text; 0 or -code. */
int ax_count_parse(const char *text, int64_t *ret, struct ax_err *reterr);
/* Permission bits in octal: "0660", "660", "0o660". */
int ax_mode_parse(const char *text, int *ret, struct ax_err *reterr);
/* "N/s", "N/m", "N/h", each with " burst N" behind it or not. */
int ax_rate_check(const char *text, struct ax_err *reterr);
bool ax_is_off(const char *text); /* `off`, and `false`, which is how some YAML editors write it */

#endif
