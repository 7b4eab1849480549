/* A request head: found in the bytes and checked (scan), then taken apart into an arena (parse). */
#include "bench.h"
#include "http/head.h"

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

static const struct ax_head_limits limits = {.bytes = 16384, .uri = 8192, .fields = 100};

static void scan_once(const struct ax_str *head, struct ax_head_lines *lines)
{
    struct ax_scanner s = {0};
    struct ax_refusal why;
    size_t len;
    enum ax_scan found = ax_head_scan_lines(&s, head->p, head->n, &limits, &len, lines, &why);

    AX_ASSERT(found == AX_SCAN_DONE);
}

static void scan(void *arg, unsigned n)
{
    struct ax_head_lines lines;

    for (unsigned i = 0; i < n; i++)
        scan_once(arg, &lines);
}

static void parse(void *arg, unsigned n)
{
    _Alignas(16) char inline_bytes[1024];
    const struct ax_str *head = arg;
    struct ax_head_lines lines;
    struct ax_refusal why;
    struct ax_arena a;
    struct ax_head h;

    scan_once(head, &lines);
    for (unsigned i = 0; i < n; i++) {
        ax_arena_init(&a, inline_bytes, sizeof inline_bytes, 65536);
        bool ok = ax_head_parse_lines(head->p, head->n, &limits, &lines, &a, &h, &why);
        AX_ASSERT(ok);
        AX_BENCH_USE(&h);
        ax_arena_reset(&a);
    }
}

int main(int argc, char **argv)
{
    static struct {
        const char *name;
        struct ax_str head;
    } heads[] = {{"smallest", {small, sizeof small - 1}},
                 {"load generator", {client, sizeof client - 1}},
                 {"browser", {browser, sizeof browser - 1}}};
    struct ax_bench b = ax_bench_init(argc, argv, "head");

    for (unsigned i = 0; i < AX_COUNT(heads); i++) {
        char name[AX_BENCH_NAME];
        snprintf(name, sizeof name, "scan, %s, %zu bytes", heads[i].name, heads[i].head.n);
        ax_bench_row(&b, name, scan, &heads[i].head);
        snprintf(name, sizeof name, "parse, %s, %zu bytes", heads[i].name, heads[i].head.n);
        ax_bench_row(&b, name, parse, &heads[i].head);
    }
    return 0;
}
