/* config/yaml_traps.h - finds the values that people write into YAML without the quotes they need.  Pure. */
#ifndef AX_CONFIG_YAML_TRAPS_H
#define AX_CONFIG_YAML_TRAPS_H

#include <stdbool.h>
#include <stddef.h>

struct ax_trap {
    size_t start, end;  /* byte offsets of the value in the text */
    unsigned line, col; /* 1-based, in characters, as libyaml counts */
    const char *why;
};

/* Looks at the 1-based `line` of text; in_flow: the line starts inside `{ }` or `[ ]`. */
bool ax_yaml_trap(const char *text, size_t n, unsigned line, bool in_flow, struct ax_trap *ret);

#endif
