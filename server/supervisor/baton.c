#include "supervisor/baton.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

enum { FDS_FIRST = 32 };

/* ---- descriptors */
json_t *ax_baton_fd(struct ax_baton *b, int fd)
{
    if (fd >= 0 && b->n == b->cap) {
        unsigned cap = b->cap ? b->cap * 2 : FDS_FIRST;
        int *grown = ax_realloc(b->fds, cap * sizeof *grown);
        b->failed = b->failed || !grown;
        if (!grown)
            return NULL;
        b->fds = grown;
        b->cap = cap;
    }
    if (fd >= 0)
        b->fds[b->n++] = fd;
    return json_integer(fd);
}

bool ax_baton_hold(const struct ax_baton *b, bool over_exec)
{
    bool all = true;

    for (unsigned i = 0; i < b->n; i++)
        all = fcntl(b->fds[i], F_SETFD, over_exec ? 0 : FD_CLOEXEC) == 0 && all;
    return all;
}

void ax_baton_fini(struct ax_baton *b)
{
    ax_free(b->fds);
    *b = (struct ax_baton){0};
}

int ax_baton_take_fd(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    int fd = v ? (int)json_integer_value(v) : -1;

    return fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
}

/* ---- plain values */
json_t *ax_baton_text(const char *text)
{
    return text ? json_string(text) : json_null();
}

int64_t ax_baton_number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_boolean(v) ? json_is_true(v) : json_integer_value(v);
}

char *ax_baton_dup(const json_t *o, const char *key, bool *nomem)
{
    const char *text = json_string_value(json_object_get(o, key));
    char *copy = text ? ax_strdup(text) : NULL;

    *nomem = *nomem || (text && !copy);
    return copy;
}

json_t *ax_baton_bytes(struct ax_str s)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = ax_malloc(s.n * 2 + 1);

    if (!hex)
        return NULL;
    for (size_t i = 0; i < s.n; i++) {
        hex[2 * i] = digits[(unsigned char)s.p[i] >> 4];
        hex[2 * i + 1] = digits[(unsigned char)s.p[i] & 15];
    }
    hex[s.n * 2] = '\0';
    json_t *v = json_string(hex);
    ax_free(hex);
    return v;
}

struct ax_str ax_baton_take_bytes(const json_t *o, const char *key)
{
    const char *hex = json_string_value(json_object_get(o, key));
    size_t n = hex ? strlen(hex) / 2 : 0;
    char *p = n ? ax_malloc(n) : NULL;

    for (size_t i = 0; p && i < n; i++) {
        int high = ax_hex(hex[2 * i]), low = ax_hex(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            n = i;
        else
            p[i] = (char)(high * 16 + low);
    }
    return (struct ax_str){p, p ? n : 0};
}

/* ---- sockets */
static json_t *socket_json(struct ax_baton *b, const struct ax_socket *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:I, s:I, s:i, s:I}", "fd", ax_baton_fd(b, s->fd), "url",
                     ax_baton_text(s->url), "path", ax_baton_text(s->unix_path), "key", ax_baton_text(s->key),
                     "everywhere", s->everywhere, "dev", (json_int_t)s->file.dev, "ino",
                     (json_int_t)s->file.ino, "mode", s->access.mode, "gid", (json_int_t)s->access.gid);
}

json_t *ax_baton_sockets(struct ax_baton *b, const struct ax_sockets *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->n; i++)
        if (json_array_append_new(list, socket_json(b, &s->v[i])) < 0)
            b->failed = true;
    return list;
}

int ax_baton_take_sockets(const json_t *list, struct ax_sockets *ret, struct ax_err *reterr)
{
    struct ax_sockets s = {.n = 0};
    bool nomem = false;

    for (size_t i = 0; i < json_array_size(list) && i < AX_SOCKETS_MAX && !nomem; i++) {
        const json_t *o = json_array_get(list, i);
        int fd = ax_baton_take_fd(o, "fd");
        if (fd < 0) {
            ax_sockets_close(&s);
            return ax_fail(reterr, AX_E_PROTO, "a listening socket was lost");
        }
        s.v[s.n++] = (struct ax_socket){
            .fd = fd,
            .url = ax_baton_dup(o, "url", &nomem),
            .unix_path = ax_baton_dup(o, "path", &nomem),
            .key = ax_baton_dup(o, "key", &nomem),
            .everywhere = ax_baton_number(o, "everywhere"),
            .file = {.dev = (dev_t)ax_baton_number(o, "dev"), .ino = (ino_t)ax_baton_number(o, "ino")},
            .access = {.mode = (int)ax_baton_number(o, "mode"), .gid = (gid_t)ax_baton_number(o, "gid")}};
    }
    if (nomem) {
        ax_sockets_close(&s);
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    *ret = s;
    return 0;
}

/* ---- sums */
static json_t *total_json(const struct ax_total *t)
{
    json_t *buckets = json_array();

    for (unsigned i = 0; i <= AX_TOTALS_BOUNDS; i++)
        json_array_append_new(buckets, json_integer((json_int_t)t->bucket[i]));
    return json_pack("{s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "method", t->method, "pattern",
                     t->pattern, "class", (int)t->status_class, "buckets", buckets, "count",
                     (json_int_t)t->count, "bytes_in", (json_int_t)t->bytes_in, "bytes_out",
                     (json_int_t)t->bytes_out, "queue_us", (json_int_t)t->queue_us, "handler_us",
                     (json_int_t)t->handler_us, "send_us", (json_int_t)t->send_us);
}

json_t *ax_baton_totals(const struct ax_totals *t)
{
    const struct ax_counters *c = ax_totals_counters(t);
    json_t *counters = json_object(), *series = json_array();
    int bad = 0;

#define M(name, kind, unit, help)                                                                            \
    bad |= json_object_set_new(counters, #name, json_integer((json_int_t)c->name));
#include "metrics/metrics.def"
#undef M
    for (unsigned i = 0; i < ax_totals_count(t); i++)
        bad |= json_array_append_new(series, total_json(ax_totals_at(t, i)));
    json_t *o = json_pack("{s:o, s:o}", "counters", counters, "series", series);
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static int take_total(const json_t *o, struct ax_totals *t, struct ax_err *reterr)
{
    const char *method = json_string_value(json_object_get(o, "method"));
    const char *pattern = json_string_value(json_object_get(o, "pattern"));
    const json_t *buckets = json_object_get(o, "buckets");
    struct ax_total sum = {.method = method ? method : "-",
                           .pattern = pattern ? pattern : "(none)",
                           .status_class = (unsigned)ax_baton_number(o, "class"),
                           .count = (uint64_t)ax_baton_number(o, "count"),
                           .bytes_in = (uint64_t)ax_baton_number(o, "bytes_in"),
                           .bytes_out = (uint64_t)ax_baton_number(o, "bytes_out"),
                           .queue_us = (uint64_t)ax_baton_number(o, "queue_us"),
                           .handler_us = (uint64_t)ax_baton_number(o, "handler_us"),
                           .send_us = (uint64_t)ax_baton_number(o, "send_us")};

    for (unsigned i = 0; i <= AX_TOTALS_BOUNDS; i++)
        sum.bucket[i] = (uint64_t)json_integer_value(json_array_get(buckets, i));
    return ax_totals_seed(t, &sum, reterr);
}

int ax_baton_take_totals(const json_t *o, struct ax_totals *t, struct ax_err *reterr)
{
    const json_t *counters = json_object_get(o, "counters"), *series = json_object_get(o, "series");
    struct ax_counters c = {0};
    int rc = 0;

#define M(name, kind, unit, help) c.name = (uint64_t)ax_baton_number(counters, #name);
#include "metrics/metrics.def"
#undef M
    ax_totals_seed_counters(t, &c);
    for (size_t i = 0; rc == 0 && i < json_array_size(series); i++)
        rc = take_total(json_array_get(series, i), t, reterr);
    return rc;
}
