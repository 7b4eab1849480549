/* config/yaml_tree.h - YAML text as a tree whose nodes know file, line and column.
 * Anchors, aliases and `<<` are resolved here by copying, within AX_YAML_ALIAS_MAX copied nodes, so that no
 * text expands without bound; a copy keeps the place of the original.  Every value stays text: types belong
 * to the decoder. Thread: none.  Nodes are OWNED by the arena that was passed. */
#ifndef AX_CONFIG_YAML_TREE_H
#define AX_CONFIG_YAML_TREE_H

#include "config/manifest.h"

enum {
    AX_YAML_DEPTH_MAX = 64,
    AX_YAML_ALIAS_MAX = 20000,  /* nodes that aliases and `<<` may add */
    AX_YAML_NODES_MAX = 400000, /* all nodes of a file */
};

enum ax_node_kind {
    AX_NODE_SCALAR,
    AX_NODE_MAP,
    AX_NODE_LIST,
    AX_NODE_BAD, /* already reported; decoders pass over it in silence */
};

struct ax_node {
    enum ax_node_kind kind;
    struct ax_place at;
    const char *text;             /* SCALAR: NUL-terminated, without NUL inside */
    bool plain;                   /* SCALAR: neither quoted nor interpolated */
    uint32_t hash;                /* of text, to compare keys quickly */
    struct ax_node *key;          /* member of a MAP: its key */
    struct ax_node *next;         /* sibling */
    struct ax_node *first, *last; /* MAP, LIST: members in file order */
    size_t count;
};

/* Parses one document.  Repeated keys, unknown anchors and the like go to *p and leave a usable tree; so does
 * YAML's own trap of an unquoted `*`, `@`, `[::1]` or `${` inside `{ }`, whose value becomes AX_NODE_BAD.
 * After any other syntax error the lines before it still make the tree.  `text` is scratch and changed.
 * Returns 0, -AX_E_SYNTAX or -AX_E_LIMIT (reported in *p, *ret is NULL), or -AX_E_NOMEM. */
int ax_yaml_parse(char *text, size_t n, const char *file, struct ax_mf_arena *arena, struct ax_problems *p,
                  struct ax_node **ret);

struct ax_node *ax_node_get(const struct ax_node *map, const char *key); /* NULL when absent or not a map */
void ax_node_add(struct ax_node *parent, struct ax_node *key,
                 struct ax_node *value);       /* key NULL for a list */
bool ax_node_is_null(const struct ax_node *n); /* empty, `~` or `null`, unquoted */

#endif
