/* config/mf_routes.h - `routes` into m->routes.  Thread: none. */
#ifndef AX_CONFIG_MF_ROUTES_H
#define AX_CONFIG_MF_ROUTES_H

#include "config/decode.h"

/* After everything else is decoded, since limits, timeouts and uploads are the routes' defaults. */
void ax_decode_routes(struct ax_mf *d);

#endif
