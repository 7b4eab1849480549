/* supervisor/proc.h - what /proc says about a process (proc(5)).  Thread: any. */
#ifndef AX_SUPERVISOR_PROC_H
#define AX_SUPERVISOR_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ax_proc {
    uint64_t rss_bytes; /* resident; pages shared between processes count in each */
    uint64_t cpu_us;    /* user and system since its start */
};

/* False when there is no such process. */
bool ax_proc_read(pid_t pid, struct ax_proc *ret);

#endif
