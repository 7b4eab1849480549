/* A response head as bytes: ax_response_head_write.  "shared": with the first lines kept as one text, as a
 * worker does; else each of them is written anew. */
#include "bench.h"
#include "http/response.h"

enum { OUT = 1024 };

static void write_head(void *arg, unsigned n)
{
    const struct ax_response_head *h = arg;
    char out[OUT];

    AX_ASSERT(ax_response_head_max(h) <= sizeof out);
    for (unsigned i = 0; i < n; i++) {
        AX_BENCH_USE(ax_response_head_write(h, out));
        AX_BENCH_USE(out);
    }
}

int main(int argc, char **argv)
{
    char date[AX_HTTP_DATE_LEN + 1];
    struct {
        const char *name;
        struct ax_response_head head;
    } rows[] = {
        {"text", {.status = 200, .content = AX_CONTENT_TEXT, .date = date, .length = 11}},
        {"JSON and a header",
         {.status = 200,
          .content = AX_CONTENT_JSON,
          .date = date,
          .length = 1234,
          .headers = AX_STR("X-Request-Id: 0123456789abcdef\r\n")}},
        {"204", {.status = 204, .date = date, .no_length = true}},
        {"404, close", {.status = 404, .content = AX_CONTENT_TEXT, .date = date, .length = 9, .close = true}},
    };
    struct ax_bench b = ax_bench_init(argc, argv, "response");
    struct ax_response_leads leads;

    ax_http_date(date, 784111777);
    ax_response_leads_clear(&leads);
    for (unsigned i = 0; i < AX_COUNT(rows); i++) {
        char name[AX_BENCH_NAME];
        ax_bench_row(&b, rows[i].name, write_head, &rows[i].head);
        rows[i].head.leads = &leads;
        snprintf(name, sizeof name, "%s, shared", rows[i].name);
        ax_bench_row(&b, name, write_head, &rows[i].head);
    }
    return 0;
}
