/* net/mailbox.h - how connections come to an engine from outside: one AF_UNIX SOCK_SEQPACKET pair per engine,
 * made by the supervisor.  The engine has the one end, whoever may give it something the other: the
 * supervisor, the engine before it (reload), the engines beside it (isolation: process).  One packet is one
 * thing, with its descriptor (SCM_RIGHTS, unix(7)); a packet comes whole or not at all, so there may be many
 * senders. Thread: any; sends and receives of one call are one system call. */
#ifndef AX_NET_MAILBOX_H
#define AX_NET_MAILBOX_H

#include "base/err.h"
#include "net/parcel.h"

/* Both ends non-blocking and close-on-exec; OWNED by the caller. */
int ax_mailbox_pair(int *ret_engine_end, int *ret_sender_end, struct ax_err *reterr);

/* The engine behind `to` gives its connections to the one behind `heir` from now on.  Both are sender ends;
 * they stay the caller's. */
int ax_mailbox_send_heir(int to, int heir, struct ax_err *reterr);
/* The engine behind `to` may give connections to the engine of another slot when it is in trouble itself;
 * peer -1 = that one has gone. */
int ax_mailbox_send_peer(int to, unsigned slot, int peer, struct ax_err *reterr);
/* A connection; its descriptor and memory stay the caller's, who frees it after 0.  -AX_E_BUSY: the mailbox
 * is full, later; -AX_E_STATE: nobody will ever receive it (the engine has gone, or it is no bytes); anything
 * else concerns this one alone (no descriptor or memory for it). */
int ax_mailbox_send_parcel(int to, const struct ax_parcel *p, struct ax_err *reterr);

enum ax_mail_kind { AX_MAIL_HEIR, AX_MAIL_PEER, AX_MAIL_PARCEL };
struct ax_mail {
    enum ax_mail_kind kind;
    unsigned slot;            /* PEER */
    int fd;                   /* HEIR, PEER: OWNED by the receiver; -1 = none */
    struct ax_parcel *parcel; /* PARCEL: OWNED by the receiver */
};
/* 1 and *ret; 0: nothing there now; -AX_E_STATE: every sender has gone; -AX_E_PROTO and others: this one
 * packet was no good and is lost. */
int ax_mailbox_receive(int engine_end, struct ax_mail *ret, struct ax_err *reterr);

#endif
