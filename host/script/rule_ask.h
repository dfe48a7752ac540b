/* Asking rules: the work of one call of outbound, inbound or report on a rule thread. */
#ifndef SCRIPT_RULE_ASK_H
#define SCRIPT_RULE_ASK_H

#include "script/carrier.h"
#include "script/generation.h"
#include "script/rule_service.h"

struct rule_ask {
    struct rule_work work;
    struct generation *generation; /* a reference of its own */
    const struct agency *agency;   /* of this generation; NULL: the default rules alone */
    struct unit *unit;             /* the agency's live rules, or its candidate's */
    enum rule_function function;
    lua_State *carrier; /* message at 1, context at 2; the decision on top of them where the call went well */
    /* The outcome. */
    const char *failure; /* NULL, or "RULE", "BROKEN" with `error` */
    struct error error;
    const char *slug; /* whose function decided: the agency's, or "default" */
    int64_t version;  /* of these rules, where they were published; else 0 */
    struct rule_usage usage;
};

/* `unit` is one of the agency's, which has one, or both are NULL. NULL where no rules are there to be asked:
 * messages go as they are then. Takes the carrier, which rule_ask_free closes where it is still there. */
struct rule_ask *rule_ask_new(struct generation *generation, const struct agency *agency, struct unit *unit,
                              enum rule_function function, lua_State *carrier);
void rule_ask_free(struct rule_ask *ask);

#endif
