/* .env: never refused, no name twice, nothing with a NUL in it; running out of memory leaves nothing behind.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/manifest.h"
#include "fuzz.h"

static int load(const char *path, unsigned fail_at, unsigned *ret_pairs)
{
    struct ax_mf_arena *arena = ax_mf_arena_new();
    struct ax_pairs pairs = {0};
    struct ax_err err = {0};
    size_t sum = 0;

    AX_ASSERT(arena);
    ax_fail_alloc_at(fail_at);
    int rc = ax_dotenv_load(path, &pairs, arena, &err);
    ax_fail_alloc_at(0);
    AX_ASSERT(rc == 0 ? err.code == AX_OK : err.msg[0] != '\0');
    for (size_t i = 0; rc == 0 && i < pairs.n; i++) {
        AX_ASSERT(pairs.v[i].key && pairs.v[i].value && pairs.v[i].key[0]);
        sum += strlen(pairs.v[i].key) + strlen(pairs.v[i].value);
        for (size_t k = 0; k < i; k++)
            AX_ASSERT(strcmp(pairs.v[i].key, pairs.v[k].key) != 0);
    }
    AX_ASSERT(sum < SIZE_MAX);
    *ret_pairs = (unsigned)pairs.n;
    ax_mf_arena_free(arena);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d = dice_of(data, n);
    int fd = memfd_create("env", MFD_CLOEXEC);
    unsigned pairs, again;
    char path[64];

    AX_ASSERT(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    AX_ASSERT(load(path, 0, &pairs) == 0);
    int rc = load(path, (unsigned)(1 + roll(&d, 4)), &again);
    AX_ASSERT(rc == 0 ? again == pairs : rc == -AX_E_NOMEM);
    close(fd);
    return 0;
}
