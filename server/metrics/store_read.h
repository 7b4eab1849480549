/* metrics/store_read.h - between store_query.c (what is asked) and store_reader.c (which handle is asked). */
#ifndef AX_METRICS_STORE_READ_H
#define AX_METRICS_STORE_READ_H

#include "metrics/store.h"

struct sqlite3;
/* Needs ax_hist_sum on db.  As ax_store_query. */
int ax_store_read(struct sqlite3 *db, const struct ax_stats_query *q, struct ax_stats **ret,
                  struct ax_err *reterr);

#endif
