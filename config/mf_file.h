/* config/mf_file.h - the few looks at the file system that validation needs.  Thread: none. */
#ifndef AX_CONFIG_MF_FILE_H
#define AX_CONFIG_MF_FILE_H

#include "base/buf.h"
#include "config/manifest.h"

enum { AX_MF_FILE_MAX = 4 << 20 }; /* bytes of one manifest or .env */

/* Appends the whole file to `out` (made with AX_BUF_INIT).  -AX_E_SYS with reterr->os, -AX_E_LIMIT,
 * -AX_E_NOMEM. */
int ax_file_read(const char *file, struct ax_buf *out, struct ax_err *reterr);
/* root/path, or path alone when it is absolute. */
char *ax_file_join(struct ax_mf_arena *a, const char *root, const char *path);
/* The folder part of a path as written: "." for a bare name. */
char *ax_file_folder(struct ax_mf_arena *a, const char *path);
/* 0, or errno (EISDIR for what is no regular file). */
int ax_file_check(const char *path);
bool ax_file_is_folder(const char *path);
/* The name in path's folder that is nearest to path's own: as path's spelling with that name put in. */
char *ax_file_nearest(struct ax_mf_arena *a, const char *root, const char *path);

#endif
