#include "net/board.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { BOARD_MAGIC = 0x424f5244, LINE = 64 };

struct line {
    uint32_t word;
    char pad[LINE - sizeof(uint32_t)];
};

/* In shared memory: the head, then a line per slot. */
struct shared {
    uint32_t magic, slots;
    char pad[LINE - 2 * sizeof(uint32_t)];
    struct line line[];
};

struct ax_board {
    struct shared *shared;
    size_t bytes;
    unsigned slots; /* what the mapping holds, whatever the head says later */
};

static size_t bytes_of(unsigned slots)
{
    return sizeof(struct shared) + slots * sizeof(struct line);
}

static int map(int fd, unsigned slots, struct ax_board **ret, struct ax_err *reterr)
{
    struct ax_board *b = ax_calloc(1, sizeof *b);

    if (!b)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    b->slots = slots;
    b->bytes = bytes_of(slots);
    b->shared = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (b->shared == MAP_FAILED) {
        int os = errno;
        ax_free(b);
        return ax_fail_os(reterr, os, "cannot map the board of engines");
    }
    *ret = b;
    return 0;
}

/* Sealed, so that no engine can make another fault by shrinking it. */
static int make_memfd(size_t bytes, struct ax_err *reterr)
{
    int fd = memfd_create("actix-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return ax_fail_os(reterr, errno, "cannot make the board of engines");
    if (ftruncate(fd, (off_t)bytes) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int os = errno;
        close(fd);
        return ax_fail_os(reterr, os, "cannot size the board of engines");
    }
    return fd;
}

int ax_board_create(unsigned slots, struct ax_board **ret, int *ret_fd, struct ax_err *reterr)
{
    if (slots < 1 || slots > AX_BOARD_SLOTS_MAX)
        return ax_fail(reterr, AX_E_RANGE, "a board for 1..%d engines (found %u)", AX_BOARD_SLOTS_MAX, slots);
    int fd = make_memfd(bytes_of(slots), reterr);
    if (fd < 0)
        return fd;
    int rc = map(fd, slots, ret, reterr);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    for (unsigned i = 0; i < slots; i++)
        ax_board_set(*ret, i, AX_BOARD_ABSENT);
    (*ret)->shared->magic = BOARD_MAGIC;
    (*ret)->shared->slots = slots;
    *ret_fd = fd;
    return 0;
}

int ax_board_attach(int fd, struct ax_board **ret, struct ax_err *reterr)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return ax_fail_os(reterr, errno, "cannot look at the board of engines");
    size_t size = (size_t)st.st_size;
    if (size <= sizeof(struct shared) || size > bytes_of(AX_BOARD_SLOTS_MAX) || size % LINE != 0)
        return ax_fail(reterr, AX_E_PROTO, "descriptor %d is no board of engines", fd);
    struct ax_board *b = NULL;
    int rc = map(fd, (unsigned)((size - sizeof(struct shared)) / sizeof(struct line)), &b, reterr);
    if (rc < 0)
        return rc;
    if (b->shared->magic != BOARD_MAGIC || b->shared->slots != b->slots) {
        ax_board_free(b);
        return ax_fail(reterr, AX_E_PROTO, "descriptor %d is no board of engines", fd);
    }
    *ret = b;
    return 0;
}

void ax_board_free(struct ax_board *b)
{
    if (!b)
        return;
    munmap(b->shared, b->bytes);
    ax_free(b);
}

unsigned ax_board_slots(const struct ax_board *b)
{
    return b->slots;
}

void ax_board_set(struct ax_board *b, unsigned slot, uint32_t load)
{
    if (slot < b->slots)
        __atomic_store_n(&b->shared->line[slot].word, load, __ATOMIC_RELAXED);
}

uint32_t ax_board_get(const struct ax_board *b, unsigned slot)
{
    return slot < b->slots ? __atomic_load_n(&b->shared->line[slot].word, __ATOMIC_RELAXED) : AX_BOARD_ABSENT;
}

unsigned ax_board_present(const struct ax_board *b)
{
    unsigned n = 0;

    for (unsigned i = 0; i < b->slots; i++)
        n += ax_board_get(b, i) != AX_BOARD_ABSENT;
    return n;
}

uint32_t ax_board_least(const struct ax_board *b)
{
    uint32_t least = AX_BOARD_ABSENT;

    for (unsigned i = 0; i < b->slots; i++) {
        uint32_t load = ax_board_get(b, i);
        least = load < least ? load : least;
    }
    return least;
}
