/* config/problems.h - collecting every problem of a run, for one report in file order.
 * Thread: none.  A problem that cannot be stored sets the sticky `failed`; the loader then answers
 * AX_E_NOMEM. */
#ifndef AX_CONFIG_PROBLEMS_H
#define AX_CONFIG_PROBLEMS_H

#include "config/manifest.h"

/* `at` NULL, or line 0, means no place in a file.  The same sentence at the same place is recorded once,
 * since an anchor's text is decoded once for each alias. */
void ax_problem(struct ax_problems *p, enum ax_code code, const struct ax_place *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void ax_problem_warn(struct ax_problems *p, const struct ax_place *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Orders by file (as in files[0..n)), line, column; what has no file comes first. */
void ax_problems_sort(struct ax_problems *p, const char *const *files, size_t n);

#endif
