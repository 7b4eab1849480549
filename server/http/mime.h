/* http/mime.h - media types by the ending of a file's name.  Pure: who has the system's table gives its text.
 * The built-in table has what the web is made of; it is used for endings that no other table names.
 * Thread: made and frozen on one thread, then read by all. */
#ifndef AX_HTTP_MIME_H
#define AX_HTTP_MIME_H

#include "base/err.h"
#include "base/str.h"

struct ax_mime;

struct ax_mime *ax_mime_new(void);    /* OWNED; NULL = out of memory */
void ax_mime_free(struct ax_mime *m); /* NULL is fine */
/* Adds what a table says; of two lines for one ending the first counts.  Malformed lines are skipped.
 *   types: "text/html  html htm"           (/etc/mime.types)
 *   globs: "50:text/html:*.html"           (/usr/share/mime/globs2's kind) */
enum ax_mime_table { AX_MIME_TYPES, AX_MIME_GLOBS };
int ax_mime_add(struct ax_mime *m, enum ax_mime_table kind, struct ax_str text, struct ax_err *reterr);
/* Adds the built-in ones and makes it fit for ax_mime_of. */
int ax_mime_freeze(struct ax_mime *m, struct ax_err *reterr);
/* Of a name or path: by its longest ending that is known ("a.tar.gz": tar.gz, then gz), in any case.  Text
 * says that it is UTF-8.  application/octet-stream when nothing is known.  BORROWED from m. */
struct ax_str ax_mime_of(const struct ax_mime *m, struct ax_str name);

#endif
