/* net/board.h - what the engines of one generation know of each other under `isolation: process`: a small
 * shared memory with one word per slot, made by the supervisor and inherited by all of them.  An engine
 * writes how loaded it is and leaves accepting to others while its word is above the least.
 *
 * A load is a number of connections, or of requests in progress, as the engines agree; AX_BOARD_ABSENT stands
 * for a slot whose engine does not accept: it has not begun, hands over, is stuck, or is gone (then the
 * supervisor writes it).  Words are relaxed atomics, each in a cache line of its own; a stale one costs some
 * balance and nothing else.  The memory is sealed against resizing; a number that makes no sense is only a
 * load.  Threads: any, for all calls but _free. */
#ifndef AX_NET_BOARD_H
#define AX_NET_BOARD_H

#include <stdint.h>

#include "base/err.h"

#define AX_BOARD_ABSENT UINT32_MAX
enum { AX_BOARD_SLOTS_MAX = 1024 };

struct ax_board; /* a mapping; opaque: board.c */

/* Supervisor: every slot is absent.  *ret_fd is OWNED, close-on-exec.  *ret is OWNED: ax_board_free. */
int ax_board_create(unsigned slots, struct ax_board **ret, int *ret_fd, struct ax_err *reterr);
/* Engine: maps an inherited one (the descriptor stays the caller's); -AX_E_PROTO when it is no board. */
int ax_board_attach(int fd, struct ax_board **ret, struct ax_err *reterr);
void ax_board_free(struct ax_board *b); /* unmaps; NULL is fine */

unsigned ax_board_slots(const struct ax_board *b);
/* A slot beyond the board is ignored. */
void ax_board_set(struct ax_board *b, unsigned slot, uint32_t load);
uint32_t ax_board_get(const struct ax_board *b, unsigned slot);
/* How many slots accept. */
unsigned ax_board_present(const struct ax_board *b);
/* The least load of all slots; AX_BOARD_ABSENT when none accepts.  One load per slot. */
uint32_t ax_board_least(const struct ax_board *b);

#endif
