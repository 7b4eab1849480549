/* base/list.h - intrusive doubly linked ring.  The head is a node too; a node that is in no list points to
 * itself, so removing twice is harmless.  No ownership, no thread. */
#ifndef AX_BASE_LIST_H
#define AX_BASE_LIST_H

#include <stdbool.h>

#include "base/assert.h"

struct ax_list {
    struct ax_list *next, *prev;
};

static inline void ax_list_init(struct ax_list *l)
{
    l->next = l->prev = l;
}

static inline bool ax_list_empty(const struct ax_list *l)
{
    return l->next == l;
}

static inline void ax_list_push(struct ax_list *head, struct ax_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void ax_list_remove(struct ax_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    ax_list_init(node);
}

#define AX_LIST_ENTRY(node, type, member) AX_CONTAINER_OF(node, type, member)
/* The body may remove `it` itself, no other node. */
#define AX_LIST_EACH(it, head)                                                                               \
    for (struct ax_list *it = (head)->next, *ax_next_ = it->next; it != (head);                              \
         it = ax_next_, ax_next_ = it->next)

#endif
