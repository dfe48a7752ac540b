/* Trying a file of rules before it is taken: it is loaded, says what it claims, and runs its own tests. */
#ifndef SCRIPT_RULE_TRIAL_H
#define SCRIPT_RULE_TRIAL_H

#include "script/rule_service.h"

struct rule_trial {
    const char *agency; /* slug */
    struct unit *unit;  /* compiled */
    struct unit_set *library;
    bool with_tests;
    struct rule_limits limits;
};

/* What came of it. */
struct rule_verdict {
    struct claims claims;             /* filled where the file loads; the caller's */
    struct declarations declarations; /* likewise */
    bool has_inbound;
    bool failed;
    struct error error; /* "file:line: what" where it failed */
};

/* On a rule thread of `service`, so that a file that never ends hurts nobody, while the caller waits; right
 * here where `service` is NULL. */
void rule_trial_run(struct rule_service *service, const struct rule_trial *trial,
                    struct rule_verdict *verdict);

#endif
