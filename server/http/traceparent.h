/* http/traceparent.h - the request field traceparent: which trace a request belongs to.  W3C Trace Context,
 * section 3.2. */
#ifndef AX_HTTP_TRACEPARENT_H
#define AX_HTTP_TRACEPARENT_H

#include "base/str.h"

enum { AX_TRACE_ID_LEN = 32 };

/* The trace-id of a field's value, a piece of it; p NULL when the value is not valid, which is to be taken as
 * if there were none. */
struct ax_str ax_trace_id(struct ax_str value);

#endif
