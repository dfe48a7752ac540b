/* host.rules */
#include <stdlib.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"
#include "script/copy.h"
#include "script/rule_ask.h"
#include "script/thread.h"

/* A call that a coroutine waits for. */
struct asked {
    struct rule_job job;
    struct script_wait wait;
};

static struct asked *asked_of(struct script_wait *wait)
{
    return (struct asked *)((char *)wait - offsetof(struct asked, wait));
}

static void deliver(struct mail *mail)
{
    script_wait_finish(&((struct asked *)mail)->wait);
}

static struct rule_ask *ask_of(const struct asked *asked)
{
    return (struct rule_ask *)asked->job.work;
}

static void release(struct script_wait *wait)
{
    struct asked *asked = asked_of(wait);
    struct rule_ask *ask = ask_of(asked);
    if (ask != NULL && wait->thread != NULL) {
        carrier_give(&wait->thread->carriers, ask->carrier);
        ask->carrier = NULL;
    }
    if (ask != NULL)
        rule_ask_free(ask);
    free(asked);
}

void binding_push_usage(lua_State *L, const struct rule_usage *usage)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, usage->us);
    lua_setfield(L, -2, "us");
    lua_pushinteger(L, (lua_Integer)usage->instructions);
    lua_setfield(L, -2, "instructions");
    lua_pushinteger(L, (lua_Integer)usage->memory_bytes);
    lua_setfield(L, -2, "memory_bytes");
}

static int push_decision(lua_State *L, const struct rule_ask *ask)
{
    char reason[160];
    if (!copy_plain(ask->carrier, -1, L, reason, sizeof reason))
        return script_fail(L, "RULE", "the decision%s", reason);
    lua_pushstring(L, ask->slug);
    lua_setfield(L, -2, "agency");
    lua_pushstring(L, ask->generation->id);
    lua_setfield(L, -2, "generation");
    binding_push_usage(L, &ask->usage);
    lua_setfield(L, -2, "usage");
    return 1;
}

static int push_result(lua_State *L, struct script_wait *wait)
{
    const struct asked *asked = asked_of(wait);
    const struct rule_ask *ask = ask_of(asked);
    switch (asked->job.result) {
    case RULE_RAN:
        break;
    case RULE_ABANDONED:
        return script_fail(L, "RULE", "%s", asked->job.error.message);
    case RULE_QUARANTINED:
        return script_fail(L, "QUARANTINED", "%s", asked->job.error.message);
    case RULE_STOPPED:
        return script_fail(L, "UNAVAILABLE", "%s", asked->job.error.message);
    }
    if (ask->failure != NULL)
        return script_fail(L, ask->failure, "%s", ask->error.message);
    return push_decision(L, ask);
}

/* The message and the context, at 3 and 4 of L, into a carrier; NULL with the reason. */
static lua_State *load_carrier(lua_State *L, struct carriers *carriers, char *reason, size_t size)
{
    lua_State *carrier = carrier_take(carriers);
    if (copy_plain(L, 3, carrier, reason, size) && copy_plain(L, 4, carrier, reason, size))
        return carrier;
    carrier_give(carriers, carrier);
    return NULL;
}

static int push_unchanged(lua_State *L, const struct generation *generation)
{
    lua_createtable(L, 0, 4);
    lua_pushliteral(L, "send");
    lua_setfield(L, -2, "action");
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "message");
    lua_pushliteral(L, "default");
    lua_setfield(L, -2, "agency");
    lua_pushstring(L, generation->id);
    lua_setfield(L, -2, "generation");
    return 1;
}

static int submit(lua_State *L, struct rule_ask *ask)
{
    struct asked *asked = memory_allocate(sizeof *asked);
    asked->job.mail.deliver = deliver;
    asked->job.reply = script_mailbox(L);
    asked->job.work = &ask->work;
    asked->wait.push = push_result;
    asked->wait.release = release;
    rule_service_submit(script_host_of(L)->rules, &asked->job);
    return script_wait(L, &asked->wait);
}

static int ask_rules(lua_State *L, enum rule_function function)
{
    const char *location = luaL_checkstring(L, 1), *company = luaL_optstring(L, 2, NULL);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    binding_check_wait(L);
    const struct script_coroutine *coroutine = coroutine_running(L);
    if (script_host_of(L)->rules == NULL || coroutine->generation == NULL)
        return binding_unavailable(L, "rules");
    struct generation *generation = coroutine->generation;
    const struct agency *agency = generation_find_agency(generation, location, company);
    if (agency != NULL && agency->unit == NULL)
        return script_fail(L, "BROKEN", "%s", agency->fault);
    char reason[160];
    struct carriers *carriers = &coroutine->state->thread->carriers;
    lua_State *carrier = load_carrier(L, carriers, reason, sizeof reason);
    if (carrier == NULL)
        return script_fail(L, "RULE", "the message or its context%s", reason);
    struct rule_ask *ask = rule_ask_new(generation, agency, function, carrier);
    if (ask != NULL)
        return submit(L, ask);
    carrier_give(carriers, carrier);
    return push_unchanged(L, generation);
}

static int outbound(lua_State *L)
{
    return ask_rules(L, RULE_OUTBOUND);
}

static int inbound(lua_State *L)
{
    return ask_rules(L, RULE_INBOUND);
}

static int report(lua_State *L)
{
    return ask_rules(L, RULE_REPORT);
}

static void push_memory(lua_State *L, const struct memory_declaration *memory)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, memory->counter ? "counter" : "value");
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, memory->per);
    lua_setfield(L, -2, "per");
    if (memory->counter) {
        lua_pushstring(L, memory->window);
        lua_setfield(L, -2, "window");
        lua_pushstring(L, memory->zone);
        lua_setfield(L, -2, "zone");
    } else {
        lua_pushinteger(L, memory->ttl_ms);
        lua_setfield(L, -2, "ttl_ms");
    }
}

void binding_push_needs(lua_State *L, const struct agency *agency)
{
    static const struct declarations nothing = {.contact = false};
    bool loaded = agency != NULL && agency->unit != NULL;
    const char *slug = loaded ? agency->slug : "default";
    const struct declarations *declarations = loaded ? &agency->unit->declarations : &nothing;
    lua_createtable(L, 0, 3);
    lua_pushstring(L, slug);
    lua_setfield(L, -2, "agency");
    lua_pushboolean(L, declarations->contact);
    lua_setfield(L, -2, "contact");
    lua_createtable(L, 0, (int)declarations->memory_count);
    for (size_t i = 0; i < declarations->memory_count; i++) {
        push_memory(L, &declarations->memory[i]);
        lua_setfield(L, -2, declarations->memory[i].name);
    }
    lua_setfield(L, -2, "memory");
}

static int needs(lua_State *L)
{
    const char *location = luaL_checkstring(L, 1), *company = luaL_optstring(L, 2, NULL);
    const struct script_coroutine *coroutine = coroutine_running(L);
    if (coroutine == NULL || coroutine->generation == NULL)
        return binding_unavailable(L, "rules");
    binding_push_needs(L, generation_find_agency(coroutine->generation, location, company));
    return 1;
}

int binding_open_rules(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"outbound", outbound}, {"inbound", inbound}, {"report", report}, {"needs", needs}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
