/* A mailbox takes what engines send, and no number on trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/mailbox.h"

enum { BIG = 300000 };

/* As mailbox.c lays a packet out: content in a memfd, the second descriptor. */
struct packet {
    uint32_t magic, kind, slot;
    uint8_t eof, finish, in_memfd, has_fd;
    uint64_t nout, nin;
};

static void post(int to, const struct packet *p, int fd, int content)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    const int fds[2] = {fd, content};
    struct packet copy = *p;
    struct iovec v = {&copy, sizeof copy};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    assert_int_equal(sendmsg(to, &m, MSG_NOSIGNAL), sizeof copy);
}

static void test_claims(void **state)
{
    static const struct {
        uint64_t nout, nin;
        int rc;
    } t[] = {{4, 6, 1},
             {0, 10, 1},
             {10, 0, 1},
             {4, 7, -AX_E_PROTO},
             {0, 0, -AX_E_PROTO},
             {0, UINT64_C(1) << 60, -AX_E_PROTO},
             {UINT64_MAX, 11, -AX_E_PROTO}};
    int mine, to, fd = open("/dev/null", O_RDONLY | O_CLOEXEC), content = memfd_create("test", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(write(content, "outbinputs", 10), 10);
    assert_int_equal(ax_mailbox_pair(&mine, &to, NULL), 0);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct packet p = {0x4d41494c, AX_MAIL_PARCEL, 0, 0, 0, 1, 1, t[i].nout, t[i].nin};
        struct ax_mail mail;
        struct ax_err err = {0};
        post(to, &p, fd, content);
        assert_int_equal(ax_mailbox_receive(mine, &mail, &err), t[i].rc);
        if (t[i].rc < 0)
            continue;
        assert_int_equal(mail.parcel->out.n, t[i].nout);
        assert_memory_equal(mail.parcel->in.n ? mail.parcel->in.p : "", "outbinputs" + t[i].nout, t[i].nin);
        ax_parcel_free(mail.parcel);
    }
    close(mine);
    close(to);
    close(fd);
    close(content);
}

/* More than a packet holds. */
static void test_big(void **state)
{
    struct ax_parcel *p = ax_parcel_new(open("/dev/null", O_RDONLY | O_CLOEXEC));
    struct ax_mail mail;
    int mine, to;

    (void)state;
    assert_int_equal(ax_mailbox_pair(&mine, &to, NULL), 0);
    memset(ax_buf_reserve(&p->in, BIG), 'i', BIG);
    p->in.n = BIG;
    assert_true(ax_buf_adds(&p->out, "answer"));
    assert_int_equal(ax_mailbox_send_parcel(to, p, NULL), 0);
    assert_int_equal(ax_mailbox_receive(mine, &mail, NULL), 1);
    assert_int_equal(mail.parcel->in.n, BIG);
    assert_memory_equal(mail.parcel->in.p, p->in.p, BIG);
    assert_memory_equal(mail.parcel->out.p, "answer", 6);
    ax_parcel_free(mail.parcel);
    ax_parcel_free(p);
    close(mine);
    close(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_claims), cmocka_unit_test(test_big)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
