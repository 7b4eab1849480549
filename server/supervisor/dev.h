/* supervisor/dev.h - what `actix dev` watches: the folders of the app, and single files that were loaded from
 * elsewhere.  Told is a file that matters to a running app: JavaScript and TypeScript, package.json,
 * manifests, .env, and whatever was named with ax_dev_file.  node_modules, folders that begin with a dot, and
 * those named by ax_dev_skip are not entered.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_DEV_H
#define AX_SUPERVISOR_DEV_H

#include <uv.h>

#include "base/err.h"

enum {
    AX_DEV_FOLDERS_MAX = 4096, /* folders watched at most: the user's inotify watches are not endless */
    AX_DEV_FILES_MAX = 4096,   /* single files beside them */
    AX_DEV_QUIET_MS = 15,      /* an editor writes in several steps: so long nothing else changes */
};

struct ax_dev_options {
    uv_loop_t *loop;
    /* `file`: one of those that changed, as it was named or absolute; BORROWED for the call. */
    void (*changed)(void *ctx, const char *file);
    void *ctx;
};

struct ax_dev;

/* *ret is OWNED by the caller: ax_dev_close. */
int ax_dev_open(const struct ax_dev_options *o, struct ax_dev **ret, struct ax_err *reterr);
/* A folder, absolute, that is not entered; tell them before ax_dev_tree. */
int ax_dev_skip(struct ax_dev *d, const char *folder, struct ax_err *reterr);
/* Watches the folder and those below it; again later: what is new since.  -AX_E_LIMIT: not all of it is
 * watched, and the message says why. */
int ax_dev_tree(struct ax_dev *d, const char *root, struct ax_err *reterr);
/* Watches this one file, too, wherever it is; what is watched already is no error. */
int ax_dev_file(struct ax_dev *d, const char *path, struct ax_err *reterr);
/* As if this file had changed just now. */
void ax_dev_poke(struct ax_dev *d, const char *file);
/* Frees itself on the loop.  NULL is fine. */
void ax_dev_close(struct ax_dev *d);

#endif
