/* What limits have refused, for the `events` table: one event a second at most for each, and none while a
 * limit is quiet.  Its text begins "NAME: COUNT ", which the reader sums up again (store_query.c). */
#include <inttypes.h>
#include <stdio.h>

#include "metrics/store_private.h"

/* Events that wait for a database that cannot be written: the rest is for what happens once. */
enum { ROOM_FOR_OTHERS = AX_STORE_EVENTS_MAX / 2 };

int ax_store_put_limits(struct ax_store *st, int64_t ts, struct ax_err *reterr)
{
    char text[100];

    if (ts == st->limited_s || st->nevents >= ROOM_FOR_OTHERS)
        return 0; /* counted on */
    for (unsigned i = 0; i < AX_LIMITS; i++) {
        uint64_t n = st->limited[i];
        if (n == 0)
            continue;
        snprintf(text, sizeof text, "%s: %" PRIu64 " request%s refused", ax_limit_name(i), n,
                 n > 1 ? "s" : "");
        int rc = ax_store_queue_event(st, (ax_wall){ts * 1000000}, "limit", text, reterr);
        if (rc < 0)
            return rc; /* counted on, until there is memory */
        st->limited[i] = 0;
        st->limited_s = ts;
    }
    return 0;
}
