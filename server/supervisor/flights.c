#include "supervisor/flights.h"

#include <stdio.h>

enum { FLIGHTS_MAX = AX_FLIGHTS }; /* of one worker */

static void name_of(const struct ax_segment *s, uint32_t route, char *out, size_t size)
{
    struct ax_route_name r;

    if (ax_segment_route(s, route, &r))
        snprintf(out, size, "%.*s %.*s", (int)r.method.n, r.method.p, (int)r.pattern.n, r.pattern.p);
    else
        snprintf(out, size, "route %u", (unsigned)route);
}

unsigned ax_flights_text(const struct ax_segment *s, struct ax_buf *b)
{
    struct ax_flight f[FLIGHTS_MAX];
    unsigned all = 0;

    for (unsigned w = 0; s && w < ax_segment_workers(s); w++) {
        unsigned n = ax_segment_flights(s, w, f, FLIGHTS_MAX);
        for (unsigned i = 0; i < n; i++, all++) {
            char name[96];
            if (all >= AX_FLIGHTS_NAMED)
                continue;
            name_of(s, f[i].route, name, sizeof name);
            ax_buf_addf(b, "%s%s (%.*s)", all ? ", " : "", name, AX_FLIGHT_ID, f[i].id); /* has no NUL */
        }
    }
    if (all > AX_FLIGHTS_NAMED)
        ax_buf_addf(b, " and %u more", all - AX_FLIGHTS_NAMED);
    return all;
}

bool ax_flights_one_route(const struct ax_segment *s, struct ax_route_name *ret)
{
    struct ax_flight f[FLIGHTS_MAX];
    uint32_t route = AX_ROUTE_NONE;

    for (unsigned w = 0; s && w < ax_segment_workers(s); w++) {
        unsigned n = ax_segment_flights(s, w, f, FLIGHTS_MAX);
        for (unsigned i = 0; i < n; i++) {
            if (route != AX_ROUTE_NONE && f[i].route != route)
                return false;
            route = f[i].route;
        }
    }
    return route != AX_ROUTE_NONE && ax_segment_route(s, route, ret);
}

static void add(struct ax_flights_tally *t, const char *name)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (strcmp(t->v[i].name, name) == 0) {
            t->v[i].n++;
            return;
        }
    }
    if (t->n == AX_FLIGHTS_NAMED) {
        t->others++;
        return;
    }
    snprintf(t->v[t->n].name, sizeof t->v[t->n].name, "%s", name);
    t->v[t->n++].n = 1;
}

void ax_flights_count(const struct ax_segment *s, struct ax_flights_tally *t)
{
    struct ax_flight f[FLIGHTS_MAX];

    for (unsigned w = 0; s && w < ax_segment_workers(s); w++) {
        unsigned n = ax_segment_flights(s, w, f, FLIGHTS_MAX);
        for (unsigned i = 0; i < n; i++) {
            char name[96];
            name_of(s, f[i].route, name, sizeof name);
            add(t, name);
        }
    }
}

void ax_flights_tally_text(const struct ax_flights_tally *t, struct ax_buf *b)
{
    for (unsigned i = 0; i < t->n; i++)
        ax_buf_addf(b, "%s%s: %u", i ? ", " : "", t->v[i].name, t->v[i].n);
    if (t->others)
        ax_buf_addf(b, "%sothers: %u", t->n ? ", " : "", t->others);
}
