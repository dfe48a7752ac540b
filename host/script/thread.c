#include "script/thread.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

struct script_thread *script_thread_new(struct script_host *host, struct mailbox *mailbox)
{
    struct script_thread *thread = memory_allocate(sizeof *thread);
    thread->host = host;
    thread->mailbox = mailbox;
    return thread;
}

void script_thread_free(struct script_thread *thread)
{
    if (thread == NULL)
        return;
    coroutines_abandon(thread);
    thread->current = NULL;
    thread_sweep_states(thread);
    carriers_deinit(&thread->carriers);
    generation_unref(thread->generation);
    free(thread);
}

unsigned script_thread_active(const struct script_thread *thread)
{
    return thread->active;
}

void thread_sweep_states(struct script_thread *thread)
{
    if (thread->states == thread->current && thread->states != NULL && thread->states->next == NULL)
        return;
    for (struct script_state **link = &thread->states; *link != NULL;) {
        struct script_state *state = *link;
        if (state == thread->current || state->active > 0) {
            link = &state->next;
        } else {
            *link = state->next;
            state_close(state);
        }
    }
}

/* A state that runs the trusted set of the thread's generation: the current one, or one that still ends its
 * work (after going back), or a new one. */
static struct script_state *state_for(struct script_thread *thread, struct unit_set *bundle)
{
    for (struct script_state *state = thread->states; state != NULL; state = state->next) {
        if (strcmp(state->bundle->hash, bundle->hash) == 0)
            return state;
    }
    struct script_state *state = state_new_trusted(thread->host, thread, bundle);
    state->next = thread->states;
    thread->states = state;
    return state;
}

static void follow_current(struct script_thread *thread)
{
    struct generations *generations = thread->host->generations;
    if (thread->generation != NULL && generations_is_current(generations, thread->generation))
        return;
    generation_unref(thread->generation);
    thread->generation = generations_acquire(generations);
    thread->current = state_for(thread, thread->generation->trusted);
    thread_sweep_states(thread);
}

/* Arguments: module and name of a function. Returns the function. */
static int look_up(lua_State *L)
{
    const char *module = lua_tostring(L, 1), *name = lua_tostring(L, 2);
    lua_getglobal(L, "require");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (!lua_istable(L, -1))
        return luaL_error(L, "module '%s' returns no table", module);
    if (lua_getfield(L, -1, name) != LUA_TFUNCTION)
        return luaL_error(L, "module '%s' has no function '%s'", module, name);
    return 1;
}

static int find_reference(const struct script_state *state, const char *module, const char *name)
{
    for (struct state_function *f = state->functions; f != NULL; f = f->next) {
        if (strcmp(f->name, name) == 0 && strcmp(f->module, module) == 0)
            return f->reference;
    }
    return LUA_NOREF;
}

static void keep_reference(struct script_state *state, lua_State *L, const char *module, const char *name)
{
    struct state_function *function = memory_allocate(sizeof *function);
    function->module = text_duplicate(module);
    function->name = text_duplicate(name);
    lua_pushvalue(L, -1);
    function->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    function->next = state->functions;
    state->functions = function;
}

/* Leaves the function on L's stack; false with the error there. */
static bool push_function(struct script_state *state, lua_State *L, const char *module, const char *name)
{
    int reference = find_reference(state, module, name);
    if (reference != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
        return true;
    }
    lua_pushcfunction(L, look_up);
    lua_pushstring(L, module);
    lua_pushstring(L, name);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK)
        return false;
    keep_reference(state, L, module, name);
    return true;
}

void script_start(struct script_thread *thread, const char *module, const char *function, script_push push,
                  script_done done, void *argument)
{
    follow_current(thread);
    struct script_coroutine *coroutine = coroutine_new(thread->current, generation_ref(thread->generation));
    if (!push_function(thread->current, coroutine->L, module, function)) {
        coroutine_refuse(coroutine, lua_tostring(coroutine->L, -1), done, argument);
        return;
    }
    int arguments = coroutine_push(coroutine, push, argument);
    coroutine_start(coroutine, arguments, done, argument);
}

struct script_host *script_host_of(lua_State *L)
{
    return state_of(L)->host;
}
