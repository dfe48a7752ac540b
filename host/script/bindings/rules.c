/* host.rules */
#include <lauxlib.h>

#include "script/bindings/bindings.h"
#include "script/thread.h"

/* Whose outbound() a message gets. */
struct choice {
    const struct agency *agency; /* NULL: the default rule's */
    struct rule_state *state;    /* NULL: none, the message goes as it is */
    const char *slug;
};

static struct rule_state *default_rules(struct script_thread *thread, const struct generation *generation,
                                        struct error *error)
{
    struct unit *unit = unit_set_find(generation->library, "bascule.rules.default");
    if (unit == NULL)
        return NULL;
    return rule_cache_get(thread->rules, unit, generation->library, error);
}

/* -1 with the reason where the rules that it should get do not load. An agency without an outbound() leaves
 * its messages to the default rule. */
static int choose(struct script_thread *thread, const struct generation *generation,
                  const struct agency *agency, struct choice *choice, struct error *error)
{
    *choice = (struct choice){agency, NULL, "default"};
    error->kind = ERROR_NONE;
    if (agency != NULL && agency->unit == NULL)
        return error_set(error, ERROR_PERMANENT, "%s", agency->fault);
    if (agency != NULL) {
        choice->state = rule_cache_get(thread->rules, agency->unit, generation->library, error);
        if (choice->state == NULL)
            return -1;
        choice->slug = agency->slug;
    }
    if (choice->state == NULL || choice->state->functions[RULE_OUTBOUND].reference == LUA_NOREF) {
        choice->slug = "default";
        choice->state = default_rules(thread, generation, error);
    }
    return error->kind == ERROR_NONE ? 0 : -1;
}

static void push_unchanged(lua_State *L, int message)
{
    lua_createtable(L, 0, 4);
    lua_pushliteral(L, "send");
    lua_setfield(L, -2, "action");
    lua_pushvalue(L, message);
    lua_setfield(L, -2, "message");
}

static int decide(lua_State *L, struct script_thread *thread, const struct choice *choice)
{
    struct error error = {0};
    if (choice->state == NULL || choice->state->functions[RULE_OUTBOUND].reference == LUA_NOREF) {
        push_unchanged(L, 3);
        return 0;
    }
    int result = rule_call(choice->state, RULE_OUTBOUND, L, 3, 4, &error);
    rule_cache_return(thread->rules, choice->state);
    if (result != 0)
        script_fail(L, "RULE", "%s", error.message);
    return result;
}

static int outbound(lua_State *L)
{
    const char *location = luaL_checkstring(L, 1), *company = luaL_optstring(L, 2, NULL);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    const struct script_coroutine *coroutine = coroutine_running(L);
    if (coroutine == NULL || coroutine->generation == NULL)
        return binding_unavailable(L, "rules");
    const struct generation *generation = coroutine->generation;
    struct script_thread *thread = coroutine->state->thread;
    struct choice choice;
    struct error error = {0};
    if (choose(thread, generation, generation_find_agency(generation, location, company), &choice, &error))
        return script_fail(L, "BROKEN", "%s", error.message);
    if (decide(L, thread, &choice) != 0)
        return 3;
    lua_pushstring(L, choice.slug);
    lua_setfield(L, -2, "agency");
    lua_pushstring(L, generation->id);
    lua_setfield(L, -2, "generation");
    return 1;
}

int binding_open_rules(lua_State *L)
{
    static const luaL_Reg functions[] = {{"outbound", outbound}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
