#include "net/parcel.h"

#include <stdint.h>
#include <unistd.h>

#include "base/alloc.h"

struct ax_parcel *ax_parcel_new(int fd)
{
    struct ax_parcel *p = ax_calloc(1, sizeof *p);

    if (!p)
        return NULL;
    ax_list_init(&p->node);
    p->fd = fd;
    p->out = p->in = AX_BUF_INIT(SIZE_MAX); /* what the connection held; its limits were kept there */
    return p;
}

int ax_parcel_take_fd(struct ax_parcel *p)
{
    int fd = p->fd;

    p->fd = -1;
    return fd;
}

void ax_parcel_free(struct ax_parcel *p)
{
    if (!p)
        return;
    ax_list_remove(&p->node);
    if (p->fd >= 0)
        close(p->fd);
    ax_buf_fini(&p->out);
    ax_buf_fini(&p->in);
    ax_free(p);
}
