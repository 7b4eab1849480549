/* config/decode.h - tree and tables into structs.  A value that does not fit is reported and leaves the
 * default. Thread: none.  Running out of memory is sticky in the arenas and in d->p; the loader asks at the
 * end. */
#ifndef AX_CONFIG_DECODE_H
#define AX_CONFIG_DECODE_H

#include "config/tables.h"
#include "config/yaml_tree.h"

struct ax_mf {
    struct ax_manifest *m;
    struct ax_mf_arena *arena; /* the manifest's: what it keeps */
    struct ax_mf_arena *tmp;   /* the tree and scratch */
    struct ax_problems *p;
    struct ax_node *root;
    unsigned inflight_groups; /* given so far */
    struct ax_node *routes;   /* value of `routes`, set by the decoder for mf_routes.c; NULL = none */
};

enum { AX_NAME_MAX = 200 }; /* bytes of "limits.header" or "/users/:id GET timeout" in a message */

/* Stores each row's default into base. */
void ax_decode_defaults(struct ax_mf *d, const struct ax_table *t, void *base);
/* Decodes the members of `map` into base; `name` ("" at the top) stands before the keys in messages. */
void ax_decode_map(struct ax_mf *d, const struct ax_table *t, void *base, const struct ax_node *map,
                   const char *name);
/* One value by its row; its key is the node's. */
void ax_decode_field(struct ax_mf *d, const struct ax_field *f, void *base, struct ax_node *n,
                     const char *name);
const struct ax_field *ax_table_find(const struct ax_table *t, const char *key);
/* Reports n's key as unknown; `more` (NULL-terminated or NULL) are names that are right here besides the
 * table's. */
void ax_unknown_key(struct ax_mf *d, const struct ax_table *t, const char *const *more,
                    const struct ax_node *n, const char *name);
/* The text of a scalar; NULL after reporting a map, a list or nothing at all.  `want` says what should stand
 * there. */
const char *ax_scalar(struct ax_mf *d, const struct ax_node *n, const char *name, const char *want,
                      bool may_empty);

#endif
