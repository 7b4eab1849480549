/* config/overlay.h - laying one tree over another, and ${NAME} in parsed scalars.  Thread: none. */
#ifndef AX_CONFIG_OVERLAY_H
#define AX_CONFIG_OVERLAY_H

#include "config/yaml_tree.h"

/* Lays `over` on `base`, in place: maps merge, everything else replaces.  Nodes keep their own places; `over`
 * is used up. */
void ax_overlay(struct ax_node *base, struct ax_node *over);
/* Removes the top-level keys that start with "x-": they only hold anchors. */
void ax_overlay_drop_extensions(struct ax_node *root);

struct ax_lookup {
    const char *(*getenv)(const char *name, void *ctx); /* NULL = nothing is set */
    void *ctx;
    const struct ax_pairs *dotenv; /* asked second */
};
/* Replaces ${NAME}, ${NAME:-default} (also when NAME is set to nothing, as in sh) and $$ in every value. What
 * fails is reported at its place and becomes AX_NODE_BAD. */
void ax_interpolate(struct ax_node *root, const struct ax_lookup *l, struct ax_mf_arena *arena,
                    struct ax_problems *p);

#endif
