/* Reads what bascule.delivery returned. Strings stay Lua's: borrowed while the table stays where it is. */
#ifndef QUEUE_ANSWER_H
#define QUEUE_ANSWER_H

#include <lua.h>

#include "queue/outcome.h"

/* Each reads the table at `index`; `more` holds the members of its `event`, borrowed by the answer. False
 * with a sentence in `reason` where the table is not what lua/meta/delivery.lua says: a fault of the script.
 */
bool answer_read_outcome(lua_State *L, int index, struct outcome *outcome, struct buffer *more, char *reason,
                         size_t reason_size);
bool answer_read_receipt(lua_State *L, int index, struct receipt *receipt, struct buffer *more, char *reason,
                         size_t reason_size);
bool answer_read_report(lua_State *L, int index, struct report *report, struct buffer *more, char *reason,
                        size_t reason_size);

#endif
