#!/bin/sh
# sources.sh c|js: the source files of a kind, one a line, tests and benchmarks with them.  Found by folder, so that it
# also works where there is no git.
cd "${LINT_ROOT:-$(dirname "$0")/..}" || exit 1
folders=$(for d in server config cli addon tests bench templates scripts; do [ -d "$d" ] && echo "$d"; done)
case "${1:-}" in
c) find $folders -name node_modules -prune -o -type f \( -name '*.c' -o -name '*.h' \) -print | sort ;;
js) find $folders -name node_modules -prune -o -type f \( -name '*.js' -o -name '*.mjs' \) -print | sort ;;
*) echo "usage: sources.sh c|js" >&2; exit 2 ;;
esac
