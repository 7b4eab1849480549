/* config/validate.h - what no single key can tell: keys against each other, routes against each other, files
 * that must exist.  Thread: none. */
#ifndef AX_CONFIG_VALIDATE_H
#define AX_CONFIG_VALIDATE_H

#include "config/decode.h"

void ax_validate(struct ax_mf *d);

#endif
