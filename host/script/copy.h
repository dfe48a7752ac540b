/* Deep copies of plain values (nil, booleans, numbers, texts, tables of these, JSON's null and array mark)
 * from one Lua state to another. */
#ifndef SCRIPT_COPY_H
#define SCRIPT_COPY_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Pushes a copy of the value at `index` of `from` on `to`. False, with the reason, for what is not plain, for
 * texts that are not UTF-8, and for values that are too large or nested too deeply (a table that contains
 * itself); `to` is as it was then, but `from` may have more on its stack. Raises in `to` where its memory is
 * short, never in `from`. */
bool copy_plain(lua_State *from, int index, lua_State *to, char *reason, size_t reason_size);

#endif
