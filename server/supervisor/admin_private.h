/* supervisor/admin_private.h - shared by admin.c (doors and their life) and admin_pages.c (what is answered).
 */
#ifndef AX_SUPERVISOR_ADMIN_PRIVATE_H
#define AX_SUPERVISOR_ADMIN_PRIVATE_H

#include "base/clock.h"
#include "base/list.h"
#include "metrics/totals.h"
#include "net/worker.h"
#include "supervisor/admin.h"
#include "supervisor/sockets.h"

enum { AX_ADMIN_MAGIC = 0x41444d49, AX_DOOR_MAGIC = 0x444f4f52 };

struct ax_door {
    uint32_t magic;
    struct ax_admin *admin; /* lives longer */
    struct ax_list node;    /* in admin->doors, until it is closed */
    char *key;              /* OWNED: what makes two addresses of a manifest the same */
    struct ax_sockets sockets;
    struct ax_sockets
        wanted; /* of the preparation that runs: a Unix socket's new mode and group; n = 0: none */
    struct ax_segment *segment; /* OWNED: what its worker counts of itself; nobody reads it */
    struct ax_worker *worker;   /* OWNED */
    bool fresh, leaving;        /* of the preparation that runs */
};

struct ax_admin_engine {
    const struct ax_segment *segment; /* BORROWED */
    pid_t pid;
    uint64_t cpu_us; /* counted already */
};

struct ax_admin {
    uint32_t magic;
    struct ax_admin_options o;
    struct ax_list doors;
    unsigned ndoors;          /* those that are being closed among them */
    struct ax_totals *totals; /* OWNED; NULL while there is no door: then nothing is read */
    struct ax_admin_engine engine[AX_WRITER_SOURCES_MAX];
    unsigned engines;
    uint64_t own_cpu_us, cpu_us;        /* our own, counted already; of us and all engines there ever were */
    uv_timer_t look;                    /* for heartbeats */
    bool closing, look_closed, watched; /* watched: reads without a door, too */
    ax_mono moved_at;                   /* when a worker's loop was last seen to have moved */
    ax_wall started;
    unsigned pages; /* pages of metrics that are not sent yet */
};

/* A door on sockets that are open (taken with success). */
int ax_admin_door(struct ax_admin *a, const char *key, struct ax_sockets *sockets, struct ax_err *reterr);
int ax_admin_read(struct ax_admin *a, struct ax_err *reterr); /* begins to, unless it does already */
/* Looks at the heartbeats; returns when it should be looked again, in milliseconds. */
uint64_t ax_admin_look(struct ax_admin *a);
/* What /proc says of us and the engines now; returns the resident bytes and brings a->cpu_us up to date. */
uint64_t ax_admin_usage(struct ax_admin *a);
/* The routes and the dispatcher of a door. */
int ax_admin_site(struct ax_site **ret, struct ax_err *reterr);
int ax_admin_run(void *admin, struct ax_request *const *reqs, unsigned n);

#endif
