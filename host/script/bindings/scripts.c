/* host.scripts */
#include <stdlib.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"
#include "script/thread.h"

static int describe(lua_State *L)
{
    struct generations *generations = script_host_of(L)->generations;
    if (generations == NULL)
        return binding_unavailable(L, "generations of scripts");
    char reason[160];
    struct buffer json = {0};
    generations_describe(generations, &json);
    bool decoded = script_json_decode(L, (struct slice){json.data, json.length}, reason, sizeof reason);
    buffer_deinit(&json);
    return decoded ? 1 : luaL_error(L, "%s", reason);
}

static int generation(lua_State *L)
{
    const struct script_coroutine *coroutine = coroutine_running(L);
    lua_pushstring(L, coroutine == NULL || coroutine->generation == NULL ? "" : coroutine->generation->id);
    return 1;
}

/* A reload or a way back. Both take milliseconds, so the keeper's thread does them. */
struct change {
    struct mail work, done;
    struct script_wait wait;
    struct generations *generations;
    struct mailbox *reply;
    char *id;
    bool back;
    int result;
    struct error error;
};

static struct change *change_of(struct script_wait *wait)
{
    return (struct change *)((char *)wait - offsetof(struct change, wait));
}

static void release(struct script_wait *wait)
{
    free(change_of(wait)->id);
    free(change_of(wait));
}

static void deliver_done(struct mail *mail)
{
    script_wait_finish(&((struct change *)((char *)mail - offsetof(struct change, done)))->wait);
}

static int push_result(lua_State *L, struct script_wait *wait)
{
    const struct change *change = change_of(wait);
    if (change->result < 0)
        return script_fail(L, "REFUSED", "%s", change->error.message);
    lua_pushboolean(L, change->back || change->result == 1);
    return 1;
}

static void deliver_work(struct mail *mail)
{
    struct change *change = (struct change *)((char *)mail - offsetof(struct change, work));
    if (change->back)
        change->result = generations_rollback(change->generations, change->id, &change->error);
    else
        change->result = generations_reload(change->generations, &change->error);
    mailbox_post(change->reply, &change->done);
}

static int submit(lua_State *L, bool back, const char *id)
{
    binding_check_wait(L);
    struct generations *generations = script_host_of(L)->generations;
    if (generations == NULL)
        return binding_unavailable(L, "generations of scripts");
    struct change *change = memory_allocate(sizeof *change);
    change->work.deliver = deliver_work;
    change->done.deliver = deliver_done;
    change->wait.push = push_result;
    change->wait.release = release;
    change->generations = generations;
    change->reply = script_mailbox(L);
    change->back = back;
    change->id = text_duplicate(id);
    mailbox_post(generations_keeper(generations), &change->work);
    return script_wait(L, &change->wait);
}

static int reload(lua_State *L)
{
    return submit(L, false, NULL);
}

static int rollback(lua_State *L)
{
    return submit(L, true, luaL_optstring(L, 1, NULL));
}

int binding_open_scripts(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"describe", describe}, {"generation", generation}, {"reload", reload}, {"rollback", rollback},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
