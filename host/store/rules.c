/* Versions of rules: what all backends have in common. */
#include "store/rules.h"

#include <inttypes.h>
#include <stdio.h>

bool rules_mode_runs(enum store_rules_mode mode)
{
    return mode <= RULES_CANARY;
}

unsigned rules_percent(enum store_rules_mode mode, unsigned percent)
{
    return mode == RULES_CANARY ? percent : 0;
}

enum store_status rules_new_check(struct store_session *session, const struct store_rules_new *rules)
{
    if (rules->source.length > STORE_RULES_SOURCE_MOST_BYTES)
        return store_session_refuse(session, "the source of the rules is too large");
    return rules_mode_runs(rules->mode)
               ? STORE_OK
               : store_session_refuse(session, "rules are added as live, shadow or canary");
}

void rules_superseded_reason(uint64_t version, char reason[RULES_REASON_SIZE])
{
    snprintf(reason, RULES_REASON_SIZE, "superseded by version %" PRIu64, version);
}
