#include "config/tables.h"

#include "base/assert.h"

#define AT(m) offsetof(struct ax_manifest, m)
#define TABLE(f)                                                                                             \
    {                                                                                                        \
        .v = (f), .n = AX_COUNT(f)                                                                           \
    }

#define US(n)  INT64_C(n)
#define MS(n)  (US(n) * 1000)
#define SEC(n) (US(n) * 1000000)
#define DAY(n) (SEC(n) * 86400)
#define KIB(n) (INT64_C(n) << 10)
#define MIB(n) (INT64_C(n) << 20)
#define GIB(n) (INT64_C(n) << 30)

enum {
    CONNECTIONS_MAX = 1000000, /* descriptors: what fs.nr_open allows by default */
    HEADER_MAX = 65535,        /* offsets inside a head are 16 bits wide */
    MODE_MAX = 0777,
};

/* A row's ENUM and INT are stored through an int, a list through pointer and count side by side. */
_Static_assert(sizeof(enum ax_balance) == sizeof(int) && sizeof(enum ax_health) == sizeof(int),
               "enums are ints");
_Static_assert(AT(server.nlisten) == AT(server.listen) + offsetof(struct ax_listens, n), "listen is a list");
_Static_assert(AT(admin.nlisten) == AT(admin.listen) + offsetof(struct ax_listens, n), "so is the admin's");
_Static_assert(AT(nmodules) == AT(modules) + offsetof(struct ax_modules, n), "modules is a list");

static const char *const isolations[] = {"thread", "process", NULL};
static const char *const balances[] = {"least_connections", "round_robin", "least_inflight", NULL};
static const char *const trailings[] = {"strict", "redirect", "ignore", NULL};
static const char *const records[] = {"off", "errors", "slow", "all", NULL};
static const char *const formats[] = {"auto", "text", "json", "combined", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const healths[] = {"live", "ready", NULL};
const char *const ax_method_names[] = {"GET",    "HEAD",    "POST", "PUT", "PATCH",
                                       "DELETE", "OPTIONS", "ANY",  NULL};

/* clang-format off */
#define LISTEN(m) offsetof(struct ax_listen, m)
static const struct ax_field listen_fields[] = {
    {.key = "unix", .kind = AX_K_STR, .at = LISTEN(path), .flags = AX_F_NEEDED,
     .help = "path of a Unix socket, relative to the manifest"},
    {.key = "mode", .kind = AX_K_MODE, .at = LISTEN(mode), .max = MODE_MAX, .shown = "by umask",
     .help = "its permission bits, octal"},
    {.key = "group", .kind = AX_K_STR, .at = LISTEN(group), .help = "its group"},
};
const struct ax_table ax_table_listen = TABLE(listen_fields);

static const struct ax_field quarantine_fields[] = {
    {.key = "kills", .kind = AX_K_INT, .at = AT(server.quarantine.kills), .min = 1, .max = 1000, .def = "3",
     .help = "a route that killed this many workers"},
    {.key = "within", .kind = AX_K_TIME, .at = AT(server.quarantine.within_us), .min = SEC(1), .max = DAY(1),
     .def = "60s", .help = "within this time"},
    {.key = "for", .kind = AX_K_TIME, .at = AT(server.quarantine.for_us), .min = SEC(1), .max = DAY(7),
     .def = "5m",
     .help = "is answered 503 for this long"},
};
static const struct ax_table quarantine_table = TABLE(quarantine_fields);

static const struct ax_field control_fields[] = {
    {.key = "mode", .kind = AX_K_MODE, .at = AT(server.control.mode), .max = MODE_MAX, .def = "0600",
     .help = "permission bits of the control socket, octal"},
    {.key = "group", .kind = AX_K_STR, .at = AT(server.control.group), .help = "group of the control socket"},
};
static const struct ax_table control_table = TABLE(control_fields);

static const struct ax_field server_fields[] = {
    {.key = "listen", .kind = AX_K_LISTEN, .at = AT(server.listen), .def = "3001",
     .help = "PORT (loopback), HOST:PORT, localhost:PORT, \"*:PORT\", \"[V6]:PORT\", unix:PATH, "
             "{ unix: PATH, mode: 0660, group: NAME }, or a list of them; port 0 picks a free one"},
    {.key = "workers", .kind = AX_K_INT, .at = AT(server.workers), .min = 1, .max = 1024, .def = "auto",
     .flags = AX_F_AUTO, .help = "JavaScript workers; auto = CPUs by affinity and cgroup quota, rounded up"},
    {.key = "isolation", .kind = AX_K_ENUM, .at = AT(server.isolation), .words = isolations, .def = "thread",
     .help = "workers are threads of one process, or a process each"},
    {.key = "balance", .kind = AX_K_ENUM, .at = AT(server.balance), .words = balances,
     .def = "least_connections",
     .help = "which worker gets a new connection"},
    {.key = "batch", .kind = AX_K_INT, .at = AT(server.batch), .min = 1, .max = 4096, .def = "256",
     .help = "requests handed to JavaScript in one call, at most"},
    {.key = "slice", .kind = AX_K_TIME, .at = AT(server.slice_us), .min = 50, .max = SEC(1), .def = "1ms",
     .help = "and for at most this long, then the loop polls again"},
    {.key = "min_ready", .kind = AX_K_INT, .at = AT(server.min_ready), .min = 1, .max = 1024, .def = "1",
     .help = "workers that health: ready wants"},
    {.key = "quarantine", .kind = AX_K_MAP, .map = &quarantine_table,
     .help = "when a route is taken out of service"},
    {.key = "trailing_slash", .kind = AX_K_ENUM, .at = AT(server.trailing_slash), .words = trailings,
     .def = "strict",
     .help = "/a/ where only /a exists, and the reverse: 404, 308, or the same"},
    {.key = "trusted_proxies", .kind = AX_K_PROXIES, .at = AT(server.trusted_proxies),
     .help = "addresses, CIDR, \"unix\": whose X-Forwarded-* and Forwarded count"},
    {.key = "backlog", .kind = AX_K_INT, .at = AT(server.backlog), .min = 1, .max = 65535, .def = "511",
     .help = "connections the kernel queues for accept"},
    {.key = "state", .kind = AX_K_STR, .at = AT(server.state), .def = ".actix",
     .help = "folder of metrics.db, control.sock, actix.pid and the lock, relative to the manifest"},
    {.key = "control", .kind = AX_K_MAP, .map = &control_table, .help = "who may use the control socket"},
    {.key = "node", .kind = AX_K_STR, .at = AT(server.node), .def = "node", .help = "the Node program"},
    {.key = "node_options", .kind = AX_K_STRS, .at = AT(server.node_options), .help = "arguments for it"},
};
static const struct ax_table server_table = TABLE(server_fields);

#define LIMIT(k, u) .key = #k, .kind = u, .at = AT(limits.k)
static const struct ax_field limits_fields[] = {
    {LIMIT(header, AX_K_SIZE), .min = 256, .max = HEADER_MAX, .def = "16KiB",
     .help = "bytes of a request head (431)"},
    {LIMIT(header_count, AX_K_COUNT), .min = 1, .max = 1000, .def = "100",
     .help = "header lines of a request (431)"},
    {LIMIT(uri, AX_K_SIZE), .min = 16, .max = HEADER_MAX, .def = "8KiB",
     .help = "bytes of the request target (414)"},
    {LIMIT(body, AX_K_SIZE), .max = GIB(2), .def = "1MiB", .help = "bytes of a request body (413)"},
    {LIMIT(body_memory, AX_K_SIZE), .min = KIB(64), .max = GIB(1024), .def = "256MiB",
     .help = "all buffered bodies of an engine (503)"},
    {LIMIT(body_rate, AX_K_SIZE), .max = GIB(1), .def = "1KiB",
     .help = "bytes a second that a body must bring on average; 0 = any (408)"},
    {LIMIT(connections, AX_K_COUNT), .min = 1, .max = CONNECTIONS_MAX, .def = "10000",
     .help = "open connections of the whole server; beyond it idle ones are closed, then accepting pauses"},
    {LIMIT(inflight, AX_K_COUNT), .min = 1, .max = CONNECTIONS_MAX, .def = "10000",
     .help = "requests in progress in the whole server (503)"},
    {LIMIT(pipeline, AX_K_COUNT), .min = 1, .max = 1024, .def = "64",
     .help = "unanswered requests of one connection; beyond it reading pauses"},
    {LIMIT(output, AX_K_SIZE), .min = KIB(4), .max = GIB(1), .def = "1MiB",
     .help = "unsent response bytes of one connection; beyond it its next requests wait"},
    {LIMIT(heap, AX_K_SIZE), .min = MIB(16), .max = GIB(64), .def = "auto", .flags = AX_F_AUTO,
     .help = "JavaScript heap of one worker"},
    {LIMIT(memory, AX_K_SIZE), .min = MIB(64), .max = GIB(16384), .def = "off",
     .flags = AX_F_OFF, .help = "resident memory of an engine, above it a rolling restart"},
};
static const struct ax_table limits_table = TABLE(limits_fields);

#define TIMEOUT(k) .key = #k, .kind = AX_K_TIME, .at = AT(timeouts.k), .max = DAY(30)
static const struct ax_field timeouts_fields[] = {
    {TIMEOUT(header), .min = MS(1), .def = "10s", .flags = AX_F_OFF,
     .help = "for a whole head, from its first byte (408)"},
    {TIMEOUT(body), .min = MS(1), .def = "30s", .flags = AX_F_OFF,
     .help = "longest pause while a body is read (408)"},
    {TIMEOUT(handler), .min = MS(1), .def = "10s", .flags = AX_F_OFF,
     .help = "from entering JavaScript to the response head (504)"},
    {TIMEOUT(stall), .min = MS(1), .def = "10s", .shown = "handler", .flags = AX_F_OFF,
     .help = "how long one call into JavaScript may run"},
    {TIMEOUT(keep_alive), .min = MS(1), .def = "65s", .flags = AX_F_OFF,
     .help = "an idle connection is closed after this"},
    {TIMEOUT(send), .min = MS(1), .def = "30s", .flags = AX_F_OFF,
     .help = "longest time in which waiting response bytes make no progress"},
    {TIMEOUT(startup), .min = MS(1), .def = "30s", .flags = AX_F_OFF, .help = "until all workers are ready"},
    {TIMEOUT(shutdown), .def = "10s", .flags = AX_F_OFF, .help = "for requests in progress at stop"},
    {TIMEOUT(lame_duck), .def = "0s", .flags = AX_F_OFF,
     .help = "at stop: how long it still accepts while saying not ready; off = 0"},
    {TIMEOUT(drain), .min = MS(1), .def = "5m", .flags = AX_F_OFF,
     .help = "how long streams may keep an old generation alive after a reload"},
};
static const struct ax_table timeouts_table = TABLE(timeouts_fields);

static const struct ax_field pools_fields[] = {
    {.key = "requests", .kind = AX_K_INT, .at = AT(pools.requests), .max = CONNECTIONS_MAX, .def = "1000",
     .help = "request slots made ahead, per worker"},
    {.key = "connections", .kind = AX_K_INT, .at = AT(pools.connections), .max = CONNECTIONS_MAX,
     .def = "256",
     .help = "connections made ahead, per worker"},
    {.key = "prewarm", .kind = AX_K_BOOL, .at = AT(pools.prewarm), .def = "true",
     .help = "make them at start"},
};
static const struct ax_table pools_table = TABLE(pools_fields);

static const struct ax_field cache_fields[] = {
    {.key = "routes", .kind = AX_K_INT, .at = AT(cache.routes), .max = 1000000, .def = "10000",
     .help = "looked-up paths remembered per worker; 0 = off"},
};
static const struct ax_table cache_table = TABLE(cache_fields);

static const struct ax_field metrics_fields[] = {
    {.key = "database", .kind = AX_K_STR, .at = AT(metrics.database), .def = "metrics.db", .flags = AX_F_OFF,
     .help = "SQLite file in the state folder; off = in memory"},
    {.key = "interval", .kind = AX_K_TIME, .at = AT(metrics.interval_us), .min = MS(100), .max = SEC(3600),
     .def = "1s", .help = "how often counts are written"},
    {.key = "retention", .kind = AX_K_TIME, .at = AT(metrics.retention_us), .min = SEC(60), .max = DAY(3650),
     .def = "7d", .help = "how long they are kept"},
    {.key = "size", .kind = AX_K_SIZE, .at = AT(metrics.size), .min = MIB(1), .max = GIB(1024),
     .def = "256MiB",
     .help = "ceiling of the database; the oldest rows go first"},
    {.key = "requests", .kind = AX_K_ENUM, .at = AT(metrics.requests), .words = records, .def = "errors",
     .help = "which single requests are kept; errors = 5xx, timeouts, aborted"},
    {.key = "slow", .kind = AX_K_TIME, .at = AT(metrics.slow_us), .max = DAY(1), .def = "250ms",
     .help = "from here on a request is slow"},
};
static const struct ax_table metrics_table = TABLE(metrics_fields);

static const struct ax_field log_fields[] = {
    {.key = "output", .kind = AX_K_STR, .at = AT(log.output), .def = "stderr",
     .help = "stderr, stdout or a file"},
    {.key = "access", .kind = AX_K_STR, .at = AT(log.access), .def = "off", .flags = AX_F_OFF,
     .help = "one line a request: off, stdout, stderr or a file"},
    {.key = "format", .kind = AX_K_WORD, .at = AT(log.format), .words = formats, .def = "auto",
     .help = "auto = text on a terminal, else json; combined is for access lines"},
    {.key = "level", .kind = AX_K_WORD, .at = AT(log.level), .words = levels, .def = "info",
     .help = "least level written"},
};
static const struct ax_table log_table = TABLE(log_fields);

#define UPLOAD(m) offsetof(struct ax_uploads, m)
static const struct ax_field uploads_fields[] = {
    {.key = "dir", .kind = AX_K_STR, .at = UPLOAD(dir), .def = "static",
     .help = "folder of uploaded files, relative to the manifest"},
    {.key = "keep", .kind = AX_K_BOOL, .at = UPLOAD(keep), .def = "true",
     .help = "false deletes them once the response is sent"},
    {.key = "file", .kind = AX_K_SIZE, .at = UPLOAD(file), .max = GIB(1024), .def = "10MiB",
     .help = "bytes of one file (413)"},
    {.key = "files", .kind = AX_K_COUNT, .at = UPLOAD(files), .max = 10000, .def = "20",
     .help = "files of a form (413)"},
    {.key = "fields", .kind = AX_K_COUNT, .at = UPLOAD(fields), .max = 100000, .def = "200",
     .help = "fields of a form (413)"},
    {.key = "field", .kind = AX_K_SIZE, .at = UPLOAD(field), .max = GIB(1), .def = "64KiB",
     .help = "bytes of one field (413)"},
};
static const struct ax_table uploads_table = TABLE(uploads_fields);

static const struct ax_field admin_fields[] = {
    {.key = "listen", .kind = AX_K_LISTEN, .at = AT(admin.listen), .flags = AX_F_NEEDED,
     .help = "address of /metrics, /health/live and /health/ready, as server.listen"},
};
static const struct ax_table admin_table = TABLE(admin_fields);

static const char *const algs[] = {"HS256", "RS256", NULL};
#define AUTH(m) offsetof(struct ax_auth, m)
static const struct ax_field bearer_fields[] = {
    {.key = "token", .kind = AX_K_STR, .at = AUTH(token), .help = "the token itself"},
    {.key = "token_file", .kind = AX_K_STR, .at = AUTH(token_file), .help = "file that holds it"},
};
static const struct ax_table bearer_table = TABLE(bearer_fields);
static const struct ax_field jwt_fields[] = {
    {.key = "key", .kind = AX_K_STR, .at = AUTH(key), .help = "RS256: the public key itself, PEM"},
    {.key = "key_file", .kind = AX_K_STR, .at = AUTH(key_file), .help = "RS256: file that holds it"},
    {.key = "secret", .kind = AX_K_STR, .at = AUTH(secret), .help = "HS256: the secret itself, 32 bytes or more"},
    {.key = "secret_file", .kind = AX_K_STR, .at = AUTH(secret_file), .help = "HS256: file that holds it"},
    {.key = "alg", .kind = AX_K_WORD, .at = AUTH(alg), .words = algs, .flags = AX_F_NEEDED,
     .help = "the only algorithm accepted"},
    {.key = "audience", .kind = AX_K_STR, .at = AUTH(audience), .help = "aud must be this, or hold it"},
    {.key = "issuer", .kind = AX_K_STR, .at = AUTH(issuer), .help = "iss must be this"},
    {.key = "scope", .kind = AX_K_STR, .at = AUTH(scope),
     .help = "words that the token's scope must hold, else 403"},
    {.key = "leeway", .kind = AX_K_TIME, .at = AUTH(leeway_us), .max = SEC(600), .def = "0",
     .help = "by how much clocks may differ"},
};
static const struct ax_table jwt_table = TABLE(jwt_fields);
static const struct ax_field auth_fields[] = {
    {.key = "basic", .kind = AX_K_STR, .at = AUTH(basic), .help = "password file (htpasswd)"},
    {.key = "bearer", .kind = AX_K_MAP, .map = &bearer_table, .help = "one fixed token"},
    {.key = "jwt", .kind = AX_K_MAP, .map = &jwt_table, .help = "signed tokens"},
};
const struct ax_table ax_table_auth = TABLE(auth_fields);

#define CORS(m) offsetof(struct ax_cors, m)
static const struct ax_field cors_fields[] = {
    {.key = "origins", .kind = AX_K_STRS, .at = CORS(origins), .flags = AX_F_NEEDED,
     .help = "origins that may read answers, as https://app.example; \"*\" = all"},
    {.key = "methods", .kind = AX_K_STRS, .at = CORS(methods), .shown = "GET, HEAD, POST",
     .help = "methods they may use"},
    {.key = "headers", .kind = AX_K_STRS, .at = CORS(headers),
     .help = "request headers they may send; \"*\" = all"},
    {.key = "expose", .kind = AX_K_STRS, .at = CORS(expose), .help = "response headers they may read"},
    {.key = "credentials", .kind = AX_K_BOOL, .at = CORS(credentials), .def = "false",
     .help = "cookies are allowed"},
    {.key = "max_age", .kind = AX_K_TIME, .at = CORS(max_age_us), .max = DAY(7), .def = "0",
     .help = "how long a preflight counts"},
};
const struct ax_table ax_table_cors = TABLE(cors_fields);

#define COMPRESS(m) offsetof(struct ax_compress, m)
static const struct ax_field compress_fields[] = {
    {.key = "types", .kind = AX_K_STRS, .at = COMPRESS(types), .shown = "text and data",
     .help = "content types, as text/html or text/*"},
    {.key = "min", .kind = AX_K_SIZE, .at = COMPRESS(min), .max = GIB(1), .def = "1KiB",
     .help = "a shorter body is sent as it is"},
};
const struct ax_table ax_table_compress = TABLE(compress_fields);

#define ROUTE(m) offsetof(struct ax_route_keys, m)
static const struct ax_field rules_fields[] = {
    {.key = "auth", .kind = AX_K_STR, .at = ROUTE(policy.auth), .flags = AX_F_OFF, .help = "a name of auth, or off"},
    {.key = "cors", .kind = AX_K_STR, .at = ROUTE(policy.cors), .flags = AX_F_OFF, .help = "a name of cors, or off"},
    {.key = "headers", .kind = AX_K_HEADERS, .at = ROUTE(headers), .help = "added to every response below it"},
    {.key = "rate_limit", .kind = AX_K_RATE, .at = ROUTE(policy.rate_limit), .flags = AX_F_OFF,
     .help = "requests of one client to all that is below it (429)"},
    {.key = "compress", .kind = AX_K_COMPRESS, .at = ROUTE(policy.compress), .map = &ax_table_compress, .def = "false",
     .help = "compress responses"},
    {.key = "use", .kind = AX_K_MODULES, .at = ROUTE(policy.use),
     .help = "modules `async (req, next) => ...` around the handler"},
};
const struct ax_table ax_table_rule = TABLE(rules_fields);

static const struct ax_field manifest_fields[] = {
    {.key = "version", .kind = AX_K_INT, .at = AT(version), .min = 1, .max = 1, .def = "1",
     .help = "of the manifest's format"},
    {.key = "server", .kind = AX_K_MAP, .map = &server_table, .help = "addresses, workers, Node"},
    {.key = "limits", .kind = AX_K_MAP, .map = &limits_table,
     .help = "ceilings; what passes one is answered with its status"},
    {.key = "timeouts", .kind = AX_K_MAP, .map = &timeouts_table, .help = "each takes off"},
    {.key = "pools", .kind = AX_K_MAP, .map = &pools_table,
     .help = "memory made ahead; beyond it the allocator, counted"},
    {.key = "cache", .kind = AX_K_MAP, .map = &cache_table, .help = "what workers remember"},
    {.key = "metrics", .kind = AX_K_MAP, .map = &metrics_table, .help = "what actix stats tells"},
    {.key = "log", .kind = AX_K_MAP, .map = &log_table, .help = "lines for people and programs"},
    {.key = "uploads", .kind = AX_K_MAP, .at = AT(uploads), .map = &uploads_table,
     .help = "files in multipart forms"},
    {.key = "errors", .kind = AX_K_ERRORS, .at = AT(errors),
     .help = "pages by status: 404 or 5xx to a file"},
    {.key = "admin", .kind = AX_K_MAP, .map = &admin_table, .def = "off", .flags = AX_F_OFF,
     .help = "an address of its own for metrics and health"},
    {.key = "modules", .kind = AX_K_MODULES, .at = AT(modules),
     .help = "loaded by every worker; may register routes in code"},
    {.key = "env", .kind = AX_K_ENV, .at = AT(env),
     .help = "sets what neither the environment nor .env sets"},
    {.key = "auth", .kind = AX_K_NAMED, .map = &ax_table_auth,
     .help = "named ways to log in"},
    {.key = "cors", .kind = AX_K_NAMED, .map = &ax_table_cors,
     .help = "named rules for other origins"},
    {.key = "rules", .kind = AX_K_NAMED, .map = &ax_table_rule,
     .help = "settings by path prefix"},
    {.key = "routes", .kind = AX_K_ROUTES, .help = "path to module, METHOD map or settings; see Routes"},
};
const struct ax_table ax_table_manifest = TABLE(manifest_fields);

static const struct ax_field route_fields[] = {
    {.key = "handler", .kind = AX_K_STR, .at = ROUTE(handler), .flags = AX_F_ANSWER,
     .help = "module, or module#export"},
    {.key = "static", .kind = AX_K_STR, .at = ROUTE(static_dir), .flags = AX_F_ANSWER,
     .help = "folder of files, for a path that ends in *name; or one file"},
    {.key = "redirect", .kind = AX_K_STR, .at = ROUTE(redirect), .flags = AX_F_ANSWER,
     .help = "path or URL to go to instead"},
    {.key = "respond", .kind = AX_K_STR, .at = ROUTE(respond), .flags = AX_F_ANSWER | AX_F_EMPTY,
     .help = "this text, as text/plain unless headers says otherwise"},
    {.key = "node", .kind = AX_K_STR, .at = ROUTE(node), .flags = AX_F_ANSWER,
     .help = "module with a Node (req, res) listener: Express, Koa, Fastify, ..."},
    {.key = "health", .kind = AX_K_ENUM, .at = ROUTE(health), .words = healths, .flags = AX_F_ANSWER,
     .help = "200 or 503: live = JavaScript moves, ready = takes requests"},
    {.key = "status", .kind = AX_K_INT, .at = ROUTE(status), .min = 200, .max = 599, .shown = "308 or 200",
     .help = "of redirect or respond"},
    {.key = "index", .kind = AX_K_STR, .at = ROUTE(index), .def = "index.html", .flags = AX_F_OFF,
     .help = "static: file that answers for a folder"},
    {.key = "fallback", .kind = AX_K_STR, .at = ROUTE(fallback),
     .help = "static: file for GET that accepts text/html and finds nothing"},
    {.key = "timeout", .kind = AX_K_TIME, .at = ROUTE(timeout_us), .min = MS(1), .max = DAY(30),
     .shown = "timeouts.handler", .flags = AX_F_OFF, .help = "from entering JavaScript to the response head (504)"},
    {.key = "body", .kind = AX_K_SIZE, .at = ROUTE(body_max), .max = GIB(2), .shown = "limits.body",
     .help = "bytes of a request body (413)"},
    {.key = "stream", .kind = AX_K_BOOL, .at = ROUTE(stream), .def = "false",
     .help = "the handler is called before the body is read, and reads it as it comes"},
    {.key = "max_inflight", .kind = AX_K_COUNT, .at = ROUTE(max_inflight), .max = CONNECTIONS_MAX, .def = "0",
     .help = "requests of this route in progress; 0 = no limit of its own (503)"},
    {.key = "queue", .kind = AX_K_COUNT, .at = ROUTE(queue), .max = CONNECTIONS_MAX, .def = "0",
     .help = "requests that wait when max_inflight is reached"},
    {.key = "use", .kind = AX_K_MODULES, .at = ROUTE(policy.use),
     .help = "modules `async (req, next) => ...` around the handler"},
    {.key = "auth", .kind = AX_K_STR, .at = ROUTE(policy.auth), .flags = AX_F_OFF,
     .help = "a name of auth, or off"},
    {.key = "cors", .kind = AX_K_STR, .at = ROUTE(policy.cors), .flags = AX_F_OFF,
     .help = "a name of cors, or off"},
    {.key = "headers", .kind = AX_K_HEADERS, .at = ROUTE(headers),
     .help = "added to every response of the route"},
    {.key = "rate_limit", .kind = AX_K_RATE, .at = ROUTE(policy.rate_limit), .flags = AX_F_OFF,
     .help = "requests of one client, as 100/s burst 200 (429)"},
    {.key = "compress", .kind = AX_K_COMPRESS, .at = ROUTE(policy.compress), .map = &ax_table_compress, .def = "false",
     .help = "compress responses"},
    {.key = "uploads", .kind = AX_K_MAP, .at = ROUTE(uploads), .map = &uploads_table, .shown = "uploads",
     .help = "files in multipart forms, for this route"},
};
const struct ax_table ax_table_route = TABLE(route_fields);
/* clang-format on */
