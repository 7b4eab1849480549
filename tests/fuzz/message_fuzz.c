/* What an engine says.  Anything but a message is refused with a reason; what is accepted is complete;
 * running out of memory leaves nothing behind. */
#include "base/alloc.h"
#include "fuzz.h"
#include "supervisor/message.h"

static size_t length(const char *s)
{
    return s ? strlen(s) : 0; /* reads it to its end */
}

static void check(const struct ax_message *m)
{
    size_t sum = length(m->kind) + length(m->text);

    AX_ASSERT(m->nerrors <= AX_MESSAGE_ERRORS && m->workers <= UINT32_MAX);
    for (size_t i = 0; i < m->nerrors; i++) {
        AX_ASSERT(m->error[i].text);
        sum += length(m->error[i].file) + length(m->error[i].text);
    }
    AX_ASSERT(m->type != AX_MSG_WORKERS || m->workers <= AX_MESSAGE_WORKERS);
    for (unsigned i = 0; m->type == AX_MSG_WORKERS && i < m->workers; i++)
        sum += strnlen(m->worker[i].state, sizeof m->worker[i].state);
    AX_ASSERT(m->type != AX_MSG_EVENT || (m->kind && m->text));
    AX_ASSERT((m->type != AX_MSG_KILLED && m->type != AX_MSG_RENEW) || m->why);
    AX_ASSERT(!m->method == !m->pattern);
    sum += length(m->method) + length(m->pattern) + length(m->why);
    AX_ASSERT(sum < SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d = dice_of(data, n);
    char *line = exact(data, n);
    struct ax_message m;
    struct ax_err err = {0};

    for (int failing = 0; failing < 2; failing++) {
        ax_fail_alloc_at(failing ? (unsigned)(1 + roll(&d, 3)) : 0);
        err = (struct ax_err){0};
        int rc = ax_message_parse((struct ax_str){line, n}, &m, &err);
        ax_fail_alloc_at(0);
        AX_ASSERT(rc == 0 || (rc == -(int)err.code && err.msg[0]));
        AX_ASSERT(rc == 0 || rc == -AX_E_PROTO || (failing && rc == -AX_E_NOMEM));
        if (rc == 0) {
            check(&m);
            ax_message_fini(&m);
        }
    }
    free(line);
    return 0;
}
