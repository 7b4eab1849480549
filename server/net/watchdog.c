/* Workers that stand still.  The heartbeat of a worker is a turn of its loop, or the next request of its
 * running batch; a loop that sleeps is woken now and then to be heard. */
#include "base/assert.h"
#include "net/engine.h"
#include "net/take.h"

enum { LOOKS = 8, LOOK_MAX_US = 1000000, LOOK_MIN_US = 2000, SUSPECT_US = 100000, RETRY_US = 1000 };
enum { OWN_PAUSE_PART = 2 }; /* of `stall`: we look much oftener, unless we cannot */

static int32_t entering_of(const struct ax_worker *w)
{
    return w->entering ? __atomic_load_n(w->entering, __ATOMIC_RELAXED) : 0;
}

static uint64_t turns_of(const struct ax_worker *w)
{
    return __atomic_load_n(&w->count->turns, __ATOMIC_RELAXED);
}

static bool in_call(const struct ax_worker *w)
{
    return __atomic_load_n(&w->nhanded, __ATOMIC_RELAXED) > 0;
}

static uint32_t owner_of(const struct ax_worker *w)
{
    return __atomic_load_n(&w->owner, __ATOMIC_ACQUIRE);
}

void ax_watch_begin(struct ax_watch *k, const struct ax_worker *w)
{
    *k = (struct ax_watch){.turns = turns_of(w), .entering = entering_of(w), .since = ax_mono_now()};
}

/* True when it has moved since it was last looked at. */
static bool moved(struct ax_watch *k, const struct ax_worker *w)
{
    uint64_t turns = turns_of(w);
    int32_t entering = entering_of(w);

    if (turns == k->turns && entering == k->entering)
        return false;
    k->turns = turns;
    k->entering = entering;
    return true;
}

/* Nobody waits for it: its last hooks may take the time they are given. */
static bool has_left(const struct ax_watch *k, const struct ax_worker *w)
{
    return k->leaving && ax_worker_load(w).connections == 0;
}

bool ax_watch_suspects(const struct ax_engine *e, unsigned id)
{
    const struct ax_watch *k = &e->watch[id];
    const struct ax_worker *w = e->workers[id];

    return e->stall_us > 0 && (k->pinged || in_call(w)) && ax_mono_now().us - k->since.us > SUSPECT_US &&
           turns_of(w) == k->turns && entering_of(w) == k->entering;
}

/* ---- taking over; the lock is held */

/* The worker is TAKEN. */
static void take(struct ax_engine *e, unsigned id, struct ax_engine_event *ev)
{
    struct ax_worker *w = e->workers[id];
    struct ax_list parcels;

    ax_list_init(&parcels);
    ax_engine_forget_worker(e, id);
    ax_engine_show_absent(e);
    ax_take(w, e->dead, &parcels, ev);
    AX_LIST_EACH(it, &parcels)
    ax_engine_pass(e, AX_LIST_ENTRY(it, struct ax_parcel, node), NULL);
    __atomic_store_n(&w->owner, AX_OWNER_DONE, __ATOMIC_RELEASE);
}

static bool try_take(struct ax_worker *w)
{
    uint32_t js = AX_OWNER_JS;

    return __atomic_compare_exchange_n(&w->owner, &js, AX_OWNER_TAKEN, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static void ping(struct ax_watch *k, struct ax_worker *w, ax_mono now)
{
    k->pinged = true;
    k->since = now;
    uv_async_send(&w->wake);
}

/* What has happened to one of them: false = nothing.  *look: in how many us to look again. */
static bool watch_one(struct ax_engine *e, unsigned id, ax_mono now, int64_t *look,
                      struct ax_engine_event *ev)
{
    struct ax_worker *w = e->workers[id];
    struct ax_watch *k = &e->watch[id];

    *ev = (struct ax_engine_event){.kind = AX_EV_TAKEN, .worker = id, .why = AX_TAKE_ABORT};
    if (owner_of(w) == AX_OWNER_TAKEN) { /* ax_engine_abort */
        take(e, id, ev);
        return true;
    }
    if (e->stall_us < 0)
        return false;
    if (moved(k, w) || has_left(k, w)) {
        k->since = now;
        k->pinged = k->stuck = false;
        return false;
    }
    if (!in_call(w) && !k->pinged)
        ping(k, w, now);
    int64_t left = k->since.us + e->stall_us - now.us;
    if (left > 0) {
        *look = left < *look ? left : *look;
        return false;
    }
    ev->why = AX_TAKE_STALL;
    if (try_take(w)) {
        take(e, id, ev);
        return true;
    }
    *look = RETRY_US; /* it is within a native call, which ends soon, or never */
    if (left > -e->stall_us || k->stuck)
        return false;
    ev->kind = AX_EV_STUCK;
    k->stuck = true;
    return true;
}

/* We stood still ourselves (SIGSTOP, a frozen cgroup, no CPU for us): so did they, and it is not held against
 * them. */
static void forgive_own_pause(struct ax_engine *e, ax_mono now)
{
    int64_t pause = e->looked.us ? now.us - e->looked.us : 0;

    e->looked = now;
    if (e->stall_us < 0 || pause <= e->stall_us / OWN_PAUSE_PART)
        return;
    for (unsigned id = 0; id < e->max_workers; id++)
        e->watch[id].since.us += pause;
}

int ax_engine_watch(struct ax_engine *e)
{
    int64_t look = e->stall_us / LOOKS;

    look = look > LOOK_MAX_US ? LOOK_MAX_US : look < LOOK_MIN_US ? LOOK_MIN_US : look;
    pthread_mutex_lock(&e->lock);
    forgive_own_pause(e, ax_mono_now());
    pthread_mutex_unlock(&e->lock);
    for (unsigned id = 0; id < e->max_workers; id++) {
        struct ax_engine_event ev;
        pthread_mutex_lock(&e->lock);
        bool tell = e->workers[id] && watch_one(e, id, ax_mono_now(), &look, &ev);
        pthread_mutex_unlock(&e->lock);
        if (tell && e->event)
            e->event(e->event_ctx, &ev);
    }
    return e->stall_us < 0 ? -1 : (int)(look / 1000) + 1;
}

bool ax_engine_abort(struct ax_engine *e, struct ax_worker *w)
{
    if (!try_take(w))
        return false;
    ax_engine_wake(e);
    return true;
}
