/* The parts of Lua's standard library that rules get, made so that no function of it can work longer than its
 * call's budget: what works in a loop of its own charges it (rule_state_charge). Semantics and errors are
 * those of Lua's reference manual, 6.1 and 6.4 to 6.6, but for what docs/rules.md says under "Lua".
 *
 * What else a rule reaches of C is bounded by what it is given, and the budget's hook sees it often enough:
 * the more memory a state holds, the fewer instructions pass between two looks (rule_limits.c). So `next`,
 * `rawequal`,
 * `..`, comparisons and arithmetic on texts are as they are: each reads what the state holds once at most. */
#ifndef SCRIPT_RULE_LIBRARY_H
#define SCRIPT_RULE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Each takes the library's table, as luaopen_* made it, at the top of the stack, and puts functions of its
 * own into it. They may raise. */
void rule_matching_open(lua_State *L); /* rule_matching.c: string.find, match, gmatch, gsub */
void rule_strings_open(lua_State *L);  /* rule_strings.c: the rest of string that works by bytes */
void rule_utf8_open(lua_State *L);     /* rule_strings.c */
void rule_base_open(lua_State *L);     /* rule_strings.c: tostring, tonumber, select; pairs */
void rule_tables_open(lua_State *L);   /* rule_tables.c */
int rule_sort(lua_State *L);           /* rule_sort.c: table.sort */
int rule_pairs(lua_State *L);          /* rule_pairs.c: pairs, whose upvalue is Lua's own next */

/* rule_pure.c: pushes a module of the host's that is pure functions ("host.zone"), for the rules' own
 * library. False, with nothing pushed, where `name` is none. */
bool rule_pure_open(lua_State *L, const char *name);

/* ---- for those files ---- */

/* Charges work on so many bytes: reading, comparing, copying them. */
void rule_charge_bytes(lua_State *L, size_t bytes);

/* A function of Lua's own that does its work in one go, and charges around it. */
struct rule_charged {
    const char *name;
    int (*before)(lua_State *L); /* charges by the arguments; NULL, or the number of results where it did the
                                    work itself, or 0 */
    bool results;                /* charge by their number and bytes */
};

/* Puts them in place of the functions of the table at the top; ends with a row without a name, whose `before`
 * and `results` are not looked at. The rows stay the caller's. */
void rule_charged_set(lua_State *L, const struct rule_charged *rows);

#endif
