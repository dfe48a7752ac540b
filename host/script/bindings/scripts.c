/* host.scripts */
#include <stdlib.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"
#include "script/thread.h"

static int push_described(lua_State *L, void (*tell)(struct generations *generations, struct buffer *json))
{
    struct generations *generations = script_host_of(L)->generations;
    if (generations == NULL)
        return binding_unavailable(L, "generations of scripts");
    char reason[160];
    struct buffer json = {0};
    tell(generations, &json);
    bool decoded = script_json_decode(L, (struct slice){json.data, json.length}, reason, sizeof reason);
    buffer_deinit(&json);
    return decoded ? 1 : luaL_error(L, "%s", reason);
}

static int describe(lua_State *L)
{
    return push_described(L, generations_describe);
}

static int agencies(lua_State *L)
{
    return push_described(L, generations_describe_agencies);
}

static int generation(lua_State *L)
{
    const struct script_coroutine *coroutine = coroutine_running(L);
    lua_pushstring(L, coroutine == NULL || coroutine->generation == NULL ? "" : coroutine->generation->id);
    return 1;
}

/* A reload, a way back, a look at rules: they take milliseconds, so the keeper's thread does them. */
struct change {
    struct mail work, done;
    struct script_wait wait;
    struct generations *generations;
    struct mailbox *reply;
    enum { CHANGE_RELOAD, CHANGE_BACK, CHANGE_CHECK } kind;
    char *id;           /* of a generation, or an agency's slug */
    struct buffer text; /* of rules to be checked */
    int result;
    struct error error;
    long line;
    struct buffer excerpt;
};

static struct change *change_of(struct script_wait *wait)
{
    return (struct change *)((char *)wait - offsetof(struct change, wait));
}

static void release(struct script_wait *wait)
{
    struct change *change = change_of(wait);
    free(change->id);
    buffer_deinit(&change->text);
    buffer_deinit(&change->excerpt);
    free(change);
}

static void deliver_done(struct mail *mail)
{
    script_wait_finish(&((struct change *)((char *)mail - offsetof(struct change, done)))->wait);
}

/* Beside nil, text and name: where in the rules. */
static int push_refusal(lua_State *L, const struct change *change)
{
    int results = script_fail(L, "REFUSED", "%s", change->error.message);
    if (change->kind != CHANGE_CHECK)
        return results;
    lua_createtable(L, 0, 3);
    lua_pushfstring(L, "%s/rules.lua", change->id);
    lua_setfield(L, -2, "file");
    if (change->line > 0) {
        lua_pushinteger(L, change->line);
        lua_setfield(L, -2, "line");
        lua_pushlstring(L, change->excerpt.data, change->excerpt.length);
        lua_setfield(L, -2, "excerpt");
    }
    return results + 1;
}

static int push_result(lua_State *L, struct script_wait *wait)
{
    const struct change *change = change_of(wait);
    char hash[UNIT_HASH_SIZE];
    if (change->result < 0)
        return push_refusal(L, change);
    if (change->kind == CHANGE_CHECK) {
        unit_hash((struct slice){change->text.data, change->text.length}, hash);
        lua_pushstring(L, hash);
    } else {
        lua_pushboolean(L, change->kind == CHANGE_BACK || change->result == 1);
    }
    return 1;
}

static void deliver_work(struct mail *mail)
{
    struct change *change = (struct change *)((char *)mail - offsetof(struct change, work));
    struct slice text = {change->text.data, change->text.length};
    switch (change->kind) {
    case CHANGE_RELOAD:
        change->result = generations_reload(change->generations, &change->error);
        break;
    case CHANGE_BACK:
        change->result = generations_rollback(change->generations, change->id, &change->error);
        break;
    case CHANGE_CHECK:
        change->result = generations_check(change->generations, change->id, text, &change->error,
                                           &change->line, &change->excerpt);
        break;
    }
    mailbox_post(change->reply, &change->done);
}

static int submit(lua_State *L, int kind, const char *id, struct slice text)
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
    change->kind = kind;
    change->id = text_duplicate(id);
    buffer_append(&change->text, text.data, text.length);
    mailbox_post(generations_keeper(generations), &change->work);
    return script_wait(L, &change->wait);
}

static int reload(lua_State *L)
{
    return submit(L, CHANGE_RELOAD, NULL, (struct slice){0});
}

static int rollback(lua_State *L)
{
    return submit(L, CHANGE_BACK, luaL_optstring(L, 1, NULL), (struct slice){0});
}

static int check(lua_State *L)
{
    const char *slug = luaL_checkstring(L, 1);
    struct slice text;
    text.data = luaL_checklstring(L, 2, &text.length);
    return submit(L, CHANGE_CHECK, slug, text);
}

int binding_open_scripts(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"agencies", agencies}, {"check", check},       {"describe", describe}, {"generation", generation},
        {"reload", reload},     {"rollback", rollback}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
