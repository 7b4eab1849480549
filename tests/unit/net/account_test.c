/* What is kept of a request that is over: access lines in their three formats, and records. */
#include "net/harness.h"

#include <regex.h>
#include <sys/stat.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_COMBINED };

struct log_file {
    char dir[64], path[96];
};

static void log_file_open(struct log_file *f, struct server *s, int format)
{
    struct ax_err err = {0};

    snprintf(f->dir, sizeof f->dir, "/tmp/actix-access-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/access.log", f->dir);
    s->set.access_format = format;
    if (ax_log_open(&s->log_access, f->path, AX_LOG_JSON, AX_LOG_INFO, &err) < 0)
        fail_msg("%s", err.msg);
}

/* All of it, NUL-terminated; OWNED. */
static char *log_file_end(struct log_file *f, struct server *s)
{
    struct stat st;

    ax_log_close(&s->log_access);
    int fd = open(f->path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    return text;
}

/* Each line of the text against its pattern; no line more, no line less. */
static void lines_match(const char *text, const char *const *patterns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *nl = strchr(text, '\n');
        char line[8192];
        regex_t re;
        if (!nl)
            fail_msg("line %zu is missing", i + 1);
        snprintf(line, sizeof line, "%.*s", (int)(nl - text), text);
        assert_int_equal(regcomp(&re, patterns[i], REG_EXTENDED | REG_NOSUB), 0);
        int rc = regexec(&re, line, 0, NULL, 0);
        regfree(&re);
        if (rc != 0)
            fail_msg("line %zu: %s\nis not: %s", i + 1, line, patterns[i]);
        text = nl + 1;
    }
    assert_string_equal(text, "");
}

static const char *const requests[] = {
    "GET /users/7?secret=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: a\"b\\c\r\nReferer: http://r/\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "GET /missing\xc3\xbc HTTP/1.1\r\nHost: x\r\n\r\n",
    "G\"T / HTTP/1.1\r\nHost: x\r\n\r\n", /* refused before it had a method */
    "nonsense\r\n\r\n",
};
enum { REQUESTS = sizeof requests / sizeof *requests };

static char *log_of_requests(int format)
{
    struct server s;
    struct log_file f;

    server_init(&s);
    log_file_open(&f, &s, format);
    server_start(&s);
    for (int i = 0; i < REQUESTS; i++) {
        int fd = dial(s.port);
        puts_fd(fd, requests[i]);
        assert_true(status_of(fd) >= 200);
        shutdown(fd, SHUT_WR);
        expect_close(fd);
        close(fd);
    }
    server_stop(&s);
    return log_file_end(&f, &s);
}

#define TIME_RE "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"

static void test_text(void **state)
{
    static const char *const want[] = {
        "^" TIME_RE " access: GET /users/7 200 [0-9]+\\.[0-9]{3}ms [0-9]+ 127\\.0\\.0\\.1$",
        "^" TIME_RE " access: POST /echo 200 [0-9]+\\.[0-9]{3}ms [0-9]+ 127\\.0\\.0\\.1$",
        "^" TIME_RE " access: GET /missing\xc3\xbc 404 [0-9]+\\.[0-9]{3}ms [0-9]+ 127\\.0\\.0\\.1$",
        "^" TIME_RE " access: [^ ]+ [^ ]* ?400 [0-9]+\\.[0-9]{3}ms [0-9]+ 127\\.0\\.0\\.1$",
        "^" TIME_RE " access: -  400 [0-9]+\\.[0-9]{3}ms [0-9]+ 127\\.0\\.0\\.1$",
    };
    char *text = log_of_requests(FORMAT_TEXT);

    (void)state;
    lines_match(text, want, REQUESTS);
    free(text);
}

#define JSON_START                                                                                           \
    "^\\{\"time\":\"" TIME_RE "\\.[0-9]{3}Z\",\"level\":\"info\",\"msg\":\"access\",\"method\":"
#define JSON_END(agent)                                                                                      \
    ",\"remote\":\"127\\.0\\.0\\.1\",\"id\":\"[0-9a-f]{16}\",\"worker\":0,\"agent\":\"" agent "\"\\}$"

static void test_json(void **state)
{
    static const char *const want[] = {
        JSON_START
        "\"GET\",\"path\":\"/users/7\",\"status\":200,\"duration_ms\":[0-9]+\\.[0-9]{3},\"bytes_in\":[0-9]+,"
        "\"bytes_out\":[0-9]+" JSON_END("a\\\\\"b\\\\\\\\c"),
        JSON_START
        "\"POST\",\"path\":\"/echo\",\"status\":200,.*\"bytes_in\":56,\"bytes_out\":[0-9]+" JSON_END(""),
        JSON_START "\"GET\",\"path\":\"/missing\xc3\xbc\",\"status\":404,.*" JSON_END(""),
        JSON_START "\"[^ ]*\",\"path\":\"[^ ]*\",\"status\":400,.*" JSON_END(""),
        JSON_START "\"-\",\"path\":\"\",\"status\":400,.*" JSON_END(""),
    };
    char *text = log_of_requests(FORMAT_JSON);

    (void)state;
    lines_match(text, want, REQUESTS);
    free(text);
}

#define COMBINED "^127\\.0\\.0\\.1 - - \\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}(:[0-9]{2}){3} \\+0000\\] "

static void test_combined(void **state)
{
    static const char *const want[] = {
        COMBINED "\"GET /users/7\\?secret=1 HTTP/1\\.1\" 200 [0-9]+ \"http://r/\" \"a\\\\\"b\\\\\\\\c\"$",
        COMBINED "\"POST /echo HTTP/1\\.1\" 200 [0-9]+ \"-\" \"-\"$",
        COMBINED "\"GET /missing\xc3\xbc HTTP/1\\.1\" 404 [0-9]+ \"-\" \"-\"$",
        COMBINED "\"([^\"]|\\\\\")* HTTP/1\\.1\" 400 [0-9]+ \"-\" \"-\"$", /* no quote that is not escaped */
        COMBINED "\"-  HTTP/1\\.1\" 400 [0-9]+ \"-\" \"-\"$",
    };
    char *text = log_of_requests(FORMAT_COMBINED);

    (void)state;
    lines_match(text, want, REQUESTS);
    free(text);
}

/* Gone before its answer: the line and the record still say who it was, also when the handler never ends. */
static void test_client_left(void **state)
{
    static const char *const want[] = {"^" TIME_RE
                                       " access: GET /silent 0 [0-9]+\\.[0-9]{3}ms 0 127\\.0\\.0\\.1$"};
    struct ax_request_record rec;
    struct server s;
    struct log_file f;

    (void)state;
    server_init(&s);
    log_file_open(&f, &s, FORMAT_TEXT);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/silent"));
    while (!locked(&s, &s.entered))
        sched_yield();
    close(fd);
    while (!locked(&s, &s.gone_client))
        sched_yield();
    server_halt(&s);
    server_free_keep(&s);
    assert_true(ax_segment_take_record(s.segment, 0, &rec));
    assert_true(ax_str_eq((struct ax_str){rec.remote, rec.remote_len}, AX_STR("127.0.0.1")));
    assert_true(ax_str_eq((struct ax_str){rec.error, rec.error_len}, AX_STR("aborted")));
    ax_segment_free(s.segment);
    char *text = log_file_end(&f, &s);
    lines_match(text, want, 1);
    free(text);
}

/* Long lines, many in one turn: none is lost as long as the file takes them. */
static void test_long_lines(void **state)
{
    enum { N = 40, LONG = 7000 };
    static char one[LONG + 100], all[N * sizeof one];
    struct server s;
    struct log_file f;
    size_t n = 0, lines = 0;

    (void)state;
    server_init(&s);
    log_file_open(&f, &s, FORMAT_JSON);
    server_start(&s);
    int len = snprintf(one, sizeof one, "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: %0*d\r\n\r\n", LONG, 0);
    for (int i = LONG / 2; i < LONG; i++)
        one[i] = '"'; /* twice as long in JSON */
    for (int i = 0; i < N; i++, n += (size_t)len)
        memcpy(all + n, one, (size_t)len);
    int fd = pair_up(&s);
    put(fd, all, n);
    for (int i = 0; i < N; i++)
        assert_int_equal(status_of(fd), 200);
    close(fd);
    server_halt(&s);
    assert_int_equal(ax_worker_counters(s.worker)->dropped, 0);
    server_free(&s);
    char *text = log_file_end(&f, &s);
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, N);
    free(text);
}

/* A log that takes nothing never holds up a request; the lines are counted as dropped. */
static void test_blocked_log(void **state)
{
    enum { N = 30 };
    struct server s;
    int fds[2];

    (void)state;
    server_init(&s);
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    static char junk[65536];
    while (write(fds[1], junk, sizeof junk) > 0)
        ;
    fcntl(fds[1], F_SETFL, 0); /* a write would block for ever */
    s.log_access.fd = fds[1];
    server_start(&s);
    int fd = pair_up(&s);
    for (int i = 0; i < N; i++) {
        puts_fd(fd, GET("/"));
        expect(fd, 200, "Hello World");
    }
    close(fd);
    server_halt(&s);
    assert_int_equal(ax_worker_counters(s.worker)->dropped, N);
    server_free(&s);
    close(fds[0]);
    close(fds[1]);
}

static unsigned records_kept(int record, int64_t slow_us, struct ax_request_record *last)
{
    struct server s;
    unsigned n = 0;

    server_init(&s);
    s.set.record = record;
    s.set.record_slow_us = slow_us;
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/") GET("/missing") GET("/fails?x") GET("/nocontent"));
    for (int i = 0; i < 3; i++)
        assert_true(status_of(fd) >= 200);
    struct response r;
    assert_int_equal(receive(fd, &r, true), 204);
    close(fd);
    until_connections(&s, 0);
    server_halt(&s);
    while (ax_segment_take_record(s.segment, 0, last))
        n++;
    server_free(&s);
    return n;
}

static void test_records(void **state)
{
    static const struct {
        int record;
        int64_t slow_us;
        unsigned kept;
    } t[] = {{0, 0, 0}, {1, 0, 1}, {2, 3600000000, 1}, {2, 0, 4}, {3, 3600000000, 4}};
    struct ax_request_record last;

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        assert_int_equal(records_kept(t[i].record, t[i].slow_us, &last), t[i].kept);
        if (t[i].kept == 1) {
            assert_int_equal(last.status, 500);
            assert_true(ax_str_eq((struct ax_str){last.path, last.path_len}, AX_STR("/fails")));
            assert_true(ax_str_eq((struct ax_str){last.method, last.method_len}, AX_STR("GET")));
            assert_true(ax_str_eq((struct ax_str){last.error, last.error_len}, AX_STR("no such stub")));
            assert_true(ax_str_eq((struct ax_str){last.remote, last.remote_len}, AX_STR("127.0.0.1")));
            assert_int_equal(last.id_len, 16);
            assert_true(last.bytes_in > 0 && last.bytes_out > 0);
        }
    }
}

/* A client that leaves is counted and recorded as such, by whichever way its request ends. */
static void test_aborted(void **state)
{
    static const char *const t[] = {
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        GET("/never"),
    };
    struct ax_request_record rec;

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct server s;
        server_init(&s);
        s.set.record = 1;
        server_start(&s);
        int fd = dial(s.port);
        puts_fd(fd, t[i]);
        until_connections(&s, 1);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        if (i == 0) {
            shutdown(fd, SHUT_WR);
            expect_close(fd);
        } else {
            while (!locked(&s, &s.entered))
                sched_yield();
        }
        close(fd);
        until_connections(&s, 0);
        server_halt(&s);
        server_free_keep(&s);
        assert_int_equal(ax_segment_counters(s.segment, 0)->aborted, 1);
        assert_true(ax_segment_take_record(s.segment, 0, &rec));
        assert_int_equal(rec.status, 0);
        assert_true(ax_str_eq((struct ax_str){rec.error, rec.error_len}, AX_STR("aborted")));
        assert_false(ax_segment_take_record(s.segment, 0, &rec));
        ax_segment_free(s.segment);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),        cmocka_unit_test(test_json),
        cmocka_unit_test(test_combined),    cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_blocked_log), cmocka_unit_test(test_records),
        cmocka_unit_test(test_aborted),     cmocka_unit_test(test_client_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
