/* supervisor/cpus.h - how many CPUs this process may really use: what `workers: auto` means.
 * The affinity mask, and the CPU quota of the control group (cgroup v2 cpu.max, v1 cpu.cfs_quota_us) of every
 * level above the process, rounded up.  Thread: any. */
#ifndef AX_SUPERVISOR_CPUS_H
#define AX_SUPERVISOR_CPUS_H

/* At least 1. */
unsigned ax_cpus(void);
/* The quota alone, from a tree that looks like / (for tests); 0 = none. */
unsigned ax_cpus_quota(const char *root);

#endif
