/* config/tables.h - every key of the manifest, once: where it is stored, its kind, range, default and
 * meaning. The decoder, the defaults, the JSON Schema and the reference text are all made from these rows.
 * Thread: constants. */
#ifndef AX_CONFIG_TABLES_H
#define AX_CONFIG_TABLES_H

#include "config/manifest.h"

enum ax_kind {
    AX_K_BOOL,     /* bool */
    AX_K_INT,      /* int */
    AX_K_COUNT,    /* int64_t */
    AX_K_SIZE,     /* int64_t, bytes */
    AX_K_TIME,     /* int64_t, microseconds */
    AX_K_MODE,     /* int, permission bits */
    AX_K_ENUM,     /* an enum: index into `words` */
    AX_K_WORD,     /* char *, one of `words` */
    AX_K_STR,      /* char * */
    AX_K_RATE,     /* char *, "100/s burst 200" */
    AX_K_STRS,     /* struct ax_strings */
    AX_K_PROXIES,  /* struct ax_strings: addresses, CIDR, "unix" */
    AX_K_HEADERS,  /* struct ax_pairs, names lower case */
    AX_K_ENV,      /* struct ax_pairs */
    AX_K_ERRORS,   /* struct ax_pairs: "404" or "5xx" -> file */
    AX_K_COMPRESS, /* struct ax_compress: true, false, or the keys of `map` */
    AX_K_LISTEN,   /* struct ax_listens */
    AX_K_MODULES,  /* struct ax_modules */
    AX_K_MAP,      /* the keys of `map`, stored at `at` */
    AX_K_NAMED,    /* any names, each with the keys of `map`; decoded by mf_policy.c */
    AX_K_ROUTES,   /* decoded last, by mf_routes.c */
};
enum { AX_NKINDS = AX_K_ROUTES + 1 };

enum {
    AX_F_OFF = 1,     /* `off` may stand: AX_OFF, or NULL for text */
    AX_F_AUTO = 2,    /* `auto` may stand: AX_AUTO */
    AX_F_EMPTY = 4,   /* "" is a value */
    AX_F_ANSWER = 8,  /* routes: one of the keys that say who answers */
    AX_F_NEEDED = 16, /* must be given */
};

struct ax_table;
struct ax_field {
    const char *key;
    enum ax_kind kind;
    size_t at;         /* offset in the struct that the table fills */
    int64_t min, max;  /* numbers; both 0 = no range */
    const char *def;   /* the default as it would be written; NULL = unset, empty or inherited */
    const char *shown; /* what the documents show instead of def; NULL = def */
    const char *help;
    const char *const *words;   /* NULL-terminated */
    const struct ax_table *map; /* AX_K_MAP, AX_K_NAMED */
    unsigned flags;
};
struct ax_table {
    const struct ax_field *v;
    size_t n;
    size_t scratch; /* size of the struct it fills when no part of the manifest holds it; 0 = the caller's */
};

/* What the two-word members of the manifest look like to a decoder. */
struct ax_listens {
    struct ax_listen *v;
    size_t n;
};

extern const struct ax_table ax_table_manifest;
extern const struct ax_table ax_table_route;    /* fills struct ax_route_keys */
extern const struct ax_table ax_table_listen;   /* fills struct ax_listen: the map form */
extern const struct ax_table ax_table_auth;     /* fills struct ax_auth */
extern const struct ax_table ax_table_cors;     /* fills struct ax_cors */
extern const struct ax_table ax_table_rule;     /* fills struct ax_route_keys */
extern const struct ax_table ax_table_compress; /* fills struct ax_compress */
extern const char *const ax_method_names[];     /* METHOD keys of a path, NULL-terminated, ANY last */

/* The default as the documents show it: "10s", "[]"; "-" = none. */
const char *ax_field_default(const struct ax_field *f);

/* What a route's map says.  A METHOD's map starts as a copy of its path's. */
struct ax_route_keys {
    char *handler, *static_dir, *redirect, *respond, *node;
    enum ax_health health;
    int status; /* 0 = not given */
    char *index, *fallback;
    int64_t timeout_us, body_max, max_inflight, queue;
    bool stream;
    struct ax_policies_of policy;
    struct ax_pairs headers;
    struct ax_uploads uploads;
};

#endif
