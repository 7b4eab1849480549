#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/pattern.h"

/* `shape` is written with : * and | for what stands for a parameter, the rest and an encoded slash. */
static bool has_shape(const struct ax_pattern *p, const char *shape)
{
    static const char marks[] = {[AX_SHAPE_PARAM] = ':', [AX_SHAPE_REST] = '*', [AX_SHAPE_SLASH] = '|'};

    if (strlen(shape) != p->n)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        unsigned char c = (unsigned char)p->shape[i];
        if (shape[i] != (c < AX_COUNT(marks) ? marks[c] : p->shape[i]))
            return false;
    }
    return true;
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *shape; /* shape NULL = refused */
        const char *says;
    } t[] = {
        {"/", "/", ""},
        {"/a/b", "/a/b", ""},
        {"/a/", "/a/", ""},
        {"/a//b", "/a//b", ""},
        {"/:x", "/:", ""},
        {"/a/:x/b/:y_2", "/a/:/b/:", ""},
        {"/f/*rest", "/f/*", ""},
        {"/*", "/*", ""},
        {"/a:b", "/a:b", ""},
        {"/caf%C3%A9", "/caf\xc3\xa9", ""},
        {"/a%2Fb", "/a|b", ""},
        {"/.well-known/x", "/.well-known/x", ""},
        {"", NULL, "starts with /"},
        {"a", NULL, "did you mean /a"},
        {"/:", NULL, "no parameter"},
        {"/:1x", NULL, "no parameter"},
        {"/:a-b", NULL, "no parameter"},
        {"/:a*", NULL, "no parameter"},
        {"/*rest/x", NULL, "last segment"},
        {"/*/x", NULL, "last segment"},
        {"/:x/:x", NULL, "twice"},
        {"/:x/*x", NULL, "twice"},
        {"/a*", NULL, "cannot hold"},
        {"/a?b", NULL, "cannot hold"},
        {"/a#b", NULL, "cannot hold"},
        {"/%zz", NULL, "cannot hold"},
        {"/%4", NULL, "cannot hold"},
        {"/%00", NULL, "cannot hold"},
        {"/a/../b", NULL, "segment"},
        {"/%2e", NULL, "segment"},
        {"/%ff", NULL, "UTF-8"},
        {"/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p", "/:/:/:/:/:/:/:/:/:/:/:/:/:/:/:/:", ""},
        {"/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q", NULL, "more than 16"},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_pattern p;
        struct ax_err err = {0};
        int rc = ax_pattern_parse(&p, ax_str(t[i].pattern), &err);
        if ((rc == 0) != (t[i].shape != NULL) || (rc == 0 && !has_shape(&p, t[i].shape)) ||
            !strstr(err.msg, t[i].says))
            fail_msg("%s: %d %.*s %s", t[i].pattern, rc, (int)p.n, p.shape, err.msg);
    }
}

static void test_limits(void **state)
{
    char pattern[AX_ROUTE_PATTERN_MAX + 2];
    (void)state;
    memset(pattern, 'a', sizeof pattern);
    pattern[0] = '/';
    pattern[AX_ROUTE_PATTERN_MAX + 1] = '\0';
    assert_int_equal(ax_pattern_check(ax_str(pattern), NULL), -AX_E_LIMIT);
    pattern[AX_ROUTE_PATTERN_MAX] = '\0';
    assert_int_equal(ax_pattern_check(ax_str(pattern), NULL), 0);
    memset(pattern, '/', AX_ROUTE_SEGMENTS_MAX + 1);
    pattern[AX_ROUTE_SEGMENTS_MAX + 1] = '\0';
    assert_int_equal(ax_pattern_check(ax_str(pattern), NULL), -AX_E_LIMIT);
    pattern[AX_ROUTE_SEGMENTS_MAX] = '\0';
    assert_int_equal(ax_pattern_check(ax_str(pattern), NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns), cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
