#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "net/out.h"

enum { MODEL_MAX = 1 << 24, LENT_MAX = 4096 };

/* The chain under test and, beside it, the plain bytes that it should hold. */
struct both {
    struct ax_pool blocks;
    struct ax_out out;
    struct ax_buf model;
    unsigned lent, released;
    char *lent_bytes[LENT_MAX];
    uint32_t random;
    unsigned char next;
};

static struct both *both_new(void)
{
    struct both *b = calloc(1, sizeof *b);

    b->model = AX_BUF_INIT(MODEL_MAX);
    b->random = 12345;
    assert_int_equal(ax_pool_init(&b->blocks, "output", AX_OUT_BLOCK, 4, 0, NULL), 0);
    return b;
}

static void both_free(struct both *b)
{
    ax_out_clear(&b->out, &b->blocks);
    assert_int_equal(b->released, b->lent);
    assert_int_equal(b->out.bytes, 0);
    assert_null(b->out.head);
    ax_pool_fini(&b->blocks); /* asserts that every block came back */
    ax_buf_fini(&b->model);
    for (unsigned i = 0; i < b->lent; i++)
        free(b->lent_bytes[i]);
    free(b);
}

static uint32_t rnd(struct both *b, uint32_t below)
{
    b->random = b->random * 1664525 + 1013904223;
    return (b->random >> 8) % below;
}

static void fill(struct both *b, char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)b->next++;
}

static void add_copied(struct both *b, struct ax_out *o, struct ax_buf *model, size_t want, size_t n)
{
    size_t room = 0;
    char *p = ax_out_room(o, &b->blocks, want, &room);

    assert_non_null(p);
    assert_true(room >= want);
    fill(b, p, n);
    ax_buf_add(model, p, n);
    ax_out_grow(o, n);
}

static void on_release(void *owner)
{
    ((struct both *)owner)->released++;
}

static void add_lent(struct both *b, struct ax_out *o, struct ax_buf *model, size_t n)
{
    char *p = malloc(n ? n : 1);

    fill(b, p, n);
    b->lent_bytes[b->lent++] = p;
    assert_true(ax_out_link(o, p, n, on_release, NULL, b));
    ax_buf_add(model, p, n);
}

static void same(struct both *b)
{
    struct iovec v[64];
    int n = ax_out_vec(&b->out, v, 64);
    size_t at = 0;

    assert_int_equal(b->out.bytes, b->model.n);
    for (int i = 0; i < n; i++) {
        assert_true(v[i].iov_len > 0);
        assert_true(at + v[i].iov_len <= b->model.n);
        assert_memory_equal(v[i].iov_base, b->model.p + at, v[i].iov_len);
        at += v[i].iov_len;
    }
    assert_true(n == 64 || at == b->model.n);
}

static void sent(struct both *b, size_t n)
{
    ax_out_sent(&b->out, &b->blocks, n);
    ax_buf_drop(&b->model, n);
}

static void test_empty(void **state)
{
    struct both *b = both_new();
    struct iovec v[2];

    (void)state;
    assert_int_equal(ax_out_vec(&b->out, v, 2), 0);
    ax_out_clear(&b->out, &b->blocks);
    struct ax_out none = {0};
    ax_out_splice(&b->out, &none);
    assert_null(b->out.head);
    both_free(b);
}

/* Bytes of a file between others: they leave in their order, at most AX_OUT_FILE_TURN at once. */
static void test_file(void **state)
{
    enum { LEN = AX_OUT_FILE_TURN + 5000, FROM = 100 };
    struct both *b = both_new();
    struct iovec v[4];
    int pair[2], fd = memfd_create("out", MFD_CLOEXEC);
    char got[8192];

    (void)state;
    assert_int_equal(ftruncate(fd, FROM + LEN), 0);
    assert_int_equal(pwrite(fd, "first", 5, FROM), 5);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    add_copied(b, &b->out, &b->model, 10, 10);
    b->lent += 2; /* two owners to be released */
    assert_true(ax_out_file(&b->out, fd, FROM, LEN, on_release, b));
    add_copied(b, &b->out, &b->model, 10, 10);
    assert_true(ax_out_file(&b->out, fd, FROM + LEN, 10, on_release, b));
    assert_int_equal(ax_out_vec(&b->out, v, 4), 1);
    assert_int_equal(v[0].iov_len, 10);
    ax_out_sent(&b->out, &b->blocks, 10);
    assert_int_equal(ax_out_vec(&b->out, v, 4), 0);
    for (size_t left = LEN; left;) {
        ssize_t n = ax_out_send_file(&b->out, pair[0]);
        assert_in_range(n, 1, AX_OUT_FILE_TURN);
        for (ssize_t at = 0, k; at < n; at += k) {
            k = read(pair[1], got, sizeof got);
            assert_true(k > 0);
            if (left == LEN && at == 0)
                assert_memory_equal(got, "first", 5);
        }
        ax_out_sent(&b->out, &b->blocks, (size_t)n);
        left -= (size_t)n;
    }
    assert_int_equal(b->released, 1);
    assert_int_equal(ax_out_vec(&b->out, v, 4), 1);
    ax_out_sent(&b->out, &b->blocks, 10);
    assert_int_equal(ax_out_send_file(&b->out, pair[0]), 0); /* it ends before: it has shrunk */
    ax_out_clear(&b->out, &b->blocks);
    close(pair[0]);
    close(pair[1]);
    close(fd);
    both_free(b);
}

/* Small responses share a block. */
static void test_small_ones_share(void **state)
{
    struct both *b = both_new();
    struct iovec v[4];

    (void)state;
    for (int i = 0; i < 20; i++)
        add_copied(b, &b->out, &b->model, 200, 150);
    assert_int_equal(ax_out_vec(&b->out, v, 4), 1);
    assert_int_equal(b->blocks.live, 1);
    same(b);
    sent(b, b->model.n);
    assert_int_equal(b->blocks.live, 0); /* an idle connection owns no block */
    both_free(b);
}

static void test_larger_than_a_block(void **state)
{
    struct both *b = both_new();

    (void)state;
    add_copied(b, &b->out, &b->model, 100, 100);
    add_copied(b, &b->out, &b->model, 3 * AX_OUT_BLOCK, 3 * AX_OUT_BLOCK);
    add_copied(b, &b->out, &b->model, 100, 100);
    same(b);
    sent(b, 50);
    same(b);
    sent(b, 2 * AX_OUT_BLOCK);
    same(b);
    both_free(b);
}

static void test_room_that_is_not_used(void **state)
{
    struct both *b = both_new();
    size_t room;

    (void)state;
    assert_non_null(ax_out_room(&b->out, &b->blocks, 10, &room));
    assert_int_equal(b->out.bytes, 0);
    add_lent(b, &b->out, &b->model, 5);
    same(b);
    sent(b, 5);
    assert_null(b->out.head);
    assert_non_null(ax_out_room(&b->out, &b->blocks, 10, &room));
    both_free(b);
}

static void test_lent_bytes_are_given_back(void **state)
{
    struct both *b = both_new();

    (void)state;
    add_lent(b, &b->out, &b->model, 1000);
    add_lent(b, &b->out, &b->model, 0);
    add_lent(b, &b->out, &b->model, 1000);
    sent(b, 999);
    assert_int_equal(b->released, 0);
    sent(b, 1);
    assert_int_equal(b->released, 2); /* the empty one goes along */
    same(b);
    both_free(b); /* the last one is lost, and given back too */
}

static void test_splice(void **state)
{
    struct both *b = both_new();
    struct ax_out held = {0};

    (void)state;
    add_copied(b, &held, &b->model, 10, 10);
    ax_out_splice(&b->out, &held); /* onto an empty one */
    assert_null(held.head);
    assert_int_equal(held.bytes, 0);
    add_copied(b, &b->out, &b->model, 10, 10);
    add_copied(b, &held, &b->model, 10, 10);
    add_lent(b, &held, &b->model, 10);
    ax_out_splice(&b->out, &held);
    add_copied(b, &b->out, &b->model, 10, 10);
    same(b);
    both_free(b);
}

static void test_vectors_are_bounded(void **state)
{
    struct both *b = both_new();
    struct iovec v[3];

    (void)state;
    for (int i = 0; i < 10; i++)
        add_lent(b, &b->out, &b->model, 7);
    assert_int_equal(ax_out_vec(&b->out, v, 3), 3);
    same(b);
    both_free(b);
}

/* Anything in any order: after each step the chain holds what the model holds. */
static void test_against_the_model(void **state)
{
    struct both *b = both_new();

    (void)state;
    for (int i = 0; i < 3000; i++) {
        size_t n = rnd(b, 20) ? rnd(b, 2000) : rnd(b, 40000);
        struct ax_out held = {0};
        switch (rnd(b, 6)) {
        case 0:
        case 1:
            add_copied(b, &b->out, &b->model, n + rnd(b, 100), n);
            break;
        case 2:
            add_lent(b, &b->out, &b->model, n);
            break;
        case 3:
            add_copied(b, &held, &b->model, n, n);
            if (rnd(b, 2))
                add_lent(b, &held, &b->model, rnd(b, 300));
            ax_out_splice(&b->out, &held);
            break;
        default:
            sent(b, rnd(b, (uint32_t)b->model.n + 1));
        }
        same(b);
        if (b->lent + 2 >= LENT_MAX)
            break;
    }
    both_free(b);
}

static bool still_lent(void *owner)
{
    return *(bool *)owner;
}

static void test_lent_bytes_may_be_taken_away(void **state)
{
    struct both *b = both_new();
    struct iovec v[4];
    bool lent = true;

    (void)state;
    assert_true(ax_out_link(&b->out, "abc", 3, NULL, still_lent, &lent));
    assert_int_equal(ax_out_vec(&b->out, v, 4), 1);
    lent = false;
    assert_int_equal(ax_out_vec(&b->out, v, 4), -1);
    ax_out_clear(&b->out, &b->blocks);
    both_free(b);
}

static void test_no_memory(void **state)
{
    struct both *b = both_new();
    size_t room;

    (void)state;
#ifdef AX_POOL_MALLOC
    ax_fail_alloc_at(1);
    assert_null(ax_out_room(&b->out, &b->blocks, 10, &room));
#endif
    ax_fail_alloc_at(1);
    assert_null(ax_out_room(&b->out, &b->blocks, 2 * AX_OUT_BLOCK, &room));
    ax_fail_alloc_at(1);
    assert_false(ax_out_link(&b->out, "x", 1, on_release, NULL, b));
    ax_fail_alloc_at(0);
    assert_int_equal(b->released, 0); /* it was not taken, so it is not released */
    assert_null(b->out.head);
    both_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_small_ones_share),
        cmocka_unit_test(test_larger_than_a_block),
        cmocka_unit_test(test_room_that_is_not_used),
        cmocka_unit_test(test_lent_bytes_are_given_back),
        cmocka_unit_test(test_splice),
        cmocka_unit_test(test_vectors_are_bounded),
        cmocka_unit_test(test_against_the_model),
        cmocka_unit_test(test_lent_bytes_may_be_taken_away),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
