#include "supervisor/message.h"

#include "supervisor/fixture.h"

static void test_good(void **state)
{
    struct ax_message m;

    (void)state;
    assert_int_equal(ax_message_parse(AX_STR("{\"type\":\"ready\",\"workers\":4}"), &m, NULL), 0);
    assert_int_equal(m.type, AX_MSG_READY);
    assert_int_equal(m.workers, 4);
    ax_message_fini(&m);
    assert_int_equal(
        ax_message_parse(AX_STR("{\"type\":\"failed\",\"errors\":[{\"message\":\"a\"},"
                                "{\"at\":{\"file\":\"f\",\"line\":2,\"col\":3},\"message\":\"b\"},7]}"),
                         &m, NULL),
        0);
    assert_int_equal(m.nerrors, 3);
    assert_null(m.error[0].file);
    assert_string_equal(m.error[1].file, "f");
    assert_int_equal(m.error[1].line * 10 + m.error[1].col, 23);
    assert_string_equal(m.error[2].text, "unknown error");
    ax_message_fini(&m);
    assert_int_equal(
        ax_message_parse(AX_STR("{\"type\":\"event\",\"kind\":\"crash\",\"text\":\"t\",\"worker\":1}"), &m,
                         NULL),
        0);
    assert_int_equal(m.id, 1);
    assert_string_equal(m.kind, "crash");
    ax_message_fini(&m);
    assert_int_equal(
        ax_message_parse(
            AX_STR("{\"type\":\"workers\",\"workers\":[{\"id\":1,\"state\":\"ready\",\"restarts\":2},{}]}"),
            &m, NULL),
        0);
    assert_int_equal(m.workers, 2);
    assert_string_equal(m.worker[0].state, "ready");
    assert_int_equal(m.worker[0].restarts, 2);
    ax_message_fini(&m);
    assert_int_equal(ax_message_parse(AX_STR("{\"type\":\"drained\"}"), &m, NULL), 0);
    assert_int_equal(m.type, AX_MSG_DRAINED);
    ax_message_fini(&m);
    assert_int_equal(
        ax_message_parse(AX_STR("{\"type\":\"files\",\"files\":[\"/a/b.js\",\"/c.ts\"]}"), &m, NULL), 0);
    assert_int_equal(m.nfiles, 2);
    assert_string_equal(m.file[1], "/c.ts");
    ax_message_fini(&m);
    assert_int_equal(ax_message_parse(AX_STR("{\"type\":\"files\",\"files\":[1]}"), &m, NULL), -AX_E_PROTO);
    assert_int_equal(ax_message_parse(AX_STR("{\"type\":\"ready\",\"workers\":1,\"broken\":true}"), &m, NULL),
                     0);
    assert_true(m.broken);
    ax_message_fini(&m);
    assert_int_equal(ax_message_parse(AX_STR("{\"type\":\"failed\",\"errors\":[],\"shown\":true}"), &m, NULL),
                     0);
    assert_true(m.shown);
    ax_message_fini(&m);
    assert_int_equal(ax_message_parse(AX_STR("{\"type\":\"not_accepting\"}"), &m, NULL), 0);
    assert_int_equal(m.type, AX_MSG_NOT_ACCEPTING);
    ax_message_fini(&m);
}

static void test_bad(void **state)
{
    static const char *const t[] = {"",
                                    "x",
                                    "[]",
                                    "{}",
                                    "{\"type\":1}",
                                    "{\"type\":\"\"}",
                                    "{\"type\":\"other\"}",
                                    "{\"type\":\"event\",\"kind\":\"crash\"}",
                                    "{\"type\":\"ready\"} more",
                                    "{\"type\":\"ready\",\"type\":\"drained\"}"};
    struct ax_message m;

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        assert_int_equal(ax_message_parse(ax_str(t[i]), &m, NULL), -AX_E_PROTO);
    for (unsigned n = 1; n <= 1; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        assert_int_equal(ax_message_parse(AX_STR("{\"type\":\"failed\",\"errors\":[{}]}"), &m, &err),
                         -AX_E_NOMEM);
        ax_fail_alloc_at(0);
        assert_int_equal(err.code, AX_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
