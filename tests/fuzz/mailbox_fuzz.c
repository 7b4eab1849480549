/* An engine's mailbox.  Input: one packet as another process may send it, with a descriptor, several or none.
 * What is no mail is refused with a reason; what is received is sound, comes out the same when it is sent on,
 * and no descriptor stays open. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "net/mailbox.h"

enum { PASSED_MAX = 3 };

static bool post(int to, const uint8_t *data, size_t n, unsigned nfds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
    } control = {0};
    struct iovec v = {(void *)(uintptr_t)data, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    int fds[PASSED_MAX];

    for (unsigned i = 0; i < nfds; i++)
        AX_ASSERT((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    if (nfds) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    }
    bool sent = sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)n;
    for (unsigned i = 0; i < nfds; i++)
        close(fds[i]);
    return sent;
}

static void check_parcel(int mine, int to, const struct ax_parcel *p)
{
    struct ax_mail again;

    AX_ASSERT(p->fd >= 0 && fcntl(p->fd, F_GETFD) >= 0);
    AX_ASSERT((p->in.p || !p->in.n) && (p->out.p || !p->out.n));
    AX_ASSERT(ax_parcel_is_bytes(p));
    AX_ASSERT(ax_mailbox_send_parcel(to, p, NULL) == 0);
    AX_ASSERT(ax_mailbox_receive(mine, &again, NULL) == 1 && again.kind == AX_MAIL_PARCEL);
    AX_ASSERT(ax_str_eq(ax_buf_str(&p->in), ax_buf_str(&again.parcel->in)));
    AX_ASSERT(ax_str_eq(ax_buf_str(&p->out), ax_buf_str(&again.parcel->out)));
    AX_ASSERT(p->eof == again.parcel->eof && p->finish == again.parcel->finish);
    ax_parcel_free(again.parcel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d = dice_of(data, n);
    int mine, to, before = dup(0), after;
    struct ax_mail mail;
    struct ax_err err = {0};

    close(before);
    AX_ASSERT(ax_mailbox_pair(&mine, &to, NULL) == 0);
    if (n && post(to, data, n, (unsigned)roll(&d, PASSED_MAX + 1))) {
        int rc = ax_mailbox_receive(mine, &mail, &err);
        AX_ASSERT(rc == 1 || (rc < 0 && err.msg[0] && rc == -(int)err.code));
        if (rc == 1 && mail.kind == AX_MAIL_PARCEL) {
            check_parcel(mine, to, mail.parcel);
            ax_parcel_free(mail.parcel);
        } else if (rc == 1 && mail.fd >= 0) {
            close(mail.fd);
        }
        AX_ASSERT(ax_mailbox_receive(mine, &mail, NULL) == 0);
    }
    close(mine);
    close(to);
    after = dup(0); /* the lowest that is free is the same again */
    close(after);
    AX_ASSERT(after == before);
    return 0;
}
