/* Deep copies of plain values (nil, booleans, numbers, texts of any bytes, tables of these, JSON's null and
 * array mark) from one Lua state to another. Integers stay integers, empty arrays stay arrays. */
#ifndef SCRIPT_COPY_H
#define SCRIPT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

/* A value can be larger than the memory that holds it, where tables are shared. */
struct copy_limits {
    unsigned values;
    size_t bytes; /* of texts */
    bool utf8;    /* texts must be UTF-8: they are to be told as JSON */
    int64_t ms;   /* of processor time; 0: no limit. For what rules made: to find that a table is empty may
                     take as long as to read a full one, and the same table may be found again and again */
};

#define COPY_DEEPEST 32
#define COPY_MOST ((struct copy_limits){100000, (size_t)8 << 20, false, 0})

/* Pushes a copy of the value at `index` of `from` on `to`, another stack. False, with where and why
 * (".payload.x[3]: a function cannot be kept", ": it is too large"; one line, cut where it is longer), for
 * what is not plain, for what passes the limits and for tables nested deeper than COPY_DEEPEST (one that
 * contains itself); `to` is as it was then, but `from` may have more on its stack. Raises in `to` where its
 * memory is short, never in `from`. */
bool copy_within(lua_State *from, int index, lua_State *to, const struct copy_limits *limits, char *reason,
                 size_t reason_size);
bool copy_plain(lua_State *from, int index, lua_State *to, char *reason, size_t reason_size); /* COPY_MOST */

#endif
