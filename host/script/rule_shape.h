/* The table that a rules file returns: its keys and their types. Errors are "file:line: what", the line being
 * the key's where the file's text has it. */
#ifndef SCRIPT_RULE_SHAPE_H
#define SCRIPT_RULE_SHAPE_H

#include "script/rule_state.h"

/* Checks the table on top of L, which the file returned, and fills state->declarations. Raises. */
void rule_shape_check(lua_State *L, struct rule_state *state);

/* ---- for rule_declarations.c ---- */

/* Raises. `keys` (NULL terminated) lead to the value at fault. */
int rule_shape_refuse(lua_State *L, const char *const *keys, const char *format, ...);
/* Raises where the table on top has a key that is not among `names`; `what` is the table ("memory.today"),
 * `keys` lead to it. */
void rule_shape_check_keys(lua_State *L, const char *const *keys, const char *what, const char *const *names);

/* rule_declarations.c: `limits`, `memory` and `needs` of the rules on top of L, into state->declarations. */
void rule_declarations_read(lua_State *L, struct rule_state *state);

#endif
