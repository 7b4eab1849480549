/* net/files.h - the files below the folders of a worker's static routes: opened so that no path and no link
 * leaves the folder, and kept open for a moment, with what a response says of them.
 * Thread: the worker's own; the watchdog's once it has taken the worker over. */
#ifndef AX_NET_FILES_H
#define AX_NET_FILES_H

#include "base/clock.h"
#include "base/str.h"
#include "http/accept_encoding.h"
#include "http/mime.h"

/* Idle ones that are kept open; and all that are open, those that are being sent among them. */
enum { AX_FILES_KEPT = 256, AX_FILES_OPEN_MAX = 4096 };
enum { AX_FILES_PATH_MAX = 4096 }; /* PATH_MAX */

struct ax_file { /* what whoever answers may read */
    int fd;
    uint64_t size;    /* bytes */
    int64_t modified; /* unix seconds */
    unsigned have;    /* bits (1 << enum ax_coding): the same file lies beside it, compressed so */
    struct ax_str etag;
    struct ax_str lines; /* of a response that carries it: Content-Type, Content-Encoding, Accept-Ranges */
    struct ax_str type;  /* of `lines` the Content-Type line alone */
    struct ax_str validators; /* of any response about it: ETag, Last-Modified, Vary; right behind `lines` */
};
struct ax_files;

/* `nroutes`: of the site; route ids are 1..nroutes.  OWNED; NULL = out of memory. */
struct ax_files *ax_files_new(unsigned nroutes, const struct ax_mime *mime);
void ax_files_free(struct ax_files *f); /* NULL is fine; nothing of it is held any more */

enum ax_files_found {
    AX_FILES_FILE,   /* *ret is filled: HELD, ax_file_put */
    AX_FILES_FOLDER, /* it is one */
    AX_FILES_NONE,   /* no such file, or a link out of the folder, a device, a pipe */
    AX_FILES_DENIED, /* the server may not read it */
    AX_FILES_FULL,   /* too many files are open */
    AX_FILES_FAILED, /* out of memory, or the disk fails */
};
struct ax_files_query {
    uint32_t route;
    const char *folder; /* of the route */
    struct ax_str name; /* decoded, below the folder, no leading slash */
    enum ax_coding coding;
    bool typed; /* the route's own headers have a Content-Type: none is made */
};
/* As it is now: content is never older than the validators say.  A name that came to mean another file is
 * seen within a second. */
enum ax_files_found ax_files_get(struct ax_files *f, const struct ax_files_query *q, ax_mono now,
                                 struct ax_file **ret);
void ax_file_hold(struct ax_file *file);
void ax_file_put(void *file);
/* It was not what it seemed to be: the next to ask opens it anew. */
void ax_file_forget(struct ax_file *file);

/* A path below a folder, for a `*rest` as it was sent.  False, which is 404: dot files but .well-known, empty
 * segments within, an encoded slash, a backslash, control bytes, too long.  `out` has AX_FILES_PATH_MAX
 * bytes. */
bool ax_files_name(struct ax_str rest, char *out, size_t *ret_n);
/* Opens `name` (NUL-terminated, no "..") below the open folder; -errno when it fails.  `_walk` is for kernels
 * without openat2(2) (before 5.6): it follows no link at all. */
int ax_files_open(int folder, const char *name);
int ax_files_open_walk(int folder, const char *name);

#endif
