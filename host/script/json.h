/* Marks of JSON in Lua values: arrays are tables with this room's metatable, null is a light userdata. The
 * codec itself is in script.h. */
#ifndef SCRIPT_JSON_H
#define SCRIPT_JSON_H

#include <stdbool.h>

#include <lua.h>

#define JSON_DEEPEST 64

void json_mark_array(lua_State *L); /* the table on top */
bool json_is_marked_array(lua_State *L, int index);
void json_push_null(lua_State *L);

/* Byte offset at which nesting passes JSON_DEEPEST, or -1. Brackets within strings do not count. */
long json_too_deep(const char *text, size_t length);

#endif
