#include "fixture.h"

#include "config/mf_pattern.h"

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
        {"/a%2Fb",
         "/a\x01"
         "b",
         ""},
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
        char shape[200];
        struct ax_err err = {0};
        int rc = ax_mf_pattern_shape(t[i].pattern, shape, &err);
        if ((rc == 0) != (t[i].shape != NULL) || (rc == 0 && strcmp(shape, t[i].shape) != 0) ||
            !strstr(err.msg, t[i].says))
            fail_msg("%s: %d %s %s", t[i].pattern, rc, shape, err.msg);
    }
}

static void test_limits(void **state)
{
    char pattern[AX_MF_PATTERN_MAX + 2], shape[AX_MF_PATTERN_MAX + 2];
    (void)state;
    memset(pattern, 'a', sizeof pattern);
    pattern[0] = '/';
    pattern[AX_MF_PATTERN_MAX + 1] = '\0';
    assert_int_equal(ax_mf_pattern_shape(pattern, shape, NULL), -AX_E_LIMIT);
    pattern[AX_MF_PATTERN_MAX] = '\0';
    assert_int_equal(ax_mf_pattern_shape(pattern, shape, NULL), 0);
    memset(pattern, '/', AX_MF_SEGMENTS_MAX + 1);
    pattern[AX_MF_SEGMENTS_MAX + 1] = '\0';
    assert_int_equal(ax_mf_pattern_shape(pattern, shape, NULL), -AX_E_LIMIT);
    pattern[AX_MF_SEGMENTS_MAX] = '\0';
    assert_int_equal(ax_mf_pattern_shape(pattern, shape, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns), cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
