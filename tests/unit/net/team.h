/* Workers of one engine, each with a loop on a thread of its own, and what the engine's thread tells of them.
 */
#ifndef AX_TESTS_NET_TEAM_H
#define AX_TESTS_NET_TEAM_H

#include "net/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { WORKERS_MAX = 2, STALL_US = 200000, EVENTS_MAX = 16 };

struct team {
    struct ax_engine *engine;
    struct server s[WORKERS_MAX];
    pthread_mutex_t lock; /* guards the events */
    struct ax_engine_event event[EVENTS_MAX];
    unsigned nevents;
};

static inline void on_event(void *ctx, const struct ax_engine_event *ev)
{
    struct team *t = ctx;

    pthread_mutex_lock(&t->lock);
    if (t->nevents < EVENTS_MAX)
        t->event[t->nevents++] = *ev;
    pthread_mutex_unlock(&t->lock);
}

/* The first event of that kind; waits for it. */
static inline struct ax_engine_event await_event(struct team *t, enum ax_engine_event_kind kind)
{
    time_t end = time(NULL) + RECEIVE_S;

    for (;;) {
        pthread_mutex_lock(&t->lock);
        for (unsigned i = 0; i < t->nevents; i++)
            if (t->event[i].kind == kind) {
                struct ax_engine_event ev = t->event[i];
                t->event[i].kind = (enum ax_engine_event_kind)99;
                pthread_mutex_unlock(&t->lock);
                return ev;
            }
        pthread_mutex_unlock(&t->lock);
        if (time(NULL) > end)
            fail_msg("no event of kind %d", (int)kind);
        sched_yield();
    }
}

static inline void start_worker(struct team *t, unsigned id)
{
    server_init(&t->s[id]);
    t->s[id].id = id;
    t->s[id].engine = t->engine;
    t->s[id].set.limit_body = 1 << 20;
    server_start(&t->s[id]);
    server_command(&t->s[id], CMD_NONE); /* it has registered */
}

static inline void team_make(struct team *t, struct ax_engine_options o)
{
    struct ax_err err = {0};

    memset(t, 0, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    o.limit_connections = o.limit_inflight = o.limit_body_memory = -1;
    o.min_ready = 1;
    o.event = on_event;
    o.event_ctx = t;
    assert_int_equal(ax_engine_new(&o, &t->engine, &err), 0);
}

/* For one worker; without a stall there is no watchdog, without a listener nobody accepts. */
static inline void team_init(struct team *t, int64_t stall_us, int listener)
{
    team_make(t, (struct ax_engine_options){
                     .workers = 1, .stall_us = stall_us, .fds = &listener, .nfds = listener >= 0});
}

static inline void team_start_with(struct team *t, unsigned workers, int mailbox)
{
    team_make(
        t, (struct ax_engine_options){.workers = WORKERS_MAX, .stall_us = STALL_US, .mailbox_fd = mailbox});
    for (unsigned i = 0; i < workers; i++)
        start_worker(t, i);
}

static inline void team_start(struct team *t, unsigned workers)
{
    team_start_with(t, workers, -1);
}

static inline void end_spin(struct server *s)
{
    __atomic_store_n(&s->spin_over, true, __ATOMIC_RELEASE);
}

static inline void team_stop(struct team *t, unsigned workers)
{
    for (unsigned i = 0; i < workers; i++) {
        end_spin(&t->s[i]);
        server_stop(&t->s[i]);
    }
    ax_engine_free(t->engine);
    pthread_mutex_destroy(&t->lock);
}

/* A connection of that worker; the engine counts it as the accept thread would. */
static inline int join(struct team *t, unsigned id)
{
    assert_true(ax_engine_take_connection(t->engine));
    return pair_up(&t->s[id]);
}

static inline void until_entered(struct server *s, unsigned n)
{
    time_t end = time(NULL) + RECEIVE_S;

    while (locked(s, &s->entered) < n && time(NULL) < end)
        sched_yield();
    assert_true(locked(s, &s->entered) >= n);
}

static inline void until_spinning(struct server *s)
{
    time_t end = time(NULL) + RECEIVE_S;

    while (!__atomic_load_n(&s->spinning, __ATOMIC_ACQUIRE) && time(NULL) < end)
        sched_yield();
    assert_int_equal(__atomic_load_n(&s->spinning, __ATOMIC_ACQUIRE), 1);
}

#endif
