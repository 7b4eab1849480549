/* supervisor/plan_policy.h - the policies of a manifest as an engine is told them: lists, and for each route
 * its positions in them (addon/plan.d.ts).  Secrets that stand in the manifest itself travel in it; those in
 * files are read by the engine.  Thread: main; the result is a new reference, NULL = out of memory. */
#ifndef AX_SUPERVISOR_PLAN_POLICY_H
#define AX_SUPERVISOR_PLAN_POLICY_H

#include <jansson.h>

#include "config/manifest.h"

json_t *ax_plan_policies(const struct ax_manifest *m);
/* { login, cors, rate, compress }: from 1, 0 = none. */
json_t *ax_plan_policy(const struct ax_manifest *m, const struct ax_policies_of *p);

#endif
