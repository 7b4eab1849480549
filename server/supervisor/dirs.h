/* supervisor/dirs.h - where the installed files are, found from the program itself, so that a tree can be
 * moved. Layout: PREFIX/bin/actix, PREFIX/lib/actix (addon/), PREFIX/share/actix (templates/,
 * actix.schema.json). Thread: any. */
#ifndef AX_SUPERVISOR_DIRS_H
#define AX_SUPERVISOR_DIRS_H

#include "base/err.h"

struct ax_dirs {
    char *lib;   /* OWNED; absolute: PREFIX/lib/actix */
    char *share; /* OWNED; absolute: PREFIX/share/actix */
};

/* From /proc/self/exe, links resolved.  The folders need not exist. */
int ax_install_dirs(struct ax_dirs *ret, struct ax_err *reterr);
void ax_install_dirs_fini(struct ax_dirs *d);

/* DIR/NAME, or NAME alone when it is absolute; OWNED, NULL = out of memory. */
char *ax_path_join(const char *dir, const char *name);

#endif
