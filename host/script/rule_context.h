/* What a rule is called with and may say: the context, its functions, and the answers that they make. The
 * functions are made once a state; what they note is of the call under way. Contract: lua/meta/rules.lua. */
#ifndef SCRIPT_RULE_CONTEXT_H
#define SCRIPT_RULE_CONTEXT_H

#include "script/rule_state.h"

#define RULE_FOR(function) (1u << (function))
#define RULE_FOR_ALL (RULE_FOR(RULE_OUTBOUND) | RULE_FOR(RULE_INBOUND) | RULE_FOR(RULE_REPORT))

/* On an empty state, as it is opened: what the calls below need. */
void rule_context_open(lua_State *L);

/* Pushes a context with the functions and without fields, and forgets what an earlier call noted. */
void rule_context_push(lua_State *L, enum rule_function function);

/* For the functions: raises where the rule under way may not call context.`name`. */
void rule_context_check(lua_State *L, const char *name, unsigned functions);
void rule_context_check_text(lua_State *L, int index, const char *what);
/* Raises: the rules' memory has no such name; with a suggestion. */
int rule_context_refuse_memory(lua_State *L, const char *where, const char *name);

/* ---- rule_result.c: reject, defer, route, split ---- */

enum rule_action { RULE_SEND, RULE_REJECT, RULE_DEFER, RULE_SPLIT };
void rule_results_open(lua_State *L); /* into the table on top */
/* Raises where the rule under way may not answer so. */
void rule_result_check(lua_State *L, enum rule_action action);
/* Whether the value is one of these, and of which kind; else `*action` is RULE_SEND. */
bool rule_result_is(lua_State *L, int index, enum rule_action *action);

/* ---- rule_effects.c: log, count, remember, forget, dnd, reply ---- */

void rule_effects_open(lua_State *L); /* into the table on top */
void rule_effects_forget(lua_State *L);
/* Puts what R's call noted (`log`, `log_dropped`, and with `all` also `memory`, `dnd`, `reply`) into the
 * decision on top of `to`. */
void rule_effects_take(lua_State *R, lua_State *to, bool all);

#endif
