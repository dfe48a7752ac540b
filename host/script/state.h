/* Lua states that may call the host: a trusted state (modules come from one generation's bundle, globals cut
 * down to what a server needs), or a program's (the whole standard library, modules from files). */
#ifndef SCRIPT_STATE_H
#define SCRIPT_STATE_H

#include <lua.h>

#include "script/script.h"
#include "script/unit.h"

struct script_state {
    lua_State *L;
    struct script_host *host;
    struct script_thread *thread;  /* NULL for a trial: nothing there may wait */
    struct unit_set *bundle;       /* NULL for a program's */
    struct script_coroutine *idle; /* ended ones, kept for the next start */
    unsigned idle_count;
    unsigned active; /* coroutines that have not ended */
    struct state_function *functions;
    struct script_state *next; /* the thread's list */
};

/* A function of a module that was looked up before. */
struct state_function {
    char *module, *name;
    int reference;
    struct state_function *next;
};

struct script_state *state_new_trusted(struct script_host *host, struct script_thread *thread,
                                       struct unit_set *bundle);
struct script_state *state_new_program(struct script_host *host, struct script_thread *thread,
                                       const char *lua_path);
/* Makes the state's collector work as hard as it can at every step, so that whatever a binding fails to keep
 * is gone at once: BASCULE_LUA_STRESS_GC, for tests. */
void state_stress_collector(lua_State *L);

/* Lua's contract for allocators, on memory that cannot run out: so the host may push values outside of
 * protected calls.
 */
void *state_allocate(void *argument, void *block, size_t old_size, size_t size);
void state_close(struct script_state *state);

/* The state that `L`, any coroutine of it, belongs to. */
struct script_state *state_of(lua_State *L);

/* The host's own modules (bindings/), ends with a row whose name is NULL. */
extern const struct script_module binding_modules[];

/* Where the C functions of luaL_Reg rows that a sandbox takes away are removed: sets each named field of the
 * table at the top to nil. */
void state_remove_fields(lua_State *L, const char *const *names);

#endif
