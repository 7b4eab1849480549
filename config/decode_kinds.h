/* config/decode_kinds.h - one value of one kind, into its place.  Part of decode.c, split off for size. */
#ifndef AX_CONFIG_DECODE_KINDS_H
#define AX_CONFIG_DECODE_KINDS_H

#include "config/decode.h"

/* Every kind but MAP, NAMED and ROUTES.  Reports what is wrong and then leaves *to alone. */
void ax_decode_kind(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n, const char *name);

#endif
