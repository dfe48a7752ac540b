/* Versions of rules: what all backends have in common. Private to host/store. */
#ifndef STORE_RULES_H
#define STORE_RULES_H

#include "store/backend.h"

bool rules_mode_runs(enum store_rules_mode mode);                     /* live, shadow or canary */
unsigned rules_percent(enum store_rules_mode mode, unsigned percent); /* 0 but for a canary */

/* FAILED, with the reason noted, for a source that is too large or a mode that none is added with. */
enum store_status rules_new_check(struct store_session *session, const struct store_rules_new *rules);

/* The reason of a version that another took the place of. */
#define RULES_REASON_SIZE 64
void rules_superseded_reason(uint64_t version, char reason[RULES_REASON_SIZE]);

#endif
