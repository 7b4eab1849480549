/* Runs tests/wire/NAME.wire (tests/wire/README.md has the language) against the stub server in every way that
 * must make no difference: whole, behind another request, behind one that is still being answered, before
 * another one, byte by byte, and with each send cut in two at every byte.  Connections are socket pairs
 * handed to the worker: there the kernel says when the server has read everything (SIOCOUTQ), so a cut is
 * really seen as two reads, without waiting for time. */
#include "net/harness.h"

#include <dirent.h>
#include <poll.h>

#include "base/buf.h"

/* CUTS_MAX: what is longer repeats itself, and is cut at that many places.  TRICKLE_MAX: bytes sent one by
 * one. */
enum { STEPS_MAX = 64, FILES_MAX = 800, FILE_BYTES = 65536, SEND_MAX = 1 << 21 };
#ifdef __SANITIZE_THREAD__
enum { CUTS_MAX = 40, TRICKLE_MAX = 100 };
#else
enum { CUTS_MAX = 1000, TRICKLE_MAX = 500 };
#endif

enum what {
    SEND,
    SHUT, /* our half is closed, the answer still comes */
    EXPECT_STATUS,
    EXPECT_HEAD, /* as STATUS, of a response that has no body whatever its length says */
    EXPECT_BODY,
    EXPECT_BODY_HAS,
    EXPECT_HEADER,
    EXPECT_SOME_HEADER,
    EXPECT_NO_HEADER,
    EXPECT_CLOSE,
    EXPECT_NOTHING,
    EXPECT_UNANSWERED, /* as NOTHING, where half a request has been sent */
};
struct step {
    enum what what;
    unsigned line;
    int status;
    struct ax_buf bytes;
};
struct script {
    char name[128];
    struct step steps[STEPS_MAX];
    unsigned nsteps;
};
/* What makes no difference. */
struct way {
    const char *name;
    struct ax_str ahead; /* goes before the first send, in the same write; answered 200 */
    const char *answer;  /* with this body */
    bool after;          /* another request goes behind the last send, in the same write, and is answered */
    bool trickle;        /* each byte is a read of its own */
    unsigned cut_step;   /* this send is cut in two ... */
    size_t cut;          /* ... behind that many bytes; 0 = none is */
};
/* One side of the conversation. */
struct talk {
    const struct script *script;
    const struct way *way;
    const struct step *step, *last_send;
    bool extend;   /* another request is sent behind the last send */
    bool answered; /* a response came */
    bool shut; /* our half is closed: which answer is the last one was known when it was written, or not */
    int fd;
    struct ax_buf in;         /* received and not looked at yet */
    struct ax_buf head, body; /* of the last response */
    jmp_buf give_up;
};

/* ---- reading a script */

static void bad(const struct script *s, unsigned line, const char *what)
{
    fail_msg("%s:%u: %s", s->name, line, what);
}

static char unescape(const struct script *s, unsigned line, const char **p)
{
    char c = *(*p)++;

    switch (c) {
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '0':
        return '\0';
    case '"':
    case '\\':
        return c;
    case 'x':
        if (ax_hex((*p)[0]) >= 0 && ax_hex((*p)[1]) >= 0) {
            *p += 2;
            return (char)(ax_hex((*p)[-2]) * 16 + ax_hex((*p)[-1]));
        }
        break;
    default:
        break;
    }
    bad(s, line, "unknown escape");
    return 0;
}

/* "..." into b; returns what is behind it. */
static const char *quoted(const struct script *s, unsigned line, const char *p, struct ax_buf *b)
{
    if (*p++ != '"')
        bad(s, line, "a quoted text is expected");
    while (*p && *p != '"') {
        char c = *p++;
        ax_buf_addc(b, c == '\\' ? unescape(s, line, &p) : c);
    }
    if (*p != '"')
        bad(s, line, "the quote is not closed");
    return p + 1;
}

/* send "..." "..." x 10 : texts are joined, x repeats the one before it */
static void read_send(const struct script *s, unsigned line, const char *p, struct step *to)
{
    size_t from = 0;

    while (*p == ' ') {
        p++;
        if (p[0] == 'x' && p[1] == ' ') {
            char *end;
            unsigned long times = strtoul(p + 2, &end, 10);
            size_t n = to->bytes.n - from;
            for (unsigned long i = 1; i < times; i++) {
                char *room = ax_buf_reserve(&to->bytes, n);
                assert_non_null(room);
                memcpy(room, to->bytes.p + from, n);
                to->bytes.n += n;
            }
            p = end;
            continue;
        }
        from = to->bytes.n;
        p = quoted(s, line, p, &to->bytes);
    }
    if (*p)
        bad(s, line, "text after the last quote");
}

static void read_line(struct script *s, unsigned line, const char *p)
{
    static const struct {
        const char *word;
        enum what what;
        enum { NOTHING, NUMBER, TEXT } takes;
    } words[] = {
        {"expect status ", EXPECT_STATUS, NUMBER},
        {"expect head ", EXPECT_HEAD, NUMBER},
        {"expect body has ", EXPECT_BODY_HAS, TEXT},
        {"expect body ", EXPECT_BODY, TEXT},
        {"expect header ", EXPECT_HEADER, TEXT},
        {"expect no header ", EXPECT_NO_HEADER, TEXT},
        {"expect close", EXPECT_CLOSE, NOTHING},
        {"expect nothing", EXPECT_NOTHING, NOTHING},
        {"shut", SHUT, NOTHING},
        {"expect unanswered", EXPECT_UNANSWERED, NOTHING},
        {"expect some header ", EXPECT_SOME_HEADER, TEXT},
    };

    if (*p == '\0' || *p == '#')
        return;
    if (s->nsteps == STEPS_MAX)
        bad(s, line, "too many steps");
    struct step *to = &s->steps[s->nsteps++];
    *to = (struct step){.line = line, .bytes = AX_BUF_INIT(SEND_MAX)};
    if (strncmp(p, "send ", 5) == 0) {
        read_send(s, line, p + 4, to);
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(p, words[i].word, n) != 0)
            continue;
        to->what = words[i].what;
        if (words[i].takes == NUMBER)
            to->status = (int)strtol(p + n, NULL, 10);
        else if (words[i].takes == TEXT && *quoted(s, line, p + n, &to->bytes))
            bad(s, line, "text after the quote");
        return;
    }
    bad(s, line, "unknown step");
}

static void script_read(struct script *s, const char *dir, const char *file)
{
    static char text[FILE_BYTES];
    char path[512];
    unsigned line = 0;

    memset(s, 0, sizeof *s);
    snprintf(s->name, sizeof s->name, "%.127s", file);
    snprintf(path, sizeof path, "%.300s/%.127s", dir, file);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("cannot read %s", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    for (char *p = text, *end; *p; p = end + 1) {
        end = strchr(p, '\n');
        if (!end)
            bad(s, line + 1, "the last line has no end");
        *end = '\0';
        read_line(s, ++line, p);
    }
    if (!s->nsteps || s->steps[0].what != SEND)
        bad(s, line, "the first step must be a send");
}

static void script_free(struct script *s)
{
    for (unsigned i = 0; i < s->nsteps; i++)
        ax_buf_fini(&s->steps[i].bytes);
}

/* ---- talking */

/* Tells what went wrong and ends this script; the other scripts still run. */
__attribute__((noreturn)) static void wrong(struct talk *t, const char *what)
{
    print_error("%s:%u (%s, cut at %zu): %s\nhead: %.*s\nbody: %.*s\nmore: %.*s\n", t->script->name,
                t->step->line, t->way->name, t->way->cut, what, (int)t->head.n, t->head.p, (int)t->body.n,
                t->body.p, (int)t->in.n, t->in.p);
    longjmp(t->give_up, 1);
}

/* False at the end of the stream. */
static bool receive_more(struct talk *t)
{
    char *room = ax_buf_reserve(&t->in, 4096);

    assert_non_null(room);
    ssize_t n = recv(t->fd, room, 4096, 0);
    if (n < 0 && errno != ECONNRESET)
        wrong(t, "nothing came");
    if (n <= 0)
        return false;
    t->in.n += (size_t)n;
    return true;
}

/* The server may have answered and gone in the middle of what we send; that is no fault. */
static void send_all(struct talk *t, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(t->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k < 0 && errno == EAGAIN) {
            struct pollfd f = {.fd = t->fd, .events = POLLOUT};
            if (poll(&f, 1, RECEIVE_S * 1000) != 1)
                wrong(t, "the server does not read");
            continue;
        }
        if (k < 0)
            return;
        p += k;
        n -= (size_t)k;
    }
}

static bool has_line(struct talk *t, struct ax_str line, bool whole)
{
    struct ax_str rest = ax_buf_str(&t->head);
    const char *nl;

    while (rest.n && (nl = memchr(rest.p, '\n', rest.n))) {
        struct ax_str one = {rest.p, (size_t)(nl - rest.p) - 1};
        struct ax_str start = {one.p, one.n < line.n ? one.n : line.n};
        if (ax_str_eq_nocase(whole ? one : start, line) &&
            (whole || (one.n > line.n && one.p[line.n] == ':')))
            return true;
        rest.n -= (size_t)(nl + 1 - rest.p);
        rest.p = nl + 1;
    }
    return false;
}

/* What every response must be, whatever it answers. */
static void check_response(struct talk *t, bool head_only)
{
    static const char version[] = "HTTP/1.1 ";
    static const char error[] = "{\"error\":\"";

    if (t->head.n < 14 || memcmp(t->head.p, version, sizeof version - 1) != 0 || t->head.p[12] != ' ')
        wrong(t, "a malformed status line");
    long status = strtol(t->head.p + 9, NULL, 10);
    if (status < 200)
        return;
    if (!has_line(t, AX_STR("Date"), false)) /* RFC 9110, 6.6.1 */
        wrong(t, "a response without Date");
    if ((status == 204 || status == 304) == has_line(t, AX_STR("Content-Length"), false))
        wrong(t, "Content-Length, or none, against RFC 9110, 8.6");
    if (status < 400)
        return;
    if (!has_line(t, AX_STR("Content-Type: application/json; charset=utf-8"), true))
        wrong(t, "an error that is no JSON");
    if (!head_only && (t->body.n < sizeof error || memcmp(t->body.p, error, sizeof error - 1) != 0))
        wrong(t, "an error without a body that says so");
}

static void take_response(struct talk *t, bool head_only)
{
    const char *end;

    ax_buf_clear(&t->head);
    ax_buf_clear(&t->body);
    while (!(end = t->in.n ? memmem(t->in.p, t->in.n, "\r\n\r\n", 4) : NULL))
        if (!receive_more(t))
            wrong(t, "the stream ended instead of a response");
    size_t head = (size_t)(end - t->in.p) + 4;
    ax_buf_add(&t->head, t->in.p, head);
    ax_buf_drop(&t->in, head);
    const char *cl = strstr(ax_buf_cstr(&t->head), "\r\nContent-Length: ");
    size_t body = cl && !head_only ? strtoul(cl + 18, NULL, 10) : 0;
    while (t->in.n < body)
        if (!receive_more(t))
            wrong(t, "the stream ended within a body");
    ax_buf_add(&t->body, t->in.p ? t->in.p : "", body);
    ax_buf_drop(&t->in, body);
    t->answered = true;
    check_response(t, head_only);
}

static void take_expected(struct talk *t, const char *body)
{
    take_response(t, false);
    if (strncmp(t->head.p + 9, "200", 3) != 0 || !ax_str_eq(ax_buf_str(&t->body), ax_str(body)))
        wrong(t, "not the answer of the request beside it");
}

static void expect_end(struct talk *t)
{
    if (t->in.n || receive_more(t))
        wrong(t, "more bytes instead of the end");
}

static void send_slowly(struct talk *t, struct ax_str text, size_t first)
{
    for (size_t at = 0, n = first; at < text.n; at += n, n = t->way->trickle ? 1 : text.n - at) {
        send_all(t, text.p + at, n);
        if (!until_read(t->fd))
            wrong(t, "the server does not read");
    }
}

static const char another[] = "GET /users/after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

static void play_send(struct talk *t)
{
    const struct way *w = t->way;
    const struct step *s = t->step;
    struct ax_buf all = AX_BUF_INIT(SEND_MAX);
    bool first = s == t->script->steps;

    if (first)
        ax_buf_add(&all, w->ahead.p ? w->ahead.p : "", w->ahead.n);
    ax_buf_add(&all, s->bytes.p, s->bytes.n);
    if (s == t->last_send && t->extend)
        ax_buf_adds(&all, another);
    assert_false(all.failed);
    struct ax_str text = ax_buf_str(&all);
    if (w->trickle && text.n <= TRICKLE_MAX)
        send_slowly(t, text, 1);
    else if (w->cut && s == &t->script->steps[w->cut_step])
        send_slowly(t, text, w->cut);
    else
        send_all(t, text.p, text.n);
    ax_buf_fini(&all);
    if (first && w->ahead.n)
        take_expected(t, w->answer);
}

static void play_close(struct talk *t)
{
    if (t->answered && !t->shut && !has_line(t, AX_STR("Connection: close"), true))
        wrong(t, "the last response does not tell that it is the last");
    expect_end(t);
}

static void play_nothing(struct talk *t)
{
    if (t->extend) {
        take_expected(t, "after");
        play_close(t);
        return;
    }
    shutdown(t->fd, SHUT_WR); /* the client has nothing more to say, the server neither */
    expect_end(t);
}

static void play_header(struct talk *t, struct ax_str text)
{
    enum what what = t->step->what;

    if (has_line(t, text, what == EXPECT_HEADER) != (what != EXPECT_NO_HEADER))
        wrong(t, what == EXPECT_NO_HEADER ? "this header is there" : "no such header");
}

static void play(struct talk *t)
{
    const struct step *s = t->step;
    struct ax_str text = ax_buf_str(&s->bytes);

    switch (s->what) {
    case SEND:
        play_send(t);
        break;
    case SHUT:
        t->shut = true;
        shutdown(t->fd, SHUT_WR);
        break;
    case EXPECT_STATUS:
    case EXPECT_HEAD:
        take_response(t, s->what == EXPECT_HEAD);
        if (strtol(t->head.p + 9, NULL, 10) != s->status)
            wrong(t, "another status");
        break;
    case EXPECT_BODY:
        if (!ax_str_eq(ax_buf_str(&t->body), text))
            wrong(t, "another body");
        break;
    case EXPECT_BODY_HAS:
        if (!memmem(t->body.p, t->body.n, text.p, text.n))
            wrong(t, "the body lacks this");
        break;
    case EXPECT_HEADER:
    case EXPECT_SOME_HEADER:
    case EXPECT_NO_HEADER:
        play_header(t, text);
        break;
    case EXPECT_CLOSE:
        play_close(t);
        break;
    case EXPECT_NOTHING:
    case EXPECT_UNANSWERED:
        play_nothing(t);
        break;
    }
}

static void converse(struct talk *t)
{
    for (unsigned i = 0; i < t->script->nsteps; i++)
        if (t->script->steps[i].what == SEND)
            t->last_send = &t->script->steps[i];
    t->extend = t->way->after && t->script->steps[t->script->nsteps - 1].what == EXPECT_NOTHING;
    for (unsigned i = 0; i < t->script->nsteps; i++) {
        t->step = &t->script->steps[i];
        play(t);
    }
    if (t->in.n)
        wrong(t, "bytes that no step expected");
}

static bool run_script(struct server *srv, const struct script *s, const struct way *w)
{
    struct talk t = {.script = s,
                     .way = w,
                     .in = AX_BUF_INIT(SEND_MAX),
                     .head = AX_BUF_INIT(SEND_MAX),
                     .body = AX_BUF_INIT(SEND_MAX)};

    t.fd = pair_up(srv);
    volatile bool ok = false;
    if (setjmp(t.give_up) == 0) {
        converse(&t);
        ok = true;
    }
    close(t.fd);
    ax_buf_fini(&t.in);
    ax_buf_fini(&t.head);
    ax_buf_fini(&t.body);
    return ok;
}

static bool run_cuts(struct server *srv, const struct script *s)
{
    struct way w = {.name = "in two"};

    for (; w.cut_step < s->nsteps; w.cut_step++) {
        size_t len = s->steps[w.cut_step].what == SEND ? s->steps[w.cut_step].bytes.n : 0;
        for (w.cut = 1; w.cut < len; w.cut += len / CUTS_MAX + 1)
            if (!run_script(srv, s, &w))
                return false;
    }
    return true;
}

/* ---- all files */

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static char (*list_files(const char *dir, unsigned *ret_n))[128]
{
    static char names[FILES_MAX][128];
    DIR *d = opendir(dir);
    unsigned n = 0;

    if (!d)
        fail_msg("run it from the top of the tree: no folder %s", dir);
    for (struct dirent *e; (e = readdir(d)) && n < FILES_MAX;) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".wire") == 0)
            snprintf(names[n++], sizeof names[0], "%.127s", e->d_name);
    }
    closedir(d);
    qsort(names, n, sizeof names[0], by_name);
    *ret_n = n;
    return names;
}

/* w NULL: each send cut at every byte */
static void each_file(const struct way *w)
{
    static struct script s;
    struct server srv;
    unsigned n, failed = 0;
    char(*names)[128] = list_files("tests/wire", &n);

    server_init(&srv);
    server_start(&srv);
    assert_in_range(n, 200, FILES_MAX - 1);
    for (unsigned i = 0; i < n; i++) {
        script_read(&s, "tests/wire", names[i]);
        failed += w ? !run_script(&srv, &s, w) : !run_cuts(&srv, &s);
        script_free(&s);
    }
    server_stop(&srv);
    assert_int_equal(failed, 0);
}

static void test_whole(void **state)
{
    (void)state;
    each_file(&(struct way){.name = "whole"});
}

/* A file without "expect nothing" at its end runs as it is. */
static void test_before_another(void **state)
{
    (void)state;
    each_file(&(struct way){.name = "before another request", .after = true});
}

static void test_behind_another(void **state)
{
    (void)state;
    each_file(&(struct way){.name = "behind another request",
                            .ahead = AX_STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                            .answer = "Hello World"});
}

/* Answers in progress are not lost, whatever follows. */
static void test_behind_pending(void **state)
{
    (void)state;
    each_file(&(struct way){.name = "behind a pending request",
                            .ahead = AX_STR("GET /later/first HTTP/1.1\r\nHost: a\r\n\r\n"),
                            .answer = "first"});
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    each_file(&(struct way){.name = "byte by byte", .trickle = true});
}

static void test_in_two(void **state)
{
    (void)state;
    each_file(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),          cmocka_unit_test(test_before_another),
        cmocka_unit_test(test_behind_another), cmocka_unit_test(test_behind_pending),
        cmocka_unit_test(test_byte_by_byte),   cmocka_unit_test(test_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
