/* http/encoding.h - what is worth compressing, and lists in fields.  Which coding a client takes is in
 * accept_encoding.h.  Pure. */
#ifndef AX_HTTP_ENCODING_H
#define AX_HTTP_ENCODING_H

#include <stdbool.h>

#include "base/str.h"

/* A content type, parameters aside, of a list of lines ("text/html", "text/" and a star); an empty list is
 * the server's own: text, JSON, JavaScript, XML, SVG, WebAssembly and the like. */
bool ax_type_compresses(struct ax_str type, struct ax_str list);
/* Does Accept name text/html itself, with a weight above 0?  What takes anything (curl) is no browser. */
bool ax_accepts_html(struct ax_str accept);
/* Is `word` an element of a list of tokens, as in Cache-Control or Vary, in any case?  Parameters aside. */
bool ax_list_has(struct ax_str list, struct ax_str word);

#endif
