/* http/accept_encoding.h - which content coding a client would like best: RFC 9110, 12.5.3.  Pure. */
#ifndef AX_HTTP_ACCEPT_ENCODING_H
#define AX_HTTP_ACCEPT_ENCODING_H

#include "base/str.h"

/* In the order in which the server would choose among what a client likes equally well. */
enum ax_coding {
    AX_CODING_IDENTITY,
    AX_CODING_GZIP,
    AX_CODING_BR,
    AX_CODINGS,
};

/* Thousandths: 0 = refused, or not named where only named codings count. `value` p NULL: no field. */
unsigned ax_accept_quality(struct ax_str value, enum ax_coding c);
/* The best of `have`, bits (1 << enum ax_coding) beside identity, which is always there; identity also when
 * the client refuses all there is: better an answer than 406. */
enum ax_coding ax_accept_encoding(struct ax_str value, unsigned have);
const char *ax_coding_name(enum ax_coding c); /* "br"; "identity" */

#endif
