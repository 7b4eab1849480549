/* net/static.h - routes with `static`: files, answered in C.  Thread: the worker's own. */
#ifndef AX_NET_STATIC_H
#define AX_NET_STATIC_H

#include "http/mime.h"
#include "net/request.h"

/* Answers a whole request of an AX_SITE_FILES route: 200, 206, 304, 308 to a folder's slash, 404, 412, 416;
 * conditions and ranges as RFC 9110, 13.2.2 and 14, have it. */
void ax_static_answer(struct ax_request *r);

/* Media types: the system's (/etc/mime.types, else shared-mime-info's), or the built-in ones alone. OWNED. */
int ax_static_mime(struct ax_mime **ret, struct ax_err *reterr);
/* Is there a Content-Type among rendered lines? */
bool ax_static_has_type(struct ax_str lines);

#endif
