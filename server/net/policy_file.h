/* net/policy_file.h - the files that policies name, read whole when a site is made.  Thread: any. */
#ifndef AX_NET_POLICY_FILE_H
#define AX_NET_POLICY_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Appends the file to `out`; -AX_E_SYS, -AX_E_LIMIT above `max` bytes, -AX_E_NOMEM. */
int ax_policy_read_file(struct ax_str path, size_t max, struct ax_buf *out, struct ax_err *reterr);

#endif
