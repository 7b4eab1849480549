/* base/trim.h - gives back memory that only the start of a program needed: free blocks of the allocator, and
 * pages of the program's own file.  Node touches 45 MB of its 95 MB file while it starts, and serves with
 * less than half of them. Only mappings that the kernel calls clean are dropped (no private copy of any
 * page), so what is needed again comes back from the page cache, 64 KiB a fault. Thread: any, once, after the
 * start. */
#ifndef AX_BASE_TRIM_H
#define AX_BASE_TRIM_H

#include <stddef.h>

/* Bytes of the program's file that were mapped in and are not any more; 0 where /proc cannot tell. */
size_t ax_trim_program(void);

#endif
