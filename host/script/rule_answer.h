/* What a function of the rules returns, held against the contract (lua/meta/rules.lua): the keys that it may
 * set, and their types. Errors name the line where the key is set, where the file's text has it. */
#ifndef SCRIPT_RULE_ANSWER_H
#define SCRIPT_RULE_ANSWER_H

#include "script/rule_state.h"

/* One call. */
struct rule_call {
    struct rule_state *state;
    enum rule_function function;
    lua_State *from;
    int message, context; /* on `from`: as they were given */
};

/* Looks at what the function returned: the value at 3 of R, the message that it got being at 2. Returns with
 * two values more: what is to be sent (a message, or a list of them for context.split, or nil), and the
 * result of context.reject and its kin, or nil. Raises "file:line: what". */
void rule_answer_check(lua_State *R, const struct rule_call *call);

/* Pushes a copy of the value at `index` of call->from. Raises; `what` is the value's name. */
void rule_answer_push(lua_State *R, const struct rule_call *call, int index, const char *what);

/* Pushes on call->from the decision (host.rules.Decision) that the two values on top of R make. -1 with
 * "file:line: what". */
int rule_answer_take(const struct rule_call *call, lua_State *R, struct error *error);

#endif
