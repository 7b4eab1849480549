/* cli/scaffold.h - copies a template into an app's folder.  Every "{{name}}" in a file becomes the app's
 * name. Thread: none. */
#ifndef AX_CLI_SCAFFOLD_H
#define AX_CLI_SCAFFOLD_H

#include <stdbool.h>

#include "base/err.h"

enum { AX_SCAFFOLD_FILE_MAX = 4 << 20 }; /* bytes of one file */

/* Makes `dir` and its parents.  *ret_made: it was not there before.  -AX_E_STATE when it is there and not
 * empty (a .git alone is empty), unless `force`; -AX_E_TYPE when it is no folder. */
int ax_scaffold_dir(const char *dir, bool force, bool *ret_made, struct ax_err *reterr);
/* Copies the tree `from` over `to`, which exists.  Existing files are overwritten only with `force` and never
 * through a link.  Adds the number of files written to *count. */
int ax_scaffold_tree(const char *from, const char *to, const char *name, bool force, unsigned *count,
                     struct ax_err *reterr);
/* The same for one file; makes the folders of `to`. */
int ax_scaffold_file(const char *from, const char *to, const char *name, bool force, unsigned *count,
                     struct ax_err *reterr);
/* A symbolic link; makes its folders.  What is there already stays. */
int ax_scaffold_link(const char *target, const char *path, struct ax_err *reterr);
/* Removes a folder that was made in vain, with all that is in it; links are not followed. */
void ax_scaffold_undo(const char *dir);

#endif
