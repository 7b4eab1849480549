/* loader - HTTP/1.1 load in a closed loop: `loader --help`.
 * For servers that outrun the usual generators: two system calls a round and a share of an epoll_wait, and no
 * byte of an answer is kept.  Every answer's status and framing are looked at all the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "worker.h"

enum { EXIT_WRONG_USE = 2 };

struct load {
    struct ax_load_options o;
    struct ax_load_worker *workers; /* OWNED, o.threads of them */
    struct ax_load_conn *idle;      /* OWNED */
    struct ax_load_share *share;    /* OWNED: the idle connections' */
    unsigned nidle;
};

struct result {
    struct ax_load_tally sum;
    double seconds, cpu_s;
    unsigned idle; /* still open at the end */
};

/* Best effort: without enough descriptors the socket call says so. */
static void allow_descriptors(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

static int open_idle(struct load *l, struct ax_err *reterr)
{
    if (l->o.idle == 0)
        return 0;
    l->share = ax_calloc(1, sizeof *l->share);
    l->idle = ax_calloc(l->o.idle, sizeof *l->idle);
    if (!l->share || !l->idle)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for %u idle connections", l->o.idle);
    l->share->o = &l->o;
    l->share->begin_ns = INT64_MAX;
    for (; l->nidle < l->o.idle; l->nidle++) {
        ax_load_conn_init(&l->idle[l->nidle], l->o.head);
        int rc = ax_load_conn_idle(&l->idle[l->nidle], l->share, reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int open_all(struct load *l, struct ax_err *reterr)
{
    unsigned threads = l->o.threads, n = l->o.connections;
    int rc = open_idle(l, reterr);

    if (rc < 0)
        return rc;
    l->workers = ax_calloc(threads, sizeof *l->workers);
    if (!l->workers)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for %u threads", threads);
    for (unsigned i = 0; rc == 0 && i < threads; i++)
        rc = ax_load_worker_init(&l->workers[i], &l->o, n / threads + (i < n % threads), reterr);
    return rc;
}

static int run(struct load *l, struct ax_err *reterr)
{
    int64_t begin = ax_load_now_ns() + (int64_t)(l->o.warmup * 1e9);
    unsigned started = 0;
    int rc = 0;

    for (; started < l->o.threads; started++) {
        struct ax_load_worker *w = &l->workers[started];
        w->begin_ns = begin;
        w->end_ns = begin + (int64_t)(l->o.seconds * 1e9);
        int os = pthread_create(&w->thread, NULL, ax_load_worker_run, w);
        if (os) {
            rc = ax_fail_os(reterr, os, "cannot start thread %u", started);
            break;
        }
    }
    while (started-- > 0)
        pthread_join(l->workers[started].thread, NULL);
    return rc;
}

static void add_up(const struct load *l, struct result *r)
{
    for (unsigned i = 0; i < l->o.threads; i++) {
        const struct ax_load_worker *w = &l->workers[i];
        const struct ax_load_tally *t = &w->share.tally;
        double seconds = (double)(w->end_ns - w->begin_ns) / 1e9;
        r->sum.requests += t->requests;
        r->sum.unrecorded += t->unrecorded;
        r->sum.bytes += t->bytes;
        r->sum.errors += t->errors;
        r->sum.non2xx += t->non2xx;
        ax_latency_merge(&r->sum.latency, &t->latency);
        r->seconds = seconds > r->seconds ? seconds : r->seconds;
        r->cpu_s += w->cpu_s;
    }
    for (unsigned i = 0; i < l->nidle; i++) {
        bool dead = ax_load_conn_is_dead(&l->idle[i]);
        r->idle += !dead;
        r->sum.errors += dead;
    }
    r->sum.unrecorded += l->nidle;
}

static double us(const struct ax_latency *l, double q)
{
    return (double)ax_latency_quantile(l, q) / 1000;
}

static void print_json(const struct result *r)
{
    const struct ax_load_tally *t = &r->sum;
    const struct ax_latency *l = &t->latency;

    printf("{\"rps\":%.1f,\"requests\":%llu,\"seconds\":%.3f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
           "\"p999\":%.1f,\"max\":%.1f,\"samples\":%llu,\"bytes\":%llu,\"errors\":%llu,\"non2xx\":%llu,"
           "\"client_cpu\":%.3f,\"unrecorded\":%llu,\"idle\":%u}\n",
           (double)t->requests / r->seconds, (unsigned long long)t->requests, r->seconds, us(l, 0.5),
           us(l, 0.9), us(l, 0.99), us(l, 0.999), (double)l->max_ns / 1000, (unsigned long long)l->samples,
           (unsigned long long)t->bytes, (unsigned long long)t->errors, (unsigned long long)t->non2xx,
           r->cpu_s, (unsigned long long)t->unrecorded, r->idle);
}

static void print_text(const struct result *r)
{
    const struct ax_load_tally *t = &r->sum;
    const struct ax_latency *l = &t->latency;

    printf("%.0f requests/s: %llu in %.2f s, %llu bytes received\n", (double)t->requests / r->seconds,
           (unsigned long long)t->requests, r->seconds, (unsigned long long)t->bytes);
    printf("latency in us: p50 %.1f  p90 %.1f  p99 %.1f  p999 %.1f  max %.1f  (%llu samples)\n", us(l, 0.5),
           us(l, 0.9), us(l, 0.99), us(l, 0.999), (double)l->max_ns / 1000, (unsigned long long)l->samples);
    printf("errors %llu, status other than 2xx %llu, answers not recorded %llu, idle connections %u\n",
           (unsigned long long)t->errors, (unsigned long long)t->non2xx, (unsigned long long)t->unrecorded,
           r->idle);
    printf("CPU of the load generator: %.2f s\n", r->cpu_s);
}

static int load(struct load *l, struct ax_err *reterr)
{
    struct result r = {0};
    int rc = open_all(l, reterr);

    if (rc < 0)
        return rc;
    rc = run(l, reterr);
    if (rc < 0)
        return rc;
    add_up(l, &r);
    (l->o.json ? print_json : print_text)(&r);
    return r.sum.requests ? 0 : ax_fail(reterr, AX_E_PROTO, "no request was answered");
}

static void close_all(struct load *l)
{
    for (unsigned i = 0; l->workers && i < l->o.threads; i++)
        ax_load_worker_fini(&l->workers[i]);
    ax_free(l->workers);
    for (unsigned i = 0; l->idle && i < l->o.idle; i++)
        if (l->idle[i].magic)
            ax_load_conn_fini(&l->idle[i]);
    ax_free(l->idle);
    ax_free(l->share);
    ax_load_options_fini(&l->o);
}

int main(int argc, char **argv)
{
    struct load l = {0};
    struct ax_err err = {0};
    int status = EXIT_SUCCESS;

    if (ax_load_options_parse(argc, argv, &l.o, &err) < 0) {
        fprintf(stderr, "loader: %s; see loader --help\n", err.msg);
        status = EXIT_WRONG_USE;
    } else if (l.o.help) {
        ax_load_help(stdout);
    } else {
        allow_descriptors();
        if (load(&l, &err) < 0) {
            fprintf(stderr, "loader: %s\n", err.msg);
            status = EXIT_FAILURE;
        }
    }
    close_all(&l);
    return status;
}
