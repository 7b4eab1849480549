#include "supervisor/quarantine.h"

#include <jansson.h>

#include "supervisor/fixture.h"

struct seen {
    unsigned calls;
    char pattern[64], text[256];
    int64_t until_us;
};

static void changed(void *ctx, const char *method, const char *pattern, int64_t until_us, const char *text)
{
    struct seen *s = ctx;

    (void)method;
    s->calls++;
    s->until_us = until_us;
    snprintf(s->pattern, sizeof s->pattern, "%s", pattern);
    snprintf(s->text, sizeof s->text, "%s", text);
}

static struct ax_quarantine *make(uv_loop_t *loop, struct seen *seen, int kills, int64_t for_us)
{
    struct ax_manifest m = {.server.quarantine = {kills, 60000000, for_us}};
    struct ax_quarantine_options o = {.loop = loop, .changed = changed, .ctx = seen};
    struct ax_quarantine *q = NULL;

    *seen = (struct seen){.calls = 0};
    assert_int_equal(uv_loop_init(loop), 0);
    assert_int_equal(ax_quarantine_new(&o, &q, NULL), 0);
    ax_quarantine_reset(q, &m);
    return q;
}

static void end(uv_loop_t *loop, struct ax_quarantine *q)
{
    ax_quarantine_close(q);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
    ax_quarantine_free(q);
}

static void test_kills(void **state)
{
    uv_loop_t loop;
    struct seen seen;
    struct ax_quarantine *q = make(&loop, &seen, 3, 300000000);

    (void)state;
    ax_quarantine_kill(q, "GET", "/a", "stall");
    ax_quarantine_kill(q, "GET", "/b", "stall");
    ax_quarantine_kill(q, "POST", "/a", "stall");
    ax_quarantine_kill(q, "GET", "/a", "heap");
    assert_int_equal(seen.calls, 0);
    ax_quarantine_kill(q, "GET", "/a", "crash");
    assert_int_equal(seen.calls, 1);
    assert_string_equal(seen.pattern, "/a");
    assert_true(seen.until_us > ax_mono_now().us + 290000000);
    assert_string_equal(seen.text, "GET /a has killed 3 workers (last: crash): it is answered 503 for 300 s "
                                   "(server.quarantine)");
    ax_quarantine_kill(q, "GET", "/a", "crash"); /* what ran already: told once */
    assert_int_equal(seen.calls, 1);
    json_t *list = ax_quarantine_json(q);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "route")), "/a");
    json_decref(list);
    end(&loop, q);
}

/* More routes than are remembered: none of them is lost that is blocked. */
static void test_many(void **state)
{
    uv_loop_t loop;
    struct seen seen;
    struct ax_quarantine *q = make(&loop, &seen, 1, 300000000);

    (void)state;
    for (unsigned i = 0; i < AX_QUARANTINE_ROUTES + 10; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "/r%u", i);
        ax_quarantine_kill(q, "GET", pattern, "stall");
    }
    assert_int_equal(seen.calls, AX_QUARANTINE_ROUTES);
    json_t *list = ax_quarantine_json(q);
    assert_int_equal(json_array_size(list), AX_QUARANTINE_ROUTES);
    json_decref(list);
    end(&loop, q);
}

static void test_segments(void **state)
{
    static const struct ax_route_name names[] = {{AX_STR("GET"), AX_STR("/a"), AX_STR("a.js")},
                                                 {AX_STR("GET"), AX_STR("/b"), AX_STR("b.js")}};
    uv_loop_t loop;
    struct seen seen;
    struct ax_quarantine *q = make(&loop, &seen, 1, 300000000);
    struct ax_segment *s = NULL;

    (void)state;
    assert_int_equal(ax_segment_private(1, 4, &s, NULL), 0);
    assert_int_equal(ax_segment_set_routes(s, names, 2, NULL), 0);
    ax_quarantine_kill(q, "GET", "/b", "stall");
    ax_quarantine_apply(q, s);
    ax_quarantine_apply(q, NULL);
    assert_true(ax_segment_blocked(s, 1) == 0);
    assert_true(ax_segment_blocked(s, 2) == seen.until_us);
    ax_quarantine_set(s, "GET", "/b", 0);
    assert_true(ax_segment_blocked(s, 2) == 0);
    ax_segment_free(s);
    end(&loop, q);
}

static void test_release(void **state)
{
    uv_loop_t loop;
    struct seen seen;
    struct ax_quarantine *q = make(&loop, &seen, 1, 1000);

    (void)state;
    ax_quarantine_kill(q, "GET", "/a", "stall");
    while (seen.calls < 2)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(seen.until_us == 0);
    assert_string_equal(seen.text, "GET /a is answered again: its quarantine is over");
    ax_quarantine_kill(q, "GET", "/a", "stall"); /* and again from the beginning */
    assert_int_equal(seen.calls, 3);
    end(&loop, q);
}

static void test_nomem(void **state)
{
    uv_loop_t loop;
    struct seen seen;
    struct ax_quarantine *q = make(&loop, &seen, 1, 1000000), *none = NULL;
    struct ax_quarantine_options o = {.loop = &loop, .changed = changed, .ctx = &seen};

    (void)state;
    ax_fail_alloc_at(1);
    assert_int_equal(ax_quarantine_new(&o, &none, NULL), -AX_E_NOMEM);
    ax_fail_alloc_at(1);
    ax_quarantine_kill(q, "GET", "/a", "stall"); /* one that cannot be remembered is forgotten */
    ax_fail_alloc_at(0);
    assert_int_equal(seen.calls, 0);
    end(&loop, q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kills),   cmocka_unit_test(test_many),  cmocka_unit_test(test_segments),
        cmocka_unit_test(test_release), cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
