/* http/field_name.h - numbers for the field names that nearly every request brings, so that whoever looks for
 * one compares numbers instead of strings.  Pure; the tables are constant.
 * Built with -DAX_NO_INTERN every name is AX_FIELD_OTHER: what the numbers save can be measured. */
#ifndef AX_HTTP_FIELD_NAME_H
#define AX_HTTP_FIELD_NAME_H

#include "base/str.h"

enum ax_field_name {
    AX_FIELD_OTHER = 0, /* none of the list */
#define FIELD(id, name, first, late) AX_FIELD_##id,
#include "http/field_name.def"
#undef FIELD
    AX_FIELD_NAMES, /* at most 64: struct ax_head has one bit for each */
};

/* Any case (RFC 9110, 5.1); any bytes.  O(1): one place of a table is looked at. */
enum ax_field_name ax_field_name_of(struct ax_str name);
/* In lower case, static and NUL-terminated; "" for AX_FIELD_OTHER and beyond the list. */
struct ax_str ax_field_name_str(enum ax_field_name id);

#endif
