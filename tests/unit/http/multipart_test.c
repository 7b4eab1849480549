#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/buf.h"
#include "http/multipart.h"

#define CD   "Content-Disposition: form-data; "
#define AX_B AX_STR("b")

static void test_boundary(void **state)
{
    static const struct {
        struct ax_str type;
        const char *want; /* NULL = none */
    } t[] = {
        {AX_STR("multipart/form-data; boundary=abc"), "abc"},
        {AX_STR("Multipart/Form-Data;Boundary=abc"), "abc"},
        {AX_STR(" multipart/form-data ; boundary=abc ; x=y"), "abc"},
        {AX_STR("multipart/form-data; charset=utf-8; boundary=\"a b;c\""), "a b;c"},
        {AX_STR("multipart/form-data; boundary=----=_Part_1.2"), "----=_Part_1.2"},
        {AX_STR("multipart/form-data; boundary=abc;"), "abc"},
        {AX_STR("multipart/form-data; "
                "boundary=1234567890123456789012345678901234567890123456789012345678901234567890"),
         "1234567890123456789012345678901234567890123456789012345678901234567890"},
        {AX_STR("multipart/form-data; "
                "boundary=12345678901234567890123456789012345678901234567890123456789012345678901"),
         NULL},
        {AX_STR(""), NULL},
        {AX_STR("multipart/form-data"), NULL},
        {AX_STR("multipart/form-data;"), NULL},
        {AX_STR("multipart/form-data; boundary"), NULL},
        {AX_STR("multipart/form-data; boundary="), NULL},
        {AX_STR("multipart/form-data; boundary=\"\""), NULL},
        {AX_STR("multipart/form-data; boundary=\"abc"), NULL},
        {AX_STR("multipart/form-data; boundary=\"abc\"x"), NULL},
        {AX_STR("multipart/form-data; boundary=\"abc \""), NULL},
        {AX_STR("multipart/form-data; boundary=\"a\\\"c\""), NULL},
        {AX_STR("multipart/form-data; boundary=\"a\x01\""), NULL},
        {AX_STR("multipart/form-data; boundary=a\0b"), NULL},
        {AX_STR("multipart/form-data; boundary=\xc3\xa9"), NULL},
        {AX_STR("multipart/form-data; boundary=a; boundary=b"), NULL},
        {AX_STR("multipart/form-data; boundary=a b"), NULL},
        {AX_STR("multipart/form-data boundary=a"), NULL},
        {AX_STR("multipart/form-datax; boundary=a"), NULL},
        {AX_STR("multipart/mixed; boundary=a"), NULL},
        {AX_STR("application/x-www-form-urlencoded"), NULL},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_str got = {0};
        bool ok = ax_multipart_boundary(t[i].type, &got);
        if (ok != (t[i].want != NULL) || (ok && !ax_str_eq(got, ax_str(t[i].want))))
            fail_msg("row %zu: %.*s", i, (int)t[i].type.n, t[i].type.p);
    }
}

static void add_str(struct ax_buf *out, char mark, struct ax_str s)
{
    if (!s.p)
        return;
    ax_buf_addc(out, mark);
    ax_buf_add(out, s.p, s.n);
}

/* Each part as |name@filename%type=data, then "." at the end or "!" when malformed.  The body is copied to an
 * allocation of just its size, so that a read past the end is seen. */
static int read_all(struct ax_str body, struct ax_str boundary, struct ax_buf *out)
{
    char *copy = malloc(body.n ? body.n : 1);
    struct ax_multipart m;
    struct ax_part part;
    int rc;

    assert_non_null(copy);
    if (body.n)
        memcpy(copy, body.p, body.n);
    ax_multipart_init(&m, (struct ax_str){copy, body.n}, boundary);
    while ((rc = ax_multipart_next(&m, &part)) == AX_PART) {
        assert_non_null(part.name.p);
        add_str(out, '|', part.name);
        add_str(out, '@', part.filename);
        add_str(out, '%', part.content_type);
        add_str(out, '=', part.data);
    }
    ax_buf_addc(out, rc == AX_PARTS_END ? '.' : '!');
    assert_int_equal(ax_multipart_next(&m, &part), rc);
    free(copy);
    return rc;
}

static const struct {
    struct ax_str body, want;
} bodies[] = {
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n1\r\n--b--\r\n"), AX_STR("|a=1.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n1\r\n--b\r\n" CD "name=\"c\"\r\n\r\n2\r\n--b--\r\n"),
     AX_STR("|a=1|c=2.")},
    {AX_STR("--b\r\n" CD
            "name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\ndata\r\n--b--\r\n"),
     AX_STR("|f@x.txt%text/plain=data.")},
    {AX_STR("--b\r\ncontent-type:  a/b \r\nX-Y: "
            "z\r\nCONTENT-DISPOSITION:form-data;name=f;filename=x\r\n\r\n\r\n--b--"),
     AX_STR("|f@x%a/b=.")},
    /* ends: no last CRLF, padding, epilogue, no part at all, preamble */
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n1\r\n--b--"), AX_STR("|a=1.")},
    {AX_STR("--b \t\r\n" CD "name=\"a\"\r\n\r\n1\r\n--b-- \r\nepilogue\r\n--b\r\n"), AX_STR("|a=1.")},
    {AX_STR("--b--"), AX_STR(".")},
    {AX_STR("--b--\r\n"), AX_STR(".")},
    {AX_STR("\r\n--b--\r\n"), AX_STR(".")},
    {AX_STR("preamble\r\n--bx\r\n--b\r\n" CD "name=\"a\"\r\n\r\n1\r\n--b--"), AX_STR("|a=1.")},
    {AX_STR("x--b\r\n\r\n--b--"), AX_STR(".")},
    /* data: empty, without its empty line's CRLF, look-alikes, boundary halves, line ends of every kind */
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n\r\n--b--\r\n"), AX_STR("|a=.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n--b--\r\n"), AX_STR("|a=.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n--b\r\n" CD "name=\"c\"\r\n\r\n2\r\n--b--\r\n"),
     AX_STR("|a=|c=2.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n\r\n\r\n--b--\r\n"), AX_STR("|a=\r\n.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\nx--b\r\n\n--b\r\n\r--b--\r\n--\r\n--b--\r\n"),
     AX_STR("|a=x--b\r\n\n--b\r\n\r--b--\r\n--.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n\r\n--bb\r\n--b-\r\n--b--x\r\n--b x\r\n--B--\r\n-b\r\n--b--\r\n"),
     AX_STR("|a=\r\n--bb\r\n--b-\r\n--b--x\r\n--b x\r\n--B--\r\n-b.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n\r\r\n--b--\r\n"), AX_STR("|a=\r.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n\r\n\r\r\n-\r\n--b--\r\n"), AX_STR("|a=\r\n\r\r\n-.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\nx\n--b--\n\r\n--b--\r\n"), AX_STR("|a=x\n--b--\n.")},
    {AX_STR("--b\r\n" CD "name=\"a\"\r\n\r\n\0\x01\xff\r\n--b--\r\n"), AX_STR("|a=\0\x01\xff.")},
    /* names */
    {AX_STR("--b\r\n" CD "name=\"\"; filename=\"\"\r\n\r\n\r\n--b--\r\n"), AX_STR("|@=.")},
    {AX_STR("--b\r\n" CD "name=\"a\\\"b\\\\c\"\r\n\r\n\r\n--b--\r\n"), AX_STR("|a\"b\\c=.")},
    {AX_STR("--b\r\n" CD "name=\"a%22b%0D%0ac%41%\"; filename=\"%22.%2e\"\r\n\r\n\r\n--b--\r\n"),
     AX_STR("|a\"b\r\nc%41%@\".%2e=.")},
    {AX_STR("--b\r\n" CD "name=\"a;b=c\"; x; y\r\n\r\n\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\"a;b=c\"; x=y ;\r\n\r\n\r\n--b--\r\n"), AX_STR("|a;b=c=.")},
    {AX_STR("--b\r\n" CD "NAME=a; FileName=\"C:\\fakepath\\x.txt\"\r\n\r\n\r\n--b--\r\n"),
     AX_STR("|a@x.txt=.")},
    {AX_STR("--b\r\n" CD "name=a; filename=\"../../etc/passwd\"\r\n\r\n\r\n--b--\r\n"),
     AX_STR("|a@passwd=.")},
    {AX_STR("--b\r\n" CD "name=a; filename=\"dir/\"\r\n\r\n\r\n--b--\r\n"), AX_STR("|a@=.")},
    {AX_STR("--b\r\n" CD "name=a; filename=\"a/..\"\r\n\r\n\r\n--b--\r\n"), AX_STR("|a@=.")},
    {AX_STR("--b\r\n" CD "name=\"\xc3\xa9\"; filename=\"\xe2\x82\xac\"\r\n\r\n\r\n--b--\r\n"),
     AX_STR("|\xc3\xa9@\xe2\x82\xac=.")},
    {AX_STR("--b\r\n" CD "name=a; filename*=utf-8'en'%e2%82%ac.txt\r\n\r\n\r\n--b--\r\n"),
     AX_STR("|a@\xe2\x82\xac.txt=.")},
    {AX_STR("--b\r\n" CD "name*=UTF-8''%c3%a9; filename=p; filename*=UTF-8''q\r\n\r\n\r\n--b--\r\n"),
     AX_STR("|\xc3\xa9@p=.")},
    {AX_STR("--b\r\n" CD "name=a; filename*=UTF-8''..%2f..%2fx\r\n\r\n\r\n--b--\r\n"), AX_STR("|a@x=.")},
    {AX_STR("--b\r\n" CD "name=a; filename*=latin1''x\r\n\r\n\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a; filename*=UTF-8'x\r\n\r\n\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a; filename*=UTF-8''%ff\r\n\r\n\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a; filename*=UTF-8''%4\r\n\r\n\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a; filename*=UTF-8''a%00\r\n\r\n\r\n--b--\r\n"), AX_STR("!")},
    /* malformed */
    {AX_STR(""), AX_STR("!")},
    {AX_STR("-"), AX_STR("!")},
    {AX_STR("--b"), AX_STR("!")},
    {AX_STR("--b\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n\r\ndata\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\nContent-Type: a/b\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\nContent-Disposition: form-data\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\nContent-Disposition: form-data; filename=x\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\nContent-Disposition: attachment; name=x\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\nContent-Disposition: form-data name=x\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\"a\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\"a\"b\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\"a\\\"\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a; name=b\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a; filename=b; filename=c\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n" CD "name=b\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\nContent-Type: a\r\nContent-Type: b\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\nContent-Type:\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\nX Y: z\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n: z\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\nX\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\"a\nb\"\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\"a\rb\"\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\"a\0b\"\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=\0\r\n\r\nd\r\n--b--\r\n"), AX_STR("!")},
    {AX_STR("--b\n" CD "name=a\n\nd\n--b--\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n\r\nd\n--b--\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n\r\nd\r\n--b\n"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n\r\nd\r\n--b"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n\r\nd\r\n--b-"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n\r\nd\r\n--b--x"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n\r\nd"), AX_STR("!")},
    {AX_STR("--b\r\n" CD "name=a\r\n\r\nd\r\n--b\r\n"), AX_STR("|a=d!")},
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(bodies); i++) {
        struct ax_buf got = AX_BUF_INIT(4096);
        read_all(bodies[i].body, AX_B, &got);
        if (!ax_str_eq(ax_buf_str(&got), bodies[i].want))
            fail_msg("row %zu: %.*s", i, (int)got.n, got.p);
        ax_buf_fini(&got);
    }
}

/* The shortest prefix of the body that holds the closing delimiter, found the plain way: the least cut after
 * which every longer one ends well. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(bodies); i++) {
        struct ax_str body = bodies[i].body;
        const char *close = NULL;
        for (size_t at = 0; at + 5 <= body.n; at++)
            if (memcmp(body.p + at, "--b--", 5) == 0 && (at == 0 || body.p[at - 1] == '\n')) {
                close = body.p + at + 5;
                break;
            }
        for (size_t n = 0; n < body.n; n++) {
            struct ax_buf got = AX_BUF_INIT(4096);
            int rc = read_all((struct ax_str){body.p, n}, AX_B, &got);
            if (rc == AX_PARTS_END && (!close || n < (size_t)(close - body.p)))
                fail_msg("row %zu ends after %zu bytes: %.*s", i, n, (int)got.n, got.p);
            ax_buf_fini(&got);
        }
    }
}

/* A file of all byte values, and of every three of the bytes that delimiters are made of. */
static void test_every_byte(void **state)
{
    static const char odd[] = {'\r', '\n', '-', 'b', ' ', '\t', '\0', 'x'};
    struct ax_str head = AX_STR("--b\r\n" CD "name=\"f\"; filename=\"x\"\r\n\r\n");
    struct ax_buf body = AX_BUF_INIT(1 << 20), data = AX_BUF_INIT(1 << 20);
    struct ax_multipart m;
    struct ax_part part;

    (void)state;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned c = 0; c < 256; c++)
            ax_buf_addc(&data, (char)(round == 1 ? 255 - c : c));
    for (unsigned i = 0; i < sizeof odd * sizeof odd * sizeof odd; i++) {
        const char tail[] = {odd[i % 8], odd[i / 8 % 8], odd[i / 64], '.'};
        if (memcmp(tail, "b\r\n", 3) == 0)
            continue; /* that one is a delimiter */
        ax_buf_adds(&data, "\r\n--");
        ax_buf_add(&data, tail, sizeof tail);
    }
    ax_buf_add(&body, head.p, head.n);
    ax_buf_add(&body, data.p, data.n);
    ax_buf_adds(&body, "\r\n--b--\r\n");
    assert_false(body.failed || data.failed);
    ax_multipart_init(&m, ax_buf_str(&body), AX_B);
    assert_int_equal(ax_multipart_next(&m, &part), AX_PART);
    assert_true(ax_str_eq(part.data, ax_buf_str(&data)));
    assert_ptr_equal(part.data.p, body.p + head.n);
    assert_int_equal(ax_multipart_next(&m, &part), AX_PARTS_END);
    ax_buf_fini(&body);
    ax_buf_fini(&data);
}

/* Data that ends in the beginning of a delimiter, at each length, with a boundary that repeats itself. */
static void test_split_traps(void **state)
{
    struct ax_str boundary = AX_STR("--a--a--b");
    static const char delimiter[] = "\r\n----a--a--b";
    struct ax_part part;

    (void)state;
    for (size_t n = 0; n < sizeof delimiter - 1; n++)
        for (unsigned times = 1; times < 4; times++) {
            struct ax_buf body = AX_BUF_INIT(4096);
            struct ax_multipart m;
            size_t start;
            ax_buf_adds(&body, "----a--a--b\r\n" CD "name=f\r\n\r\n");
            start = body.n;
            for (unsigned i = 0; i < times; i++)
                ax_buf_add(&body, delimiter, n);
            size_t want = body.n - start;
            ax_buf_adds(&body, delimiter);
            ax_buf_adds(&body, "--\r\n");
            ax_multipart_init(&m, ax_buf_str(&body), boundary);
            assert_int_equal(ax_multipart_next(&m, &part), AX_PART);
            assert_int_equal(part.data.n, want);
            assert_int_equal(ax_multipart_next(&m, &part), AX_PARTS_END);
            ax_buf_fini(&body);
        }
}

static void test_many_parts(void **state)
{
    enum { PARTS = 1000 };
    struct ax_buf body = AX_BUF_INIT(1 << 20);
    struct ax_multipart m;
    struct ax_part part;
    char want[16];

    (void)state;
    for (unsigned i = 0; i < PARTS; i++)
        ax_buf_addf(&body, "--b\r\n" CD "name=\"n%u\"\r\n\r\n%u\r\n", i, i * 7);
    ax_buf_adds(&body, "--b--\r\n");
    ax_multipart_init(&m, ax_buf_str(&body), AX_B);
    for (unsigned i = 0; i < PARTS; i++) {
        assert_int_equal(ax_multipart_next(&m, &part), AX_PART);
        snprintf(want, sizeof want, "n%u", i);
        assert_true(ax_str_eq(part.name, ax_str(want)));
        snprintf(want, sizeof want, "%u", i * 7);
        assert_true(ax_str_eq(part.data, ax_str(want)));
        assert_null(part.filename.p);
        assert_null(part.content_type.p);
        assert_int_equal(m.parts, i + 1);
    }
    assert_int_equal(ax_multipart_next(&m, &part), AX_PARTS_END);
    ax_buf_fini(&body);
}

/* A body of one part with `head` bytes of headers, or with a name of `name` bytes, the first of them escaped.
 */
static int read_sized(size_t head, size_t name, struct ax_part *part)
{
    struct ax_buf body = AX_BUF_INIT(1 << 16);
    struct ax_multipart m;

    ax_buf_adds(&body, "--b\r\n" CD "name=\"");
    if (name) {
        ax_buf_adds(&body, "%22");
        while (--name)
            ax_buf_addc(&body, 'n');
    }
    ax_buf_adds(&body, "\"\r\nX: ");
    while (body.n + 2 < 5 + head)
        ax_buf_addc(&body, 'x');
    ax_buf_adds(&body, "\r\n\r\ndata\r\n--b--");
    ax_multipart_init(&m, ax_buf_str(&body), AX_B);
    int rc = ax_multipart_next(&m, part);
    part->data = part->content_type = (struct ax_str){0};
    ax_buf_fini(&body);
    return rc;
}

static void test_limits(void **state)
{
    struct ax_part part;

    (void)state;
    assert_int_equal(read_sized(AX_PART_HEAD_MAX, 0, &part), AX_PART);
    assert_int_equal(read_sized(AX_PART_HEAD_MAX + 1, 0, &part), AX_PARTS_MALFORMED);
    assert_int_equal(read_sized(AX_PART_HEAD_MAX, sizeof part.scratch, &part), AX_PART);
    assert_int_equal(part.name.n, sizeof part.scratch);
    assert_int_equal(part.name.p[0], '"');
    assert_int_equal(read_sized(AX_PART_HEAD_MAX, sizeof part.scratch + 1, &part), AX_PARTS_MALFORMED);
}

static void test_bad_boundary(void **state)
{
    static const char long_one[72] = "x";
    struct ax_multipart m;
    struct ax_part part;

    (void)state;
    ax_multipart_init(&m, AX_STR("----\r\n"), AX_STR(""));
    assert_int_equal(ax_multipart_next(&m, &part), AX_PARTS_MALFORMED);
    ax_multipart_init(&m, AX_STR("--x\r\n"), (struct ax_str){long_one, sizeof long_one});
    assert_int_equal(ax_multipart_next(&m, &part), AX_PARTS_MALFORMED);
}

/* For bodies in pieces: the same rules, and nothing of the data. */
static void test_head_alone(void **state)
{
    static const struct {
        struct ax_str head;
        bool ok;
        const char *name, *filename, *type; /* NULL = none */
    } t[] = {
        {AX_STR(CD "name=a\r\n"), true, "a", NULL, NULL},
        {AX_STR(CD "name=\"a\"; filename=\"../b\"\r\nContent-Type: c/d\r\n"), true, "a", "b", "c/d"},
        {AX_STR(CD "name=a; filename=\"\"\r\n"), true, "a", "", NULL},
        {AX_STR(CD "name=a"), false, NULL, NULL, NULL},
        {AX_STR(CD "name=a\r\n\r\n"), false, NULL, NULL, NULL},
        {AX_STR("Content-Type: c/d\r\n"), false, NULL, NULL, NULL},
        {AX_STR(CD "name=a; name=b\r\n"), false, NULL, NULL, NULL},
        {AX_STR(""), false, NULL, NULL, NULL},
    };
    char big[AX_PART_HEAD_MAX + 64];
    struct ax_part part;
    (void)state;

    for (size_t i = 0; i < AX_COUNT(t); i++) {
        bool ok = ax_multipart_head(t[i].head, &part);
        if (ok != t[i].ok)
            fail_msg("row %zu", i);
        if (!ok)
            continue;
        assert_true(ax_str_eq(part.name, ax_str(t[i].name)));
        assert_int_equal(part.filename.p != NULL, t[i].filename != NULL);
        assert_true(!t[i].filename || ax_str_eq(part.filename, ax_str(t[i].filename)));
        assert_true(!t[i].type || ax_str_eq(part.content_type, ax_str(t[i].type)));
    }
    int n = snprintf(big, sizeof big, "%s", CD "name=a\r\nX: ");
    memset(big + n, 'x', sizeof big - (size_t)n - 2);
    memcpy(big + sizeof big - 2, "\r\n", 2);
    assert_false(ax_multipart_head((struct ax_str){big, sizeof big}, &part));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boundary),     cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_truncated),    cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_split_traps),  cmocka_unit_test(test_many_parts),
        cmocka_unit_test(test_head_alone),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bad_boundary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
