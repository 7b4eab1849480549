/* net/take.h - taking over from a worker that stands still: what it has answered is sent, what its handlers
 * have is answered 502 or 504, and everything else goes to other workers as parcels. Thread: the watchdog's,
 * which owns the worker (AX_OWNER_TAKEN) and holds the engine's lock.  Calls nothing of libuv but
 * uv_backend_fd: its loop may still be turning. */
#ifndef AX_NET_TAKE_H
#define AX_NET_TAKE_H

#include "net/listener.h"

/* Empties w and fills in what was done; each connection that lives on is put into *ret_parcels.  Its
 * descriptor is a new one: in the place of the old one lies a copy of `dead`, on which nothing ever happens.
 */
void ax_take(struct ax_worker *w, int dead, struct ax_list *ret_parcels, struct ax_engine_event *ret);

#endif
