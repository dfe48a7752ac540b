/* Coroutines that wait for C: start, wait, go on, end. */
#include "script/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#define IDLE_COROUTINES_KEPT 64

const char script_abandoned[] = "abandoned: the thread that ran it has ended";

struct script_coroutine *coroutine_new(struct script_state *state, struct generation *generation)
{
    struct script_coroutine *coroutine = state->idle;
    if (coroutine != NULL) {
        state->idle = coroutine->next;
        state->idle_count--;
    } else {
        coroutine = memory_allocate(sizeof *coroutine);
        coroutine->state = state;
        coroutine->L = lua_newthread(state->L);
        coroutine->reference = luaL_ref(state->L, LUA_REGISTRYINDEX);
    }
    coroutine->generation = generation;
    coroutine->waiting = false;
    coroutine->subject_field[0] = '\0';
    state->active++;
    state->thread->active++;
    return coroutine;
}

static void recycle(struct script_coroutine *coroutine)
{
    struct script_state *state = coroutine->state;
    generation_unref(coroutine->generation);
    coroutine->generation = NULL;
    if (state->idle_count < IDLE_COROUTINES_KEPT) {
        /* For one that failed or was given up. One that ended well only needs an empty stack, and keeps the
         * room that the next call needs again. */
        if (lua_status(coroutine->L) != LUA_OK)
            lua_resetthread(coroutine->L);
        lua_settop(coroutine->L, 0);
        coroutine->next = state->idle;
        state->idle = coroutine;
        state->idle_count++;
    } else {
        luaL_unref(state->L, LUA_REGISTRYINDEX, coroutine->reference);
        free(coroutine);
    }
}

static void end(struct script_coroutine *coroutine, bool ok, const char *message)
{
    struct script_state *state = coroutine->state;
    const char *generation = coroutine->generation == NULL ? "" : coroutine->generation->id;
    if (coroutine->done != NULL)
        coroutine->done(coroutine->L, ok, message, generation, coroutine->argument);
    recycle(coroutine);
    state->active--;
    state->thread->active--;
    thread_sweep_states(state->thread);
}

/* Argument: the coroutine that failed, its error object on top. Returns the error as text with its traceback.
 */
static int describe_error(lua_State *L)
{
    lua_State *failed = lua_tothread(L, 1);
    lua_xmove(failed, L, 1);
    luaL_traceback(L, failed, luaL_tolstring(L, 2, NULL), 0);
    return 1;
}

static void end_with_error(struct script_coroutine *coroutine)
{
    lua_State *L = coroutine->state->L;
    lua_pushcfunction(L, describe_error);
    lua_rawgeti(L, LUA_REGISTRYINDEX, coroutine->reference);
    bool shown = lua_pcall(L, 1, 1, 0) == LUA_OK; /* not where the object's own __tostring fails */
    char *message = text_duplicate(shown ? lua_tostring(L, -1) : "an error object that cannot be shown");
    lua_pop(L, 1);
    end(coroutine, false, message);
    free(message);
}

static void run(struct script_coroutine *coroutine, int arguments)
{
    struct script_thread *thread = coroutine->state->thread;
    struct script_coroutine *outer = thread->running;
    int results = 0;
    coroutine->waiting = false;
    thread->running = coroutine;
    int status = lua_resume(coroutine->L, outer == NULL ? NULL : outer->L, arguments, &results);
    thread->running = outer;
    if (status == LUA_OK) {
        end(coroutine, true, NULL);
    } else if (status != LUA_YIELD) {
        end_with_error(coroutine);
    } else if (!coroutine->waiting) {
        lua_settop(coroutine->L, 0);
        lua_pushliteral(coroutine->L, "coroutine.yield outside of coroutine.wrap or coroutine.create");
        end_with_error(coroutine);
    }
}

int coroutine_push(struct script_coroutine *coroutine, script_push push, void *argument)
{
    if (push == NULL)
        return 0;
    struct script_thread *thread = coroutine->state->thread;
    struct script_coroutine *outer = thread->running;
    thread->running = coroutine; /* so that script_set_subject finds it */
    int count = push(coroutine->L, argument);
    thread->running = outer;
    return count;
}

void coroutine_start(struct script_coroutine *coroutine, int arguments, script_done done, void *argument)
{
    coroutine->done = done;
    coroutine->argument = argument;
    run(coroutine, arguments);
}

void coroutine_refuse(struct script_coroutine *coroutine, const char *message, script_done done,
                      void *argument)
{
    coroutine->done = done;
    coroutine->argument = argument;
    end(coroutine, false, message);
}

struct script_coroutine *coroutine_running(lua_State *L)
{
    struct script_thread *thread = state_of(L)->thread;
    return thread == NULL ? NULL : thread->running;
}

bool script_may_wait(lua_State *L)
{
    struct script_coroutine *coroutine = coroutine_running(L);
    /* Inside coroutine.wrap the yield would go to the script's own resume, not to the thread's loop. */
    return coroutine != NULL && coroutine->L == L && lua_isyieldable(L);
}

struct mailbox *script_mailbox(lua_State *L)
{
    return state_of(L)->thread->mailbox;
}

static int go_on(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct script_wait *wait = (struct script_wait *)context;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    int results = wait->push(L, wait);
    wait->release(wait);
    return results;
}

int script_wait(lua_State *L, struct script_wait *wait)
{
    if (!script_may_wait(L)) {
        wait->release(wait);
        return luaL_error(L, "this call waits, and here nothing can wait");
    }
    struct script_coroutine *coroutine = coroutine_running(L);
    struct script_thread *thread = coroutine->state->thread;
    coroutine->waiting = true;
    wait->coroutine = coroutine;
    wait->thread = thread;
    wait->previous = NULL;
    wait->next = thread->waits;
    if (thread->waits != NULL)
        thread->waits->previous = wait;
    thread->waits = wait;
    return lua_yieldk(L, 0, (lua_KContext)wait, go_on);
}

static void unlink_wait(struct script_wait *wait)
{
    if (wait->previous != NULL)
        wait->previous->next = wait->next;
    else
        wait->thread->waits = wait->next;
    if (wait->next != NULL)
        wait->next->previous = wait->previous;
}

void script_wait_finish(struct script_wait *wait)
{
    if (wait->thread == NULL) {
        wait->release(wait);
        return;
    }
    unlink_wait(wait);
    run(wait->coroutine, 0);
}

void coroutines_abandon(struct script_thread *thread)
{
    while (thread->waits != NULL) {
        struct script_wait *wait = thread->waits;
        struct script_coroutine *coroutine = wait->coroutine;
        unlink_wait(wait);
        wait->thread = NULL;
        wait->coroutine = NULL;
        end(coroutine, false, script_abandoned);
    }
}

void script_set_subject(lua_State *L, const char *field, const char *value)
{
    struct script_coroutine *coroutine = coroutine_running(L);
    if (coroutine == NULL)
        return;
    snprintf(coroutine->subject_field, sizeof coroutine->subject_field, "%s", field);
    snprintf(coroutine->subject, sizeof coroutine->subject, "%s", value);
}
