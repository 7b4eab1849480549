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

static double since(int64_t start, unsigned rounds)
{
    return (double)(ax_mono_now().us - start) * 1000.0 / rounds;
}

static void bench_head(const char *label, const char *p, size_t n, unsigned rounds)
{
    const struct ax_head_limits limits = {16384, 8192, 100};
    _Alignas(16) char inline_bytes[1536];
    struct ax_refusal why;
    struct ax_arena a;
    struct ax_head h;
    size_t len = 0;

    int64_t start = ax_mono_now().us;
    for (unsigned i = 0; i < rounds; i++) {
        struct ax_scanner s = {0};
        if (ax_head_scan(&s, p, n, &limits, &len, &why) != AX_SCAN_DONE)
            exit(1);
    }
    double scan = since(start, rounds);
    start = ax_mono_now().us;
    for (unsigned i = 0; i < rounds; i++) {
        ax_arena_init(&a, inline_bytes, sizeof inline_bytes, 65536);
        if (!ax_head_parse(p, len, &limits, &a, &h, &why))
            exit(1);
        ax_arena_reset(&a);
    }
    double parse = since(start, rounds);
    printf("%-24s %4zu bytes %2u fields  scan %6.1f  parse %6.1f  together %6.1f ns\n", label, n, h.nfields,
           scan, parse, scan + parse);
}

static void bench_response(const char *label, const struct ax_response_head *h, unsigned rounds)
{
    char out[1024];
    size_t sum = 0;

    int64_t start = ax_mono_now().us;
    for (unsigned i = 0; i < rounds; i++) {
        sum += ax_response_head_write(h, out);
        __asm__ volatile("" ::"r"(out) : "memory");
    }
    printf("%-24s %4zu bytes            write %6.1f ns\n", label, sum / rounds, since(start, rounds));
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000000;
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
