#include "supervisor/peercred.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/assert.h"

enum { OWNER = 1000, STRANGER = 1001, GROUP = 50, OTHERS = 51 };

static void test_rule(void **state)
{
    static const gid_t none[] = {OTHERS, 7}, member[] = {OTHERS, GROUP};
    static const struct {
        int mode;
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        bool may;
    } t[] = {
        {0600, OWNER, OTHERS, none, true},     {0600, 0, 0, none, true},
        {0600, STRANGER, OTHERS, none, false}, {0600, STRANGER, GROUP, member, false},
        {0660, STRANGER, GROUP, none, true},   {0660, STRANGER, OTHERS, member, true},
        {0660, STRANGER, OTHERS, none, false}, {0640, STRANGER, GROUP, member, false},
        {0666, STRANGER, OTHERS, none, true},  {0606, STRANGER, GROUP, none, false},
        {0060, OWNER, GROUP, member, false},   {0000, 0, 0, none, true},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        const struct ax_peer_rule rule = {OWNER, GROUP, t[i].mode};
        const struct ax_peer peer = {t[i].uid, t[i].gid, t[i].groups, 2};
        if (ax_peer_may(&rule, &peer) != t[i].may)
            fail_msg("row %zu", i);
    }
}

static void test_socket(void **state)
{
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(ax_peer_may_talk(&(struct ax_peer_rule){geteuid(), getegid(), 0600}, pair[0]));
    /* that nobody may is still no word to root */
    assert_int_equal(ax_peer_may_talk(&(struct ax_peer_rule){geteuid() + 1, getegid() + 1, 0600}, pair[0]),
                     geteuid() == 0);
    close(pair[0]);
    close(pair[1]);
    assert_false(ax_peer_may_talk(&(struct ax_peer_rule){geteuid(), getegid(), 0666}, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rule), cmocka_unit_test(test_socket)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
