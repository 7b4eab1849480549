/* A request is over: counted, recorded when the manifest asks for it, and written to the access log. */
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "http/traceparent.h"
#include "net/internal.h"

enum { ACCESS_BUFFER = 65536 };

static bool wants_record(const struct ax_worker *w, const struct ax_request *r, int64_t duration_us)
{
    switch (w->set->record) {
    case AX_KEEP_NONE:
        return false;
    case AX_KEEP_ERRORS:
        return r->status == 0 || r->status >= 500;
    case AX_KEEP_SLOW:
        return r->status == 0 || r->status >= 500 || duration_us >= w->set->record_slow_us;
    default:
        return true;
    }
}

static struct ax_str method_of(const struct ax_request *r)
{
    return r->head.method_name.n ? ax_head_str(&r->head, r->head.method_name) : AX_STR("-");
}

AX_COLD static void record(struct ax_request *r, ax_wall at, int64_t duration_us)
{
    struct ax_request_record rec = {
        .ts_us = at.us,
        .duration_us = (uint64_t)duration_us,
        .bytes_in = r->bytes_in,
        .bytes_out = r->bytes_out,
        .route = r->route,
        .status = r->status,
    };

    rec.method_len = ax_record_text(rec.method, sizeof rec.method, method_of(r));
    rec.id_len = ax_record_text(rec.id, sizeof rec.id, ax_str(ax_request_id(r)));
    rec.remote_len = ax_record_text(rec.remote, sizeof rec.remote, ax_str(ax_request_remote(r)));
    rec.path_len = ax_record_text(rec.path, sizeof rec.path, ax_head_str(&r->head, r->head.path));
    const char *error = r->error ? r->error : r->status == 0 ? "aborted" : "";
    rec.error_len = ax_record_text(rec.error, sizeof rec.error, ax_str(error));
    ax_record_request(r->worker->stat, &rec);
}

/* ---- access lines: gathered over the turn, written at its end */

static void add_text(struct ax_buf *b, struct ax_str s)
{
    ax_buf_addc(b, '"');
    ax_buf_add_json(b, s);
    ax_buf_addc(b, '"');
}

static void line_json(struct ax_buf *b, struct ax_request *r, ax_wall at, int64_t us)
{
    char when[AX_RFC3339_LEN + 1];

    ax_rfc3339(when, at);
    ax_buf_addf(b, "{\"time\":\"%s\",\"level\":\"info\",\"msg\":\"access\",\"method\":", when);
    add_text(b, method_of(r));
    ax_buf_adds(b, ",\"path\":");
    add_text(b, ax_head_str(&r->head, r->head.path));
    ax_buf_addf(
        b, ",\"status\":%u,\"duration_ms\":%.3f,\"bytes_in\":%llu,\"bytes_out\":%llu,\"remote\":", r->status,
        (double)us / 1000, (unsigned long long)r->bytes_in, (unsigned long long)r->bytes_out);
    add_text(b, ax_str(ax_request_remote(r)));
    ax_buf_addf(b, ",\"id\":\"%s\",\"worker\":%u,\"agent\":", ax_request_id(r), r->worker->id);
    add_text(b, ax_head_field(&r->head, AX_STR("user-agent")));
    struct ax_str trace = ax_trace_id(ax_head_known(&r->head, AX_FIELD_TRACEPARENT));
    if (trace.n) {
        ax_buf_adds(b, ",\"trace_id\":");
        add_text(b, trace);
    }
    ax_buf_adds(b, "}\n");
}

static void line_text(struct ax_buf *b, struct ax_request *r, ax_wall at, int64_t us)
{
    char when[AX_RFC3339_LEN + 1];
    struct ax_str path = ax_head_str(&r->head, r->head.path), method = method_of(r);

    ax_rfc3339(when, at);
    ax_buf_addf(b, "%.19s access: ", when);
    ax_buf_add_json(b, method);
    ax_buf_addc(b, ' ');
    ax_buf_add_json(b, path);
    ax_buf_addf(b, " %u %.3fms %llu %s\n", r->status, (double)us / 1000, (unsigned long long)r->bytes_out,
                ax_request_remote(r));
}

/* `actix dev`: for the eye of one person, without a date. */
static void line_dev(struct ax_buf *b, struct ax_request *r, int64_t us, bool color)
{
    static const char *const colors[] = {"", "", "\033[32m", "\033[36m", "\033[33m", "\033[31m"};
    unsigned class = r->status / 100 < AX_COUNT(colors) ? r->status / 100 : 0;

    ax_buf_add_json(b, method_of(r));
    ax_buf_addc(b, ' ');
    ax_buf_add_json(b, ax_head_str(&r->head, r->head.target));
    ax_buf_addf(b, " %s%u%s ", color ? colors[class] : "", r->status,
                color && *colors[class] ? "\033[0m" : "");
    if (us < 1000000)
        ax_buf_addf(b, "%.1f ms\n", (double)us / 1000);
    else
        ax_buf_addf(b, "%.2f s\n", (double)us / 1000000);
}

/* Apache's combined format; the identity and user fields are always '-'. */
static void line_combined(struct ax_buf *b, struct ax_request *r, ax_wall at)
{
    char date[AX_HTTP_DATE_LEN + 1];
    struct ax_str method = method_of(r);

    ax_http_date(date, at.us / 1000000); /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    ax_buf_addf(b, "%s - - [%.2s/%.3s/%.4s:%.8s +0000] \"", ax_request_remote(r), date + 5, date + 8,
                date + 12, date + 17);
    ax_buf_add_json(b, method); /* of a refused request it may be anything */
    ax_buf_addc(b, ' ');
    ax_buf_add_json(b, ax_head_str(&r->head, r->head.target));
    ax_buf_addf(b, " HTTP/1.%u\" %u %llu ", r->head.minor, r->status, (unsigned long long)r->bytes_out);
    struct ax_str referer = ax_head_field(&r->head, AX_STR("referer"));
    struct ax_str agent = ax_head_field(&r->head, AX_STR("user-agent"));
    add_text(b, referer.n ? referer : AX_STR("-"));
    ax_buf_addc(b, ' ');
    add_text(b, agent.n ? agent : AX_STR("-"));
    ax_buf_addc(b, '\n');
}

static void write_line(struct ax_buf *b, struct ax_request *r, ax_wall at, int64_t us)
{
    switch (r->worker->set->access_format) {
    case AX_ACCESS_JSON:
        line_json(b, r, at, us);
        break;
    case AX_ACCESS_COMBINED:
        line_combined(b, r, at);
        break;
    case AX_ACCESS_DEV:
    case AX_ACCESS_DEV_COLOR:
        line_dev(b, r, us, r->worker->set->access_format == AX_ACCESS_DEV_COLOR);
        break;
    default:
        line_text(b, r, at, us);
    }
}

AX_COLD static void access_line(struct ax_request *r, ax_wall at, int64_t us)
{
    struct ax_worker *w = r->worker;
    struct ax_buf *b = &w->line;
    size_t before = b->n;

    write_line(b, r, at, us);
    if (b->failed) { /* more lines in one turn than the buffer holds: write them, then try once more */
        b->n = before;
        b->failed = false;
        ax_account_flush(w);
        write_line(b, r, at, us);
    }
    if (b->failed) {
        ax_buf_clear(b);
        ax_count_add(&w->count->dropped, 1);
    } else if (b->n > ACCESS_BUFFER / 2) {
        ax_account_flush(w);
    }
}

void ax_account_flush(struct ax_worker *w)
{
    struct ax_buf *b = &w->line;

    if (!b->n)
        return;
    size_t written = ax_log_raw(w->access->fd, b->p, b->n);
    uint64_t lost = 0;
    for (size_t i = written; i < b->n; i++)
        lost += b->p[i] == '\n';
    if (lost)
        ax_count_add(&w->count->dropped, lost);
    ax_buf_clear(b);
}

void ax_account(struct ax_request *r, ax_mono sent_at)
{
    struct ax_worker *w = r->worker;
    int64_t queue = r->enter_at.us ? r->enter_at.us - r->head_at.us : 0;
    int64_t handler = r->enter_at.us && r->reply_at.us ? r->reply_at.us - r->enter_at.us : 0;
    int64_t send = r->reply_at.us ? sent_at.us - r->reply_at.us : sent_at.us - r->head_at.us;

    if (!r->conn && r->status == 0)
        ax_count_add(&w->count->aborted, 1);
    ax_count_add(&w->count->requests, 1);
    ax_count_request(w->stat, r->route, r->status, r->bytes_in, r->bytes_out,
                     (uint64_t)(queue > 0 ? queue : 0), (uint64_t)(handler > 0 ? handler : 0),
                     (uint64_t)(send > 0 ? send : 0));
    int64_t duration = sent_at.us - r->head_at.us;
    bool rec = wants_record(w, r, duration);
    if (AX_LIKELY(!rec && !w->access))
        return;
    ax_wall at = {ax_wall_now().us - duration};
    if (rec)
        record(r, at, duration);
    if (w->access)
        access_line(r, at, duration);
}
