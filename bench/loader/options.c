#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"

enum { REQUEST_MAX = 16 << 20, SEND_MAX = 256 << 20 };

enum key {
    KEY_PORT,
    KEY_UNIX,
    KEY_PATH,
    KEY_METHOD,
    KEY_HEADER,
    KEY_BODY,
    KEY_SECONDS,
    KEY_WARMUP,
    KEY_CONNECTIONS,
    KEY_PIPELINE,
    KEY_THREADS,
    KEY_IDLE,
    KEY_JSON,
    KEY_HELP,
    KEYS
};

static const struct {
    const char *name, *value, *help; /* value NULL: a switch */
} table[KEYS] = {
    [KEY_PORT] = {"port", "N", "TCP port of the server on 127.0.0.1"},
    [KEY_UNIX] = {"unix", "PATH", "UNIX socket of the server, instead of --port"},
    [KEY_PATH] = {"path", "PATH", "path and query to ask for (/)"},
    [KEY_METHOD] = {"method", "NAME", "request method (GET; with --body: POST)"},
    [KEY_HEADER] = {"header", "'K: V'", "header field to send; may be repeated"},
    [KEY_BODY] = {"body", "TEXT", "request body; its Content-Length is sent along"},
    [KEY_SECONDS] = {"seconds", "S", "seconds that are recorded (5)"},
    [KEY_WARMUP] = {"warmup", "S", "seconds of load before them, not recorded (0)"},
    [KEY_CONNECTIONS] = {"connections", "N", "connections, shared by the threads (64)"},
    [KEY_PIPELINE] = {"pipeline", "N", "requests written at once on a connection (1)"},
    [KEY_THREADS] = {"threads", "N", "threads of the load generator (1)"},
    [KEY_IDLE] = {"idle", "N", "more connections: one request each, then open and silent (0)"},
    [KEY_JSON] = {"json", NULL, "the result as one line of JSON"},
    [KEY_HELP] = {"help", NULL, "this text"},
};

/* The texts of the command line, BORROWED from argv. */
struct texts {
    const char *unix_path, *path, *method, *body;
    uint64_t port;
    struct ax_buf headers; /* rendered lines, OWNED */
    bool host;             /* one of them is Host */
};

void ax_load_help(FILE *out)
{
    fputs("usage: loader (--port N | --unix PATH) [OPTION...]\n"
          "HTTP/1.1 load: each connection writes its requests, waits for all the answers, writes again.\n\n",
          out);
    for (unsigned i = 0; i < KEYS; i++)
        fprintf(out, "  --%-11s %-8s %s\n", table[i].name, table[i].value ? table[i].value : "",
                table[i].help);
    fputs(
        "\nResult: rps (answers a second), requests, seconds, p50 p90 p99 p999 max (microseconds from a "
        "write to the\nend of its last answer), samples (such writes), bytes (received), errors (connections "
        "closed or refused,\nbroken framing, requests without an answer), non2xx, client_cpu (seconds of CPU "
        "of the loader itself: near\nseconds x threads it was the limit), unrecorded (answers outside the "
        "recorded seconds), idle (still open).\n",
        out);
}

static int number(enum key key, uint64_t min, uint64_t max, uint64_t *ret, struct ax_err *reterr)
{
    uint64_t v = 0;

    if (!ax_str_u64(ax_str(optarg), &v) || v < min || v > max)
        return ax_fail(reterr, AX_E_RANGE, "--%s must be %llu..%llu (found \"%s\")", table[key].name,
                       (unsigned long long)min, (unsigned long long)max, optarg);
    *ret = v;
    return 0;
}

static int count(enum key key, uint64_t min, unsigned *ret, struct ax_err *reterr)
{
    uint64_t v = 0;
    int rc = number(key, min, 1000000, &v, reterr);

    *ret = (unsigned)v;
    return rc;
}

static int duration(enum key key, double min, double *ret, struct ax_err *reterr)
{
    char *end;
    double v = strtod(optarg, &end);

    if (end == optarg || *end || !(v >= min && v <= 86400))
        return ax_fail(reterr, AX_E_RANGE, "--%s must be %g..86400 seconds (found \"%s\")", table[key].name,
                       min, optarg);
    *ret = v;
    return 0;
}

static int header(struct ax_load_options *o, struct texts *t, struct ax_err *reterr)
{
    struct ax_str line = ax_str(optarg);
    const char *colon = memchr(line.p, ':', line.n);

    if (!colon || colon == line.p)
        return ax_fail(reterr, AX_E_SYNTAX, "--header must be 'Name: value' (found \"%s\")", optarg);
    struct ax_str name = {line.p, (size_t)(colon - line.p)};
    struct ax_str value = ax_str_trim((struct ax_str){colon + 1, line.n - name.n - 1});
    t->host |= ax_str_eq_nocase(name, AX_STR("host"));
    o->close_asked |=
        ax_str_eq_nocase(name, AX_STR("connection")) && ax_str_eq_nocase(value, AX_STR("close"));
    ax_buf_addf(&t->headers, "%s\r\n", optarg);
    return 0;
}

static int take(struct ax_load_options *o, struct texts *t, enum key key, struct ax_err *reterr)
{
    switch (key) {
    case KEY_PORT:
        return number(key, 1, UINT16_MAX, &t->port, reterr);
    case KEY_UNIX:
        t->unix_path = optarg;
        return 0;
    case KEY_PATH:
        t->path = optarg;
        return 0;
    case KEY_METHOD:
        t->method = optarg;
        return 0;
    case KEY_HEADER:
        return header(o, t, reterr);
    case KEY_BODY:
        t->body = optarg;
        return 0;
    case KEY_SECONDS:
        return duration(key, 0.01, &o->seconds, reterr);
    case KEY_WARMUP:
        return duration(key, 0, &o->warmup, reterr);
    case KEY_CONNECTIONS:
        return count(key, 1, &o->connections, reterr);
    case KEY_PIPELINE:
        return count(key, 1, &o->pipeline, reterr);
    case KEY_THREADS:
        return count(key, 1, &o->threads, reterr);
    case KEY_IDLE:
        return count(key, 0, &o->idle, reterr);
    case KEY_JSON:
        o->json = true;
        return 0;
    default:
        o->help = true;
        return 0;
    }
}

static int take_all(int argc, char **argv, struct ax_load_options *o, struct texts *t, struct ax_err *reterr)
{
    struct option longs[KEYS + 1] = {{0}};
    int rc = 0, found;

    for (unsigned i = 0; i < KEYS; i++)
        longs[i] = (struct option){.name = table[i].name, .has_arg = table[i].value != NULL, .val = (int)i};
    opterr = 0;
    while (rc == 0 && (found = getopt_long(argc, argv, "", longs, NULL)) != -1)
        rc = found < KEYS ? take(o, t, (enum key)found, reterr)
                          : ax_fail(reterr, AX_E_UNKNOWN, "%s: no such option, or it lacks its value",
                                    argv[optind - 1]);
    if (rc == 0 && optind < argc)
        rc = ax_fail(reterr, AX_E_UNKNOWN, "%s: no operands, only options", argv[optind]);
    return rc;
}

static int address(struct ax_load_options *o, const struct texts *t, struct ax_err *reterr)
{
    if (!t->unix_path == !t->port)
        return ax_fail(reterr, AX_E_MISSING, "one of --port and --unix says where the server is");
    if (t->port) {
        struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)t->port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        memcpy(&o->addr, &in, sizeof in);
        o->addr_bytes = sizeof in;
        return 0;
    }
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(t->unix_path) >= sizeof un.sun_path)
        return ax_fail(reterr, AX_E_LIMIT, "--unix: a path has at most %zu bytes", sizeof un.sun_path - 1);
    memcpy(un.sun_path, t->unix_path, strlen(t->unix_path));
    memcpy(&o->addr, &un, sizeof un);
    o->addr_bytes = sizeof un;
    return 0;
}

static int build_request(struct ax_load_options *o, const struct texts *t, struct ax_err *reterr)
{
    const char *method = t->method ? t->method : t->body ? "POST" : "GET";
    const char *body = t->body ? t->body : "";

    o->head = ax_str_eq(ax_str(method), AX_STR("HEAD"));
    ax_buf_addf(&o->one, "%s %s HTTP/1.1\r\n", method, t->path);
    if (!t->host && t->port)
        ax_buf_addf(&o->one, "Host: 127.0.0.1:%u\r\n", (unsigned)t->port);
    else if (!t->host)
        ax_buf_adds(&o->one, "Host: localhost\r\n");
    ax_buf_add(&o->one, t->headers.p, t->headers.n);
    if (t->body)
        ax_buf_addf(&o->one, "Content-Length: %zu\r\n", strlen(body));
    ax_buf_addf(&o->one, "\r\n%s", body);
    for (unsigned i = 0; i < o->pipeline && !o->send.failed; i++)
        ax_buf_add(&o->send, o->one.p, o->one.n);
    if (t->headers.failed || o->one.failed || o->send.failed)
        return ax_fail(reterr, AX_E_LIMIT, "the request is too large, or there is no memory for it");
    return 0;
}

int ax_load_options_parse(int argc, char **argv, struct ax_load_options *ret, struct ax_err *reterr)
{
    struct texts t = {.path = "/", .headers = AX_BUF_INIT(REQUEST_MAX)};

    *ret = (struct ax_load_options){.seconds = 5,
                                    .connections = 64,
                                    .pipeline = 1,
                                    .threads = 1,
                                    .one = AX_BUF_INIT(REQUEST_MAX),
                                    .send = AX_BUF_INIT(SEND_MAX)};
    int rc = take_all(argc, argv, ret, &t, reterr);
    if (rc < 0 || ret->help)
        goto out;
    rc = address(ret, &t, reterr);
    if (rc < 0)
        goto out;
    if (ret->connections < ret->threads)
        rc = ax_fail(reterr, AX_E_RANGE, "each of %u threads needs a connection", ret->threads);
    else
        rc = build_request(ret, &t, reterr);
out:
    ax_buf_fini(&t.headers);
    return rc;
}

void ax_load_options_fini(struct ax_load_options *o)
{
    ax_buf_fini(&o->one);
    ax_buf_fini(&o->send);
}
