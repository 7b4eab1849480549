/* Nanoseconds per operation of the request head (scan and parse) and of the response head.
 *   make build/release/libactix.a
 *   cc -O2 -D_GNU_SOURCE -Iserver -I. -o build/head_bench bench/micro/head_bench.c build/release/libactix.a
 *   build/head_bench [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/head.h"
#include "http/response.h"

static const char small[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
static const char client[] =
    "GET /users/42?tab=posts HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nUser-Agent: wrk/4.2\r\n"
    "Accept: */*\r\nConnection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\n";
static const char browser[] =
    "GET /users/42?tab=posts HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\nsec-ch-ua: \"Chromium\";v=\"118\", \"Google Chrome\";v=\"118\"\r\n"
    "sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.0.0 "
    "Safari/537.36\r\nAccept: "
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    "\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: "
    "document\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: "
    "sid=0123456789abcdef01234567\r\n"
    "\r\n";

/* The best of BATCHES: what the machine does when nobody else is on it. */
enum { BATCHES = 20 };

static double since(int64_t start, unsigned rounds, double best)
{
    double ns = (double)(ax_mono_now().us - start) * 1000.0 / rounds;

    return ns < best ? ns : best;
}

static size_t scan(const char *p, size_t n, const struct ax_head_limits *l)
{
    struct ax_scanner s = {0};
    struct ax_refusal why;
    size_t len;

    if (ax_head_scan(&s, p, n, l, &len, &why) != AX_SCAN_DONE)
        exit(1);
    return len;
}

static unsigned parse(const char *p, size_t n, const struct ax_head_limits *l)
{
    _Alignas(16) char inline_bytes[1024];
    struct ax_refusal why;
    struct ax_arena a;
    struct ax_head h;

    ax_arena_init(&a, inline_bytes, sizeof inline_bytes, 65536);
    if (!ax_head_parse(p, n, l, &a, &h, &why))
        exit(1);
    ax_arena_reset(&a);
    return h.nfields;
}

static void bench_head(const char *label, const char *p, size_t n, unsigned rounds)
{
    const struct ax_head_limits limits = {16384, 8192, 100};
    double scan_ns = 1e9, parse_ns = 1e9;
    unsigned fields = 0;

    for (unsigned b = 0; b < BATCHES; b++) {
        int64_t start = ax_mono_now().us;
        for (unsigned i = 0; i < rounds; i++)
            scan(p, n, &limits);
        scan_ns = since(start, rounds, scan_ns);
        start = ax_mono_now().us;
        for (unsigned i = 0; i < rounds; i++)
            fields = parse(p, n, &limits);
        parse_ns = since(start, rounds, parse_ns);
    }
    printf("%-20s %4zu bytes %2u fields  scan %6.1f  parse %6.1f  together %6.1f ns\n", label, n, fields,
           scan_ns, parse_ns, scan_ns + parse_ns);
}

static void bench_response(const char *label, const struct ax_response_head *h, unsigned rounds)
{
    char out[1024];
    double ns = 1e9;
    size_t n = 0;

    for (unsigned b = 0; b < BATCHES; b++) {
        int64_t start = ax_mono_now().us;
        for (unsigned i = 0; i < rounds; i++) {
            n = ax_response_head_write(h, out);
            __asm__ volatile("" ::"r"(out) : "memory");
        }
        ns = since(start, rounds, ns);
    }
    printf("%-20s %4zu bytes  write %6.1f ns\n", label, n, ns);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50000;
    char date[AX_HTTP_DATE_LEN + 1];

    if (rounds == 0)
        return 2;
    ax_http_date(date, 784111777);
    struct ax_response_head text = {.status = 200, .content = AX_CONTENT_TEXT, .date = date, .length = 11};
    struct ax_response_head json = {.status = 200,
                                    .content = AX_CONTENT_JSON,
                                    .date = date,
                                    .length = 1234,
                                    .headers = AX_STR("X-Request-Id: 0123456789abcdef\r\n")};
    bench_head("smallest", small, sizeof small - 1, rounds);
    bench_head("load generator", client, sizeof client - 1, rounds);
    bench_head("browser", browser, sizeof browser - 1, rounds);
    bench_response("text", &text, rounds);
    bench_response("json with a header", &json, rounds);
    return 0;
}
