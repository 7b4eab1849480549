/* Policies made of a spec: files, mistakes at their place, memory that runs out at each step; which rule and
 * which page count. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/policy.h"
#include "net/site.h"

#define BCRYPT "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

struct files {
    char dir[40], users[64], page[64], empty[64];
};

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void files_open(struct files *f)
{
    snprintf(f->dir, sizeof f->dir, "/tmp/ax-policies-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->users, sizeof f->users, "%s/users", f->dir);
    snprintf(f->page, sizeof f->page, "%s/page.HTML", f->dir);
    snprintf(f->empty, sizeof f->empty, "%s/empty", f->dir);
    write_file(f->users, "bob:" BCRYPT "\n");
    write_file(f->page, "<p>");
    write_file(f->empty, "\n");
}

static void files_close(struct files *f)
{
    unlink(f->users);
    unlink(f->page);
    unlink(f->empty);
    assert_int_equal(rmdir(f->dir), 0);
}

static const struct ax_cors_rule cors[] = {{.origins = {"https://a", 9}}};
static const struct ax_rate_spec rates[] = {{1, 1000000, 5}};
static const struct ax_compress_rule compress[] = {{1024, {"", 0}}};
static const struct ax_rule_spec rules[] = {
    {{"/api/x", 6}, {"x: 1\r\n", 6}, {.cors = 1}},
    {{"/api", 4}, {"", 0}, {.rate = 1, .compress = 1}},
};

static struct ax_policy_spec spec_of(const struct ax_login_spec *logins, unsigned n,
                                     const struct ax_page_spec *pages, unsigned npages)
{
    return (struct ax_policy_spec){.logins = logins,
                                   .nlogins = n,
                                   .cors = cors,
                                   .ncors = 1,
                                   .rates = rates,
                                   .nrates = 1,
                                   .compress = compress,
                                   .ncompress = 1,
                                   .pages = pages,
                                   .npages = npages,
                                   .rules = rules,
                                   .nrules = 2};
}

static void test_made(void **state)
{
    struct files f;
    struct ax_policies *p;
    const struct ax_policy *one, *same;
    int bad;
    (void)state;
    files_open(&f);
    const struct ax_login_spec logins[] = {
        {.kind = AX_LOGIN_BASIC, .name = AX_STR("staff"), .file = ax_str(f.users)},
        {.kind = AX_LOGIN_BEARER, .name = AX_STR("a\"b"), .secret = AX_STR("t")},
    };
    const struct ax_page_spec pages[] = {{AX_STR("5xx"), ax_str(f.users)}, {AX_STR("503"), ax_str(f.page)}};
    struct ax_policy_spec spec = spec_of(logins, 2, pages, 2);
    assert_int_equal(ax_policies_new(&spec, 1, &p, &bad, NULL), 0);
    assert_int_equal(ax_policies_of(p, (struct ax_policy_use){.login = 1, .rate = 1}, &one, NULL), 0);
    assert_int_equal(ax_policies_of(p, (struct ax_policy_use){.login = 1, .rate = 1}, &same, NULL), 0);
    assert_ptr_equal(one, same);
    assert_non_null(one->login);
    assert_null(one->cors);
    assert_int_equal(ax_policies_of(p, (struct ax_policy_use){.login = 0}, &one, NULL), 0);
    assert_null(one);
    assert_int_equal(ax_policies_of(p, (struct ax_policy_use){.login = 3}, &one, NULL), -AX_E_RANGE);
    assert_int_equal(ax_policies_of(p, (struct ax_policy_use){.compress = 2}, &one, NULL), -AX_E_RANGE);
    assert_null(ax_policies_page(p, 404));
    assert_true(ax_policies_page(p, 503)->html);
    assert_false(ax_policies_page(p, 500)->html);
    assert_null(ax_policies_rule(p, AX_STR("/")));
    assert_null(ax_policies_rule(p, AX_STR("/apix")));
    assert_int_equal(ax_policies_rule(p, AX_STR("/api/x/y"))->headers.n, 6);
    assert_int_equal(ax_policies_rule(p, AX_STR("/api/xy"))->headers.n, 0);
    assert_non_null(ax_policies_rule(p, AX_STR("/api"))->policy->rate);
    ax_policies_free(p);
    ax_policies_free(NULL);
    files_close(&f);
}

static void test_mistakes(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    const struct {
        struct ax_login_spec login;
        const char *says;
    } t[] = {
        {{.kind = AX_LOGIN_BASIC, .file = AX_STR("/nonexistent/x")}, "cannot read /nonexistent/x"},
        {{.kind = AX_LOGIN_BASIC, .file = ax_str(f.empty)}, "has no user"},
        {{.kind = AX_LOGIN_BEARER, .file = ax_str(f.empty)}, "is empty"},
        {{.kind = AX_LOGIN_HS256, .secret = AX_STR("short")}, "fewer than 32 bytes"},
        {{.kind = AX_LOGIN_RS256, .file = ax_str(f.users)}, "no public key"},
        {{.kind = AX_LOGIN_BASIC, .file = ax_str(f.dir)}, "cannot read"},
    };
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        const struct ax_login_spec logins[] = {
            {.kind = AX_LOGIN_BEARER, .name = AX_STR("a"), .secret = AX_STR("t")}, t[i].login};
        struct ax_policy_spec spec = spec_of(logins, 2, NULL, 0);
        struct ax_policies *p;
        struct ax_err err = {.code = AX_OK};
        int bad;
        assert_true(ax_policies_new(&spec, 1, &p, &bad, &err) < 0);
        assert_int_equal(bad, 1);
        if (!strstr(err.msg, t[i].says))
            fail_msg("%s", err.msg);
        assert_null(strstr(err.msg, "short"));
    }
    files_close(&f);
}

static void test_memory(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    const struct ax_login_spec logins[] = {
        {.kind = AX_LOGIN_BASIC, .name = AX_STR("staff"), .file = ax_str(f.users)},
        {.kind = AX_LOGIN_HS256, .secret = AX_STR("0123456789abcdef0123456789abcdef")},
    };
    const struct ax_page_spec pages[] = {{AX_STR("5xx"), ax_str(f.page)}};
    struct ax_policy_spec spec = spec_of(logins, 2, pages, 1);
    for (unsigned n = 1;; n++) {
        struct ax_policies *p;
        struct ax_err err = {.code = AX_OK};
        int bad;
        ax_fail_alloc_at(n);
        int rc = ax_policies_new(&spec, 1, &p, &bad, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            ax_policies_free(p);
            break;
        }
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    files_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_made), cmocka_unit_test(test_mistakes),
                                       cmocka_unit_test(test_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
