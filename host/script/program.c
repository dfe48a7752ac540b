/* `bascule lua FILE ...` */
#include <stdio.h>

#include <lauxlib.h>

#include "script/thread.h"

struct program {
    bool ended;
    int status;
};

static void program_done(lua_State *L, bool ok, const char *message, const char *generation, void *argument)
{
    struct program *program = argument;
    (void)generation;
    program->ended = true;
    program->status = !ok ? 1 : lua_isinteger(L, 1) ? (int)lua_tointeger(L, 1) : 0;
    if (!ok)
        fprintf(stderr, "bascule lua: %s\n", message);
}

static void set_arguments(lua_State *L, int argc, char **argv)
{
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
}

static void start(struct script_thread *thread, int argc, char **argv, struct program *program)
{
    struct generations *generations = thread->host->generations;
    struct generation *generation = generations == NULL ? NULL : generations_acquire(generations);
    struct script_coroutine *coroutine = coroutine_new(thread->current, generation);
    lua_State *L = coroutine->L;
    set_arguments(L, argc, argv);
    if (luaL_loadfile(L, argv[0]) != LUA_OK) {
        coroutine_refuse(coroutine, lua_tostring(L, -1), program_done, program);
        return;
    }
    luaL_checkstack(L, argc, "too many arguments");
    for (int i = 1; i < argc; i++)
        lua_pushstring(L, argv[i]);
    coroutine_start(coroutine, argc - 1, program_done, program);
}

int script_run_program(struct script_host *host, const char *lua_path, int argc, char **argv)
{
    if (argc < 1) {
        fprintf(stderr, "bascule lua: which file?\n");
        return 2;
    }
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct script_thread *thread = script_thread_new(host, mailbox);
    struct program program = {false, 0};
    thread->current = thread->states = state_new_program(host, thread, lua_path);
    start(thread, argc, argv, &program);
    while (!program.ended) {
        mailbox_wait(mailbox, -1);
        mailbox_drain(mailbox);
    }
    script_thread_free(thread);
    mailbox_free(mailbox);
    return program.status;
}
