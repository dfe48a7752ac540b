/* What all functions of host.store share: a job for the store service that a coroutine waits for. */
#ifndef SCRIPT_STORE_CALL_H
#define SCRIPT_STORE_CALL_H

#include <lua.h>

#include "script/bindings/bindings.h"
#include "store/store_memory.h"

#define STORE_CALL_TEXTS 16

/* Embedded first in each call's own struct. */
struct store_call {
    struct store_job job;
    struct script_wait wait;
    int64_t now_ms;
    char *texts[STORE_CALL_TEXTS]; /* copies that the job's arguments point to */
    unsigned text_count;
    int (*push)(lua_State *L, struct store_call *call); /* the results of a job that is STORE_OK */
    void (*clear)(struct store_call *call);             /* frees the call's results; may be NULL */
};

/* A zeroed call of `size` bytes. Everything that may raise must be checked before: nothing frees it then. */
void *store_call_new(size_t size, enum store_status (*run)(struct store_job *job, struct store_session *),
                     int (*push)(lua_State *L, struct store_call *call),
                     void (*clear)(struct store_call *call));

/* Copies that live as long as the call; NULL and empty slices without data stay NULL. */
char *store_call_keep(struct store_call *call, struct slice text);
char *store_call_own(struct store_call *call, char *text); /* takes the text */

/* Raises or fails where no call can be made now; 0: go on. Else the number of results to return. */
int store_call_check(lua_State *L);

/* Submits and yields. */
int store_call_write(lua_State *L, struct store_call *call);
int store_call_read(lua_State *L, struct store_call *call);

/* Pushes for results that are only "done". */
int store_call_push_true(lua_State *L, struct store_call *call);

/* store_memory.c: the list of effects at `index`, or nil: none. Raises where it is no sound one. Borrowed
 * from what it leaves on the stack. */
const struct store_effect *check_effects(lua_State *L, int index, size_t *count);
/* Copies with texts of their own, for a call. */
struct store_effect *store_effects_copy(const struct store_effect *effects, size_t count);
void store_effects_free(struct store_effect *effects, size_t count);

/* Sets a field of the table on top; NULL texts set nothing. */
void set_text(lua_State *L, const char *name, const char *text);
void set_integer(lua_State *L, const char *name, int64_t number);
void set_boolean(lua_State *L, const char *name, bool value);
void set_json(lua_State *L, const char *name, const char *text); /* decoded; {} where it is no JSON */

#endif
