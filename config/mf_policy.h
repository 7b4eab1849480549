/* config/mf_policy.h - auth, cors, rules and compress: decoded, and laid over the routes.
 *
 * A rule stands for its path and all below it, segment by segment: /api is also /api/x, never /apix.  For
 * each key the longest prefix that gives it counts, so that a longer rule which only compresses does not
 * take the auth of a shorter one away; `off` does.  A route's own key wins over all of them, and lists
 * (`use`) are replaced, never joined; `headers` are joined name by name.  Thread: none. */
#ifndef AX_CONFIG_MF_POLICY_H
#define AX_CONFIG_MF_POLICY_H

#include "config/decode.h"

/* auth, cors and rules of d->root into d->m; before the routes. */
void ax_decode_policy(struct ax_mf *d);
/* What the rules say for the path `key` into the keys of a route that has none of its own yet. */
void ax_policy_inherit(struct ax_mf *d, const struct ax_node *key, struct ax_route_keys *k);
/* Of a route or rule: does the key name one of auth or cors?  Then the value n must be a name that is there.
 */
bool ax_policy_is_name(const char *key);
void ax_policy_check_name(struct ax_mf *d, const struct ax_node *n, const char *name);
/* The files that auth and errors name. */
void ax_policy_validate(struct ax_mf *d);
/* See ax_decode_kind. */
void ax_decode_compress(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                        const char *name);
/* "100/s burst 200", which ax_rate_check has passed.  Without burst it is as many as fit the unit. */
void ax_rate_parse(const char *text, int64_t *ret_n, int64_t *ret_unit_us, int64_t *ret_burst);

#endif
