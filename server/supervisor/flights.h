/* supervisor/flights.h - what an engine has in hand, as its flight recorder says: for the report of a crash
 * and of a stop that waits.  Thread: any that may read the segment. */
#ifndef AX_SUPERVISOR_FLIGHTS_H
#define AX_SUPERVISOR_FLIGHTS_H

#include "base/buf.h"
#include "metrics/segment.h"

enum { AX_FLIGHTS_NAMED = 10 }; /* requests, or routes, that a text names; the rest is counted */

/* Appends "GET /a (0123456789abcdef), GET /b (...) and 3 more"; returns how many there are. */
unsigned ax_flights_text(const struct ax_segment *s, struct ax_buf *b);
/* The one route that all of them are of, BORROWED from the segment; false: several, or none. */
bool ax_flights_one_route(const struct ax_segment *s, struct ax_route_name *ret);

/* Requests by route, over several engines. */
struct ax_flights_tally {
    struct {
        char name[96]; /* "GET /a" */
        unsigned n;
    } v[AX_FLIGHTS_NAMED];
    unsigned n, others; /* entries of v; requests of routes that found no place in it */
};
void ax_flights_count(const struct ax_segment *s, struct ax_flights_tally *t);
/* Appends "GET /a: 3, GET /b: 1, others: 2". */
void ax_flights_tally_text(const struct ax_flights_tally *t, struct ax_buf *b);

#endif
