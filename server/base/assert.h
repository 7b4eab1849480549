/* base/assert.h - three kinds of assert.  None may have a side effect; user input is never an assert.
 *   AX_ASSERT        always on: cheap, and going on would corrupt memory.
 *   AX_DEBUG_ASSERT  debug and sanitizer builds only: too costly for the request path.
 *   AX_NEVER(x)      cannot happen, but is survived in release: aborts in debug, else the condition. */
#ifndef AX_BASE_ASSERT_H
#define AX_BASE_ASSERT_H

#include <stdint.h>

__attribute__((noreturn, cold)) void ax_assert_failed(const char *expr, const char *file, int line);

#define AX_LIKELY(x)   __builtin_expect(!!(x), 1)
#define AX_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Seldom called: kept out of its callers, whose frames stay small. */
#define AX_COLD __attribute__((cold, noinline))

#define AX_ASSERT(x) (AX_LIKELY(x) ? (void)0 : ax_assert_failed(#x, __FILE__, __LINE__))

#ifdef AX_DEBUG
#define AX_DEBUG_ASSERT(x) AX_ASSERT(x)
#define AX_NEVER(x)        ((x) ? (ax_assert_failed("NEVER " #x, __FILE__, __LINE__), 1) : 0)
#else
#define AX_DEBUG_ASSERT(x) ((void)0)
#define AX_NEVER(x)        AX_UNLIKELY(x)
#endif

/* Every long-lived struct starts with `uint32_t magic`; AX_CAST checks it wherever a void pointer comes back
 * from libuv, Node or a thread: a stale pointer is a named abort instead of a silent corruption. */
#define AX_CAST(type, ptr, MAGIC)                                                                            \
    __extension__({                                                                                          \
        type *ax_cast_ = (type *)(ptr);                                                                      \
        AX_ASSERT(ax_cast_ != (void *)0 && ax_cast_->magic == (MAGIC));                                      \
        ax_cast_;                                                                                            \
    })

#define AX_CONTAINER_OF(ptr, type, member)                                                                   \
    ((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))
#define AX_COUNT(a) (sizeof(a) / sizeof *(a))

#endif
