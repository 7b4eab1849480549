/* config/manifest.h - actix.yaml, decoded and validated.
 * Four steps that never mix: YAML -> tree with line:column (yaml_tree.c), overlay and interpolation
 * (overlay.c), table-driven decode into these structs (decode.c, tables.c), validation across keys
 * (validate.c).  Nothing here opens a socket, starts a process or prints. Thread: none; the result is
 * read-only after loading.  All strings are OWNED by the manifest's arena. */
#ifndef AX_CONFIG_MANIFEST_H
#define AX_CONFIG_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Units are in the names: _us microseconds, plain sizes are bytes.  AX_OFF means the key says `off`. */
#define AX_OFF INT64_MAX
enum { AX_AUTO = -1 }; /* the key says `auto` */

struct ax_place {
    const char *file; /* as given on the command line */
    unsigned line, col;
};

enum ax_isolation { AX_ISOLATION_THREAD, AX_ISOLATION_PROCESS };
enum ax_balance { AX_LEAST_CONNECTIONS, AX_ROUND_ROBIN, AX_LEAST_INFLIGHT };
enum ax_trailing { AX_TRAILING_STRICT, AX_TRAILING_REDIRECT, AX_TRAILING_IGNORE };
enum ax_record { AX_RECORD_OFF, AX_RECORD_ERRORS, AX_RECORD_SLOW, AX_RECORD_ALL };

struct ax_pair {
    char *key, *value;
};
struct ax_pairs {
    struct ax_pair *v;
    size_t n;
};
struct ax_module {
    char *file; /* relative to the manifest's folder */
    struct ax_place at;
};
struct ax_modules {
    struct ax_module *v;
    size_t n;
};
struct ax_strings {
    char **v;
    size_t n;
};

enum ax_listen_kind { AX_LISTEN_TCP, AX_LISTEN_UNIX };
struct ax_listen {
    enum ax_listen_kind kind;
    char *host;    /* TCP: numeric address, "localhost" (both families) or "*" (all addresses); no brackets */
    unsigned port; /* TCP: 0 picks a free one */
    bool port_only; /* written as PORT alone: loopback, but all addresses inside a container */
    char *path;     /* UNIX: as written, relative to the manifest's folder */
    int mode;       /* UNIX: permission bits, -1 = not given */
    char *group;    /* UNIX: NULL = not given */
    struct ax_place at;
};

struct ax_uploads {
    char *dir; /* relative to the manifest's folder */
    bool keep;
    int64_t file, files, fields, field; /* bytes, count, count, bytes */
};

enum ax_auth_kind { AX_AUTH_BASIC, AX_AUTH_BEARER, AX_AUTH_JWT };
struct ax_auth { /* one of `auth`; its files are read by who serves, see net/policy.h */
    char *name;
    enum ax_auth_kind kind;
    char *basic;              /* BASIC: htpasswd file */
    char *token, *token_file; /* BEARER: one of them */
    char *key, *key_file, *secret,
        *secret_file;                      /* JWT: one of the first two (RS256) or the last two (HS256) */
    char *alg, *audience, *issuer, *scope; /* JWT; all but alg may be NULL: not looked at */
    int64_t leeway_us;                     /* JWT */
    char *text;                            /* all of it as written, to compare; holds secrets */
    struct ax_place at;                    /* of its value */
};

struct ax_cors { /* one of `cors` */
    char *name;
    struct ax_strings origins, methods, headers, expose;
    bool credentials;
    int64_t max_age_us;
    char *text; /* as above */
};

struct ax_compress {
    bool on;
    int64_t min;             /* bytes; a shorter body is sent as it is */
    struct ax_strings types; /* "text/html", "text/" followed by a star; empty = the server's own list */
};

/* What a route has of the policies; auth and cors are names, NULL = none.  A rate limit is shared by those
 * that hold the same pointer: the routes of one rule, or the METHODs of one path. */
struct ax_policies_of {
    char *auth, *cors, *rate_limit;
    struct ax_compress compress;
    struct ax_modules use; /* middleware around the handler, the outermost first */
};

struct ax_rule {  /* one of `rules`, with what shorter prefixes say and it does not */
    char *prefix; /* as written, without a slash at its end; "" = all paths */
    char *shape;  /* of it, as ax_pattern_parse makes it */
    struct ax_policies_of policy;
    struct ax_pairs headers;
    struct ax_place at; /* of its key */
};

enum ax_route_kind {
    AX_ROUTE_HANDLER,
    AX_ROUTE_REDIRECT,
    AX_ROUTE_RESPOND,
    AX_ROUTE_HEALTH,
    AX_ROUTE_NODE,   /* a module with a Node (req, res) listener */
    AX_ROUTE_STATIC, /* files; its method is GET */
};
enum ax_health { AX_HEALTH_LIVE, AX_HEALTH_READY };

/* One (method, pattern).  A manifest path with METHOD keys makes several. */
struct ax_manifest_route {
    char *pattern;
    char *method;    /* "GET" ... or "ANY"; for a module string (or `handler:`) "ANY" too, see by_exports */
    bool by_exports; /* a module for the whole path: it may export GET, POST, ... (docs/manifest.md) */
    enum ax_route_kind kind;
    char *module;          /* HANDLER, NODE: file relative to the manifest's folder, without #export */
    char *export_name;     /* HANDLER, NODE: what stood behind '#'; NULL = METHOD's export, else default */
    char *to;              /* REDIRECT: target */
    int status;            /* REDIRECT: 308 unless given; RESPOND: 200 unless given */
    char *body;            /* RESPOND */
    enum ax_health health; /* HEALTH */
    char *dir;      /* STATIC: folder relative to the manifest's; a file where the pattern has no *rest */
    char *index;    /* STATIC: file of a folder; NULL = off */
    char *fallback; /* STATIC: file below `dir` for pages that are not there; NULL = none */
    struct ax_place fallback_at;
    int64_t timeout_us;   /* AX_OFF = none; timeouts.handler unless given */
    int64_t body_max;     /* bytes; limits.body unless given */
    int64_t max_inflight; /* 0 = no limit of its own */
    unsigned
        inflight_group; /* routes of one group share them: METHODs that have theirs from the path; never 0 */
    int64_t queue;      /* waiting requests when max_inflight is reached; 0 = none */
    bool stream;        /* HANDLER: called when the head is there, reads the body as it comes */
    struct ax_pairs headers; /* added to every response; names lower case */
    struct ax_uploads uploads;
    struct ax_policies_of policy;
    struct ax_place at;      /* of the value that names the handler, redirect, ... */
    struct ax_place path_at; /* of the path key */
};

struct ax_manifest {
    char *file; /* first -c as given, or the discovered name */
    char *root; /* absolute folder of that file; relative paths in the manifest start here */

    struct {
        struct ax_listen *listen;
        size_t nlisten;
        int workers; /* AX_AUTO or >= 1 */
        enum ax_isolation isolation;
        enum ax_balance balance;
        int batch;
        int64_t slice_us;
        int min_ready;
        struct {
            int kills;
            int64_t within_us, for_us;
        } quarantine;
        enum ax_trailing trailing_slash;
        struct ax_strings trusted_proxies;
        int backlog;
        char *state;
        bool state_given; /* the manifest names it, it is not the default */
        struct {
            int mode;
            char *group; /* NULL = not given */
        } control;
        char *node;
        struct ax_strings node_options;
    } server;
    struct { /* bytes or counts; heap and memory: AX_AUTO, AX_OFF or bytes */
        int64_t header, header_count, uri, body, body_memory, body_rate, connections, inflight, pipeline,
            output, heap, memory;
    } limits;
    struct { /* microseconds or AX_OFF */
        int64_t header, body, handler, stall, keep_alive, send, startup, shutdown, lame_duck, drain;
    } timeouts;
    struct {
        int requests, connections;
        bool prewarm;
    } pools;
    struct {
        int routes;
    } cache;
    struct {
        char *database; /* NULL = off (in memory) */
        int64_t interval_us, retention_us, size;
        enum ax_record requests;
        int64_t slow_us;
    } metrics;
    struct {
        char *output, *access; /* "stderr", "stdout", a file; access NULL = off */
        char *format, *level;  /* "auto" "text" "json" "combined"; "error" "warn" "info" "debug" */
    } log;
    struct ax_uploads uploads;
    struct ax_pairs errors; /* "404" or "5xx" -> file */
    struct ax_auth *auths;
    size_t nauths;
    struct ax_cors *cors;
    size_t ncors;
    struct ax_rule *rules; /* the longest prefix first */
    size_t nrules;
    struct {
        struct ax_listen *listen;
        size_t nlisten; /* 0 = off */
    } admin;
    struct ax_module *modules;
    size_t nmodules;
    struct ax_pairs env;    /* as written, interpolated */
    struct ax_pairs dotenv; /* .env beside the first file; see ax_manifest_dotenv */
    struct ax_manifest_route *routes;
    size_t nroutes;

    int version;               /* of the format: 1 */
    struct ax_mf_arena *arena; /* OWNED */
};

/* Every problem of a run, in file order.  `fatal` entries make loading fail, the others are warnings. */
struct ax_problem {
    struct ax_err err; /* err.file is OWNED by the list's arena */
    bool warning;
};
struct ax_problems {
    struct ax_problem *v;
    size_t n, cap;
    size_t errors;             /* how many of them are no warnings */
    bool failed;               /* a problem could not be stored: out of memory */
    struct ax_mf_arena *arena; /* OWNED: file names */
};
void ax_problems_fini(struct ax_problems *p);

/* Memory for what the functions below make: strings live until it is freed.  NULL = out of memory. */
struct ax_mf_arena *ax_mf_arena_new(void);
void ax_mf_arena_free(struct ax_mf_arena *a); /* NULL is fine */

struct ax_manifest_input {
    const char *const *files; /* -c FILE...; laid over each other in this order; NULL = discovery */
    size_t nfiles;
    /* Looks a name up for ${NAME}; NULL = unset.  The loader asks it first and .env (beside the first file)
     * second. */
    const char *(*getenv)(const char *name, void *ctx);
    void *ctx;
    /* `check`: *ret is filled in spite of errors, when there was something to decode; -code is returned all
     * the same. */
    bool keep_broken;
};

/* Loads, decodes, validates.  *problems starts as {0}.  Returns 0 with *ret filled (warnings may be in
 * *problems), or -code (the first error's) with *problems holding every error found; only -AX_E_NOMEM may
 * come without one. Places: a wrong value at the value; an unknown, repeated or not yet supported key at the
 * key. *ret is OWNED by the caller: ax_manifest_free. */
int ax_manifest_load(const struct ax_manifest_input *in, struct ax_manifest **ret,
                     struct ax_problems *problems);
void ax_manifest_free(struct ax_manifest *m); /* NULL is fine */

/* .env in the grammar of Node's --env-file, beside the manifest; no file is no error. */
int ax_dotenv_load(const char *file, struct ax_pairs *ret, struct ax_mf_arena *arena, struct ax_err *reterr);
/* The .env that ax_manifest_load read; BORROWED. */
const struct ax_pairs *ax_manifest_dotenv(const struct ax_manifest *m);

/* One address as --listen, PORT or the manifest would write it: "3001", "HOST:PORT", "[V6]:PORT",
 * "unix:PATH". */
int ax_listen_parse(const char *text, struct ax_listen *ret, struct ax_mf_arena *arena,
                    struct ax_err *reterr);
/* "250ms", "1h", "off" (-> AX_OFF when allowed), 0; and "16KiB", "10MB", 1024.  The whole text must match. */
int ax_duration_parse(const char *text, bool may_off, int64_t *ret_us, struct ax_err *reterr);
int ax_size_parse(const char *text, bool may_off, int64_t *ret_bytes, struct ax_err *reterr);

/* JSON Schema (2020-12) of the manifest, made from the decoder's tables; OWNED by the caller (ax_free). */
char *ax_manifest_schema(void);
/* One line per key, "key  default  help", for `actix help manifest` and docs/manifest.md; OWNED (ax_free). */
char *ax_manifest_reference(void);

#endif
