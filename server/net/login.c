/* Who may come in: passwords, fixed tokens and signed ones.  Nothing of a secret is ever written anywhere. */
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/basic_auth.h"
#include "http/jwt.h"
#include "net/internal.h"
#include "net/policy.h"
#include "net/policy_file.h"

enum {
    SECRET_FILE_MAX = 1 << 20,
    SECRET_MIN = 32, /* bytes of an HS256 secret: RFC 7518, 3.2 */
    REMEMBERED = 256,
    SLOW_MAX = 64, /* passwords that one worker has being looked at; libuv's pool has four threads */
    US_PER_S = 1000000,
    LOGIN_MAGIC = 0x51735e20,
};

struct ax_login {
    enum ax_login_kind kind;
    char *name, *scope;    /* OWNED; fit for a quoted string */
    char *secret;          /* OWNED: token or secret */
    struct ax_users users; /* BASIC */
    struct ax_jwt_rules jwt;
    char *audience, *issuer; /* OWNED */
};

/* Direct-mapped; what is in it was right, under a key that nobody outside knows. */
struct ax_logins_known {
    unsigned char key[AX_SHA256_BYTES];
    unsigned slow;
    struct {
        const struct ax_login *login; /* NULL = empty */
        unsigned char mac[AX_SHA256_BYTES];
    } v[REMEMBERED];
};

struct slow {
    uint32_t magic;
    uv_work_t work;
    struct ax_worker *worker;
    struct ax_handle handle;
    const struct ax_login *login;
    const struct ax_crypt *crypt;
    const char *hash; /* BORROWED from the site, which outlives the worker's handles */
    char *password;   /* OWNED */
    unsigned char mac[AX_SHA256_BYTES];
    bool nobody; /* there is no such user: it only has to take as long */
    bool ok;
};

/* ---- made */

/* Without what cannot stand in a quoted string (RFC 9110, 5.6.4). */
static char *quotable(struct ax_str s)
{
    char *copy = ax_strndup(s.p ? s.p : "", s.n);

    for (char *p = copy; p && *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
            *p = '_';
    return copy;
}

/* One line break at the end is the editor's. */
static struct ax_str without_newline(struct ax_str s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

static int take_secret(struct ax_login *l, struct ax_str text, const struct ax_policies *p,
                       struct ax_err *reterr)
{
    if (l->kind == AX_LOGIN_BASIC)
        return ax_users_parse(text, ax_policies_crypt(p), &l->users, reterr);
    if (l->kind == AX_LOGIN_RS256)
        return ax_rsa_key_new(ax_policies_crypto(p), text, &l->jwt.key, reterr);
    struct ax_str s = without_newline(text);
    if (s.n == 0)
        return ax_fail(reterr, AX_E_MISSING, "is empty");
    if (l->kind == AX_LOGIN_HS256 && s.n < SECRET_MIN)
        return ax_fail(reterr, AX_E_RANGE, "has fewer than %d bytes (RFC 7518, 3.2)", SECRET_MIN);
    l->secret = ax_strndup(s.p, s.n);
    if (!l->secret)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for a secret");
    l->jwt.secret = (struct ax_str){l->secret, s.n};
    return 0;
}

static int read_secret(struct ax_login *l, const struct ax_login_spec *s, const struct ax_policies *p,
                       struct ax_err *reterr)
{
    struct ax_buf text = AX_BUF_INIT(SECRET_FILE_MAX + 8192);
    struct ax_err why = {.code = AX_OK};
    int rc = s->file.n ? ax_policy_read_file(s->file, SECRET_FILE_MAX, &text, reterr) : 0;

    if (rc == 0)
        rc = take_secret(l, s->file.n ? ax_buf_str(&text) : s->secret, p, &why);
    if (rc < 0 && why.code != AX_OK)
        ax_fail(reterr, why.code, "auth %s: %.*s %s", l->name, s->file.n ? (int)s->file.n : 12,
                s->file.n ? s->file.p : "its own text", why.msg);
    if (text.p)
        explicit_bzero(text.p, text.n);
    ax_buf_fini(&text);
    return rc;
}

int ax_login_new(const struct ax_login_spec *s, struct ax_policies *p, struct ax_login **ret,
                 struct ax_err *reterr)
{
    struct ax_login *l = ax_calloc(1, sizeof *l);

    if (!l)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the policies");
    l->kind = s->kind;
    l->name = quotable(s->name);
    l->scope = quotable(s->scope);
    l->audience = ax_strndup(s->audience.p ? s->audience.p : "", s->audience.n);
    l->issuer = ax_strndup(s->issuer.p ? s->issuer.p : "", s->issuer.n);
    int rc = l->name && l->scope && l->audience && l->issuer
                 ? read_secret(l, s, p, reterr)
                 : ax_fail(reterr, AX_E_NOMEM, "no memory for the policies");
    if (rc < 0) {
        ax_login_free(l, p);
        return rc;
    }
    l->jwt.alg = s->kind == AX_LOGIN_RS256 ? AX_JWT_RS256 : AX_JWT_HS256;
    l->jwt.audience = ax_str(l->audience);
    l->jwt.issuer = ax_str(l->issuer);
    l->jwt.scope = ax_str(l->scope);
    l->jwt.leeway_s = s->leeway_us / US_PER_S;
    *ret = l;
    return 0;
}

void ax_login_free(struct ax_login *l, const struct ax_policies *p)
{
    if (!l)
        return;
    if (l->secret)
        explicit_bzero(l->secret, strlen(l->secret));
    ax_users_fini(&l->users);
    if (l->jwt.key)
        ax_rsa_key_free(ax_policies_crypto(p), l->jwt.key);
    ax_free(l->secret);
    ax_free(l->name);
    ax_free(l->scope);
    ax_free(l->audience);
    ax_free(l->issuer);
    ax_free(l);
}

/* ---- what a worker remembers */

static struct ax_logins_known *known_of(struct ax_worker *w)
{
    if (!w->logins) {
        struct ax_logins_known *k = ax_calloc(1, sizeof *k);
        if (k && getrandom(k->key, sizeof k->key, 0) != sizeof k->key) {
            ax_free(k);
            k = NULL;
        }
        w->logins = k;
    }
    return w->logins;
}

void ax_login_forget(struct ax_worker *w)
{
    if (w->logins)
        explicit_bzero(w->logins, sizeof *w->logins);
    ax_free(w->logins);
    w->logins = NULL;
}

static bool is_known(const struct ax_logins_known *k, const struct ax_login *l, const unsigned char *mac)
{
    unsigned at = mac[0] % REMEMBERED;

    return k->v[at].login == l && memcmp(k->v[at].mac, mac, AX_SHA256_BYTES) == 0;
}

static void remember(struct ax_logins_known *k, const struct ax_login *l, const unsigned char *mac)
{
    unsigned at = mac[0] % REMEMBERED;

    k->v[at].login = l;
    memcpy(k->v[at].mac, mac, AX_SHA256_BYTES);
}

/* ---- passwords */

static void slow_free(struct slow *s)
{
    if (s->password)
        explicit_bzero(s->password, strlen(s->password));
    ax_free(s->password);
    s->magic = 0;
    ax_free(s);
}

/* A thread of libuv's pool. */
static void look(uv_work_t *work)
{
    struct slow *s = AX_CAST(struct slow, work->data, LOGIN_MAGIC);

    s->ok = ax_crypt_matches(s->crypt, s->password, s->hash) && !s->nobody;
}

static void tell(struct slow *s)
{
    struct ax_worker *w = s->worker;
    struct ax_request *r = ax_request_get(w, s->handle.index, s->handle.gen);

    ax_worker_touch(w);
    if (w->logins)
        w->logins->slow--;
    if (s->ok && w->logins)
        remember(w->logins, s->login, s->mac);
    if (r && r->conn && r->conn->state == AX_CONN_HELD && r->state == AX_REQ_READING)
        ax_intake_resume(r, s->ok);
}

/* The worker's loop.  One that was taken over has no request of it left. */
static void looked(uv_work_t *work, int status)
{
    struct slow *s = AX_CAST(struct slow, work->data, LOGIN_MAGIC);
    struct ax_worker *w = s->worker;
    bool entered = ax_worker_enter(w);

    (void)status; /* nobody cancels it */
    if (entered)
        tell(s);
    else
        ax_worker_await_done(w);
    slow_free(s);
    w->open_handles--;
    if (entered && ax_worker_run_full(w))
        ax_worker_leave(w);
    ax_worker_check_closed(w);
}

static enum ax_login_verdict look_later(const struct ax_login *l, struct ax_request *r,
                                        const struct ax_basic *b, const unsigned char *mac)
{
    struct ax_worker *w = r->worker;
    const char *hash = ax_users_find(&l->users, b->user);
    struct slow *s = w->logins->slow < SLOW_MAX ? ax_calloc(1, sizeof *s) : NULL;

    if (!s)
        return AX_LOGIN_BUSY;
    *s = (struct slow){.magic = LOGIN_MAGIC,
                       .worker = w,
                       .handle = {r->index, r->gen},
                       .login = l,
                       .crypt = ax_policies_crypt(ax_site_policies(w->site)),
                       .hash = hash ? hash : l->users.v[0].hash,
                       .nobody = !hash,
                       .password = ax_strndup(b->password.p, b->password.n)};
    memcpy(s->mac, mac, sizeof s->mac);
    s->work.data = s;
    if (!s->password || uv_queue_work(w->loop, &s->work, look, looked) < 0) {
        slow_free(s);
        return AX_LOGIN_BUSY;
    }
    w->open_handles++;
    w->logins->slow++;
    return AX_LOGIN_SLOW;
}

static enum ax_login_verdict check_basic(const struct ax_login *l, struct ax_request *r, struct ax_str field)
{
    struct ax_logins_known *k = known_of(r->worker);
    struct ax_str given = ax_auth_credentials(field, AX_STR("Basic"));
    unsigned char mac[AX_SHA256_BYTES];
    struct ax_basic b;

    if (!given.p)
        return AX_LOGIN_NONE;
    if (!k || !ax_hmac_sha256(ax_policies_crypto(ax_site_policies(r->worker->site)),
                              (struct ax_str){(const char *)k->key, sizeof k->key}, given, mac))
        return AX_LOGIN_BUSY;
    if (is_known(k, l, mac))
        return AX_LOGIN_OK;
    if (!ax_basic_parse(given, &r->arena, &b))
        return AX_LOGIN_WRONG;
    return look_later(l, r, &b, mac);
}

/* ---- tokens */

static enum ax_login_verdict check_bearer(const struct ax_login *l, struct ax_request *r, struct ax_str field,
                                          const char **ret_why)
{
    struct ax_str given = ax_auth_credentials(field, AX_STR("Bearer")), claims;

    if (!given.p)
        return AX_LOGIN_NONE;
    if (l->kind == AX_LOGIN_BEARER)
        return ax_same_secret(given, l->jwt.secret) ? AX_LOGIN_OK : AX_LOGIN_WRONG;
    enum ax_jwt_verdict v = ax_jwt_verify(ax_policies_crypto(ax_site_policies(r->worker->site)), &l->jwt,
                                          given, ax_wall_now().us / US_PER_S, &r->arena, &claims);
    *ret_why = ax_jwt_text(v);
    if (v == AX_JWT_OK)
        return AX_LOGIN_OK;
    return v == AX_JWT_SCOPE ? AX_LOGIN_FORBIDDEN : AX_LOGIN_WRONG;
}

static struct ax_str field_of(const struct ax_request *r)
{
    return ax_head_field(&r->head, AX_STR("authorization"));
}

/* It is no list (RFC 9110, 11.6.2 and 5.3): a proxy in front may have looked at the other one. */
static bool stands_twice(const struct ax_head *h)
{
    unsigned n = 0;

    for (unsigned i = 0; i < h->nfields; i++)
        n += h->fields[i].id == AX_FIELD_AUTHORIZATION;
    return n > 1;
}

enum ax_login_verdict ax_login_check(const struct ax_login *l, struct ax_request *r, const char **ret_why)
{
    struct ax_str field = field_of(r);

    *ret_why = "the credentials are wrong";
    if (field.n == 0)
        return AX_LOGIN_NONE;
    if (stands_twice(&r->head))
        return AX_LOGIN_WRONG;
    return l->kind == AX_LOGIN_BASIC ? check_basic(l, r, field) : check_bearer(l, r, field, ret_why);
}

/* RFC 7617, 2; RFC 6750, 3. */
void ax_login_challenge(const struct ax_login *l, enum ax_login_verdict v, const char *why,
                        struct ax_buf *out)
{
    ax_buf_adds(out, "WWW-Authenticate: ");
    if (l->kind == AX_LOGIN_BASIC) {
        ax_buf_addf(out, "Basic realm=\"%s\", charset=\"UTF-8\"\r\n", l->name);
        return;
    }
    ax_buf_addf(out, "Bearer realm=\"%s\"", l->name);
    if (v == AX_LOGIN_WRONG)
        ax_buf_addf(out, ", error=\"invalid_token\", error_description=\"%s\"", why);
    else if (v == AX_LOGIN_FORBIDDEN)
        ax_buf_addf(out, ", error=\"insufficient_scope\", scope=\"%s\"", l->scope);
    ax_buf_adds(out, "\r\n");
}

void ax_login_identity(const struct ax_login *l, struct ax_request *r, struct ax_buf *out)
{
    struct ax_str field = field_of(r);
    struct ax_basic b;

    ax_buf_addf(out, "{\"name\":\"%s\",\"scheme\":\"%s\"", l->name,
                l->kind == AX_LOGIN_BASIC ? "basic" : "bearer");
    if (l->kind == AX_LOGIN_BASIC &&
        ax_basic_parse(ax_auth_credentials(field, AX_STR("Basic")), &r->arena, &b)) {
        ax_buf_adds(out, ",\"user\":\"");
        ax_buf_add_json(out, b.user);
        ax_buf_addc(out, '"');
    } else if (l->kind == AX_LOGIN_HS256 || l->kind == AX_LOGIN_RS256) {
        struct ax_str claims = ax_jwt_claims(ax_auth_credentials(field, AX_STR("Bearer")), &r->arena);
        ax_buf_adds(out, ",\"claims\":");
        ax_buf_add(out, claims.p ? claims.p : "null", claims.p ? claims.n : 4);
    }
    ax_buf_addc(out, '}');
}
