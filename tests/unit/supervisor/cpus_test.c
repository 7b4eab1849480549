#include "supervisor/cpus.h"

#include "supervisor/fixture.h"

static void put(const char *root, const char *path, const char *text)
{
    char full[512];

    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(full, 0700);
        *p = '/';
    }
    free(ax_fx_file(root, path, text));
}

static void test_quota(void **state)
{
    static const struct {
        const char *cgroup, *path[3], *text[3];
        unsigned want;
    } t[] = {
        {"0::/\n", {"sys/fs/cgroup/cpu.max"}, {"150000 100000\n"}, 2},
        {"0::/\n", {"sys/fs/cgroup/cpu.max"}, {"max 100000\n"}, 0},
        {"0::/a/b\n",
         {"sys/fs/cgroup/a/cpu.max", "sys/fs/cgroup/a/b/cpu.max"},
         {"100000 100000", "400000 100000"},
         1},
        {"0::/not/here\n", {"sys/fs/cgroup/cpu.max"}, {"300000 100000\n"}, 3},
        {"0::/\n", {NULL}, {NULL}, 0},
        {"4:cpu,cpuacct:/x\n0::/\n",
         {"sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us"},
         {"250000\n", "100000\n"},
         3},
        {"4:cpu:/\n",
         {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/cpu.cfs_period_us"},
         {"-1", "1"},
         0},
        {"4:cpuset:/\n", {"sys/fs/cgroup/cpuset/cpu.cfs_quota_us"}, {"1"}, 0},
        {"0::/\n", {"sys/fs/cgroup/cpu.max"}, {"1 0\n"}, 0},
        {"nonsense\n", {NULL}, {NULL}, 0},
        {"0::/\n", {"sys/fs/cgroup/cpu.max"}, {"99999999999999 1\n"}, 8192},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char *dir = ax_fx_dir();
        put(dir, "proc/self/cgroup", t[i].cgroup);
        for (unsigned k = 0; k < 3 && t[i].path[k]; k++)
            put(dir, t[i].path[k], t[i].text[k]);
        assert_int_equal(ax_cpus_quota(dir), t[i].want);
        ax_fx_remove(dir);
        free(dir);
    }
}

static void test_here(void **state)
{
    (void)state;
    assert_true(ax_cpus() >= 1);
    assert_int_equal(ax_cpus_quota("/no/such/folder"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quota), cmocka_unit_test(test_here)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
