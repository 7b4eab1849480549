/* What is written for the next program is read back as it was; what is not there, or is nonsense, is nothing.
 */
#include "supervisor/baton.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "supervisor/fixture.h"

static void test_bytes(void **state)
{
    static const struct ax_str t[] = {AX_STR(""), AX_STR("{\"type\":"), {"\0\xff\n", 3}};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        json_t *o = json_pack("{s:o}", "b", ax_baton_bytes(t[i]));
        struct ax_str got = ax_baton_take_bytes(o, "b");
        assert_int_equal(got.n, t[i].n);
        assert_memory_equal(got.n ? got.p : "", t[i].p, t[i].n);
        ax_free((void *)(uintptr_t)got.p);
        json_decref(o);
    }
    json_t *odd = json_pack("{s:s}", "b", "4x");
    assert_int_equal(ax_baton_take_bytes(odd, "none").n, 0);
    struct ax_str got = ax_baton_take_bytes(odd, "b");
    assert_int_equal(got.n, 0);
    ax_free((void *)(uintptr_t)got.p);
    json_decref(odd);
}

static bool closes_on_exec(int fd)
{
    return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void test_descriptors(void **state)
{
    struct ax_baton b = {0};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    json_t *o = json_pack("{s:o, s:o, s:i}", "fd", ax_baton_fd(&b, fd), "none", ax_baton_fd(&b, -1), "closed",
                          1 << 20);

    (void)state;
    assert_int_equal(b.n, 1);
    assert_true(ax_baton_hold(&b, true));
    assert_false(closes_on_exec(fd));
    assert_int_equal(ax_baton_take_fd(o, "fd"), fd);
    assert_true(closes_on_exec(fd));
    assert_int_equal(ax_baton_take_fd(o, "none"), -1);
    assert_int_equal(ax_baton_take_fd(o, "closed"), -1);
    assert_int_equal(ax_baton_take_fd(o, "absent"), -1);
    close(fd);
    assert_false(ax_baton_hold(&b, true));
    ax_baton_fini(&b);
    json_decref(o);
}

static struct ax_sockets sockets(int n)
{
    struct ax_sockets s = {.n = 0};

    for (int i = 0; i < n; i++)
        s.v[s.n++] = (struct ax_socket){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                        .url = ax_strdup("http://127.0.0.1:1"),
                                        .key = i ? NULL : ax_strdup("127.0.0.1 1"),
                                        .access = {.mode = 0660, .gid = (gid_t)-1},
                                        .everywhere = i};
    return s;
}

static void test_sockets(void **state)
{
    struct ax_sockets before = sockets(2), after;
    struct ax_baton b = {0};
    json_t *list = ax_baton_sockets(&b, &before);
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(b.n, 2);
    assert_int_equal(ax_baton_take_sockets(list, &after, &err), 0);
    assert_int_equal(after.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(after.v[i].fd, before.v[i].fd);
        assert_string_equal(after.v[i].url, before.v[i].url);
        assert_null(after.v[i].unix_path);
        assert_int_equal(after.v[i].everywhere, i);
        assert_int_equal(after.v[i].access.mode, 0660);
        assert_int_equal(after.v[i].access.gid, (gid_t)-1);
        before.v[i].fd = dup(before.v[i].fd); /* each list closes its own */
    }
    assert_string_equal(after.v[0].key, "127.0.0.1 1");
    assert_null(after.v[1].key);
    ax_sockets_close(&after);
    assert_int_equal(ax_baton_take_sockets(list, &after, &err), -AX_E_PROTO); /* they are closed now */
    ax_sockets_close(&before);
    ax_baton_fini(&b);
    json_decref(list);
}

static void test_no_memory(void **state)
{
    struct ax_baton b = {0};
    int rc = -1;

    (void)state;
    for (unsigned n = 1; rc < 0; n++) {
        struct ax_sockets one = sockets(1), after = {.n = 0};
        struct ax_err err = {0};
        json_t *list = ax_baton_sockets(&b, &one);
        ax_fail_alloc_at(n);
        rc = ax_baton_take_sockets(list, &after, &err);
        ax_fail_alloc_at(0);
        assert_int_equal(err.code, rc < 0 ? AX_E_NOMEM : AX_OK);
        if (rc < 0)
            one.v[0].fd = open("/dev/null", O_RDONLY); /* went with the list that failed */
        else
            one.v[0].fd = dup(one.v[0].fd);
        ax_sockets_close(&after);
        ax_sockets_close(&one);
        json_decref(list);
    }
    ax_baton_fini(&b);
}

static void test_totals(void **state)
{
    struct ax_total one = {.method = "GET",
                           .pattern = "/a",
                           .status_class = 2,
                           .bucket = {3, [AX_TOTALS_BOUNDS] = 1},
                           .count = 4,
                           .bytes_in = 5,
                           .bytes_out = UINT64_C(1) << 40,
                           .queue_us = 7,
                           .handler_us = 8,
                           .send_us = 9};
    struct ax_counters c = {.accepted = 11, .connections = 12};
    struct ax_totals *before, *after;

    (void)state;
    assert_int_equal(ax_totals_new(&before, NULL), 0);
    assert_int_equal(ax_totals_new(&after, NULL), 0);
    assert_int_equal(ax_totals_seed(before, &one, NULL), 0);
    ax_totals_seed_counters(before, &c);
    json_t *o = ax_baton_totals(before);
    assert_int_equal(ax_baton_take_totals(o, after, NULL), 0);
    assert_int_equal(ax_totals_count(after), 1);
    const struct ax_total *got = ax_totals_at(after, 0);
    assert_string_equal(got->method, "GET");
    assert_string_equal(got->pattern, "/a");
    assert_int_equal(got->status_class, 2);
    assert_memory_equal(got->bucket, one.bucket, sizeof one.bucket);
    assert_int_equal(got->count, 4);
    assert_int_equal(got->bytes_out, one.bytes_out);
    assert_int_equal(got->send_us, 9);
    assert_int_equal(ax_totals_counters(after)->accepted, 11);
    assert_int_equal(ax_totals_counters(after)->connections, 0); /* a value of the moment */
    ax_totals_free(before);
    ax_totals_free(after);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),     cmocka_unit_test(test_descriptors), cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_totals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
