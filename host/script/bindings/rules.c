/* host.rules */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"
#include "script/copy.h"
#include "script/rule_ask.h"
#include "script/rule_choice.h"
#include "script/thread.h"

/* One question to rules and its answer. */
struct question {
    struct rule_job job;
    struct asked *asked;
    bool is_asked;
};

/* A call that a coroutine waits for: one question, or two where the agency has a candidate. */
struct asked {
    struct script_wait wait;
    struct rule_service *service;
    struct generations *generations;
    struct rule_choice choice;
    enum rule_function function;
    struct question first, second;
    lua_State *spare; /* the carrier of the second */
};

static struct asked *asked_of(struct script_wait *wait)
{
    return (struct asked *)wait;
}

static struct rule_ask *ask_of(const struct question *question)
{
    return (struct rule_ask *)question->job.work;
}

/* What went wrong, or NULL. */
static const char *failure_of(const struct question *question)
{
    if (question->job.result != RULE_RAN)
        return question->job.error.message;
    const struct rule_ask *ask = ask_of(question);
    return ask->failure == NULL ? NULL : ask->error.message;
}

static void ask(struct question *question, struct rule_ask *work)
{
    question->job.work = &work->work;
    question->is_asked = true;
    rule_service_submit(question->asked->service, &question->job);
}

/* Asks the second where there is one to be asked. A process that is stopping asks nobody any more. */
static bool go_on(struct asked *asked)
{
    bool failed = failure_of(&asked->first) != NULL;
    struct unit *unit = rule_choice_second(&asked->choice, failed);
    if (unit == NULL || asked->first.job.result == RULE_STOPPED || asked->wait.thread == NULL)
        return false;
    struct rule_choice *choice = &asked->choice;
    struct rule_ask *work =
        rule_ask_new(choice->generation, choice->agency, unit, asked->function, asked->spare);
    asked->spare = NULL;
    ask(&asked->second, work);
    return true;
}

static void count(const struct asked *asked, const struct question *question, bool own)
{
    if (question->job.result != RULE_STOPPED)
        rule_choice_count(&asked->choice, asked->generations, own, failure_of(question));
}

static void deliver(struct mail *mail)
{
    const struct question *question = (const struct question *)mail;
    struct asked *asked = question->asked;
    bool is_first = question == &asked->first;
    if (asked->choice.part == PART_CANARY || asked->choice.part == PART_BESIDE_CANARY)
        count(asked, question, is_first && asked->choice.part == PART_CANARY);
    if (!is_first || !go_on(asked))
        script_wait_finish(&asked->wait);
}

static void release_question(struct question *question, struct script_thread *thread)
{
    struct rule_ask *work = question->is_asked ? ask_of(question) : NULL;
    if (work == NULL)
        return;
    if (thread != NULL) {
        carrier_give(&thread->carriers, work->carrier);
        work->carrier = NULL;
    }
    rule_ask_free(work);
}

static void release(struct script_wait *wait)
{
    struct asked *asked = asked_of(wait);
    release_question(&asked->first, wait->thread);
    release_question(&asked->second, wait->thread);
    if (asked->spare != NULL)
        carrier_give(wait->thread == NULL ? NULL : &wait->thread->carriers, asked->spare);
    rule_choice_deinit(&asked->choice);
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

static void set_version(lua_State *L, const char *name, int64_t version)
{
    if (version != 0) {
        lua_pushinteger(L, version);
        lua_setfield(L, -2, name);
    }
}

static int push_decision(lua_State *L, const struct rule_ask *work)
{
    char reason[160];
    if (!copy_plain(work->carrier, -1, L, reason, sizeof reason))
        return script_fail(L, "RULE", "the decision%s", reason);
    lua_pushstring(L, work->slug);
    lua_setfield(L, -2, "agency");
    lua_pushstring(L, work->generation->id);
    lua_setfield(L, -2, "generation");
    set_version(L, "version", work->version);
    binding_push_usage(L, &work->usage);
    lua_setfield(L, -2, "usage");
    return 1;
}

static int push_answer(lua_State *L, const struct question *question)
{
    switch (question->job.result) {
    case RULE_RAN:
        break;
    case RULE_ABANDONED:
        return script_fail(L, "RULE", "%s", question->job.error.message);
    case RULE_QUARANTINED:
        return script_fail(L, "QUARANTINED", "%s", question->job.error.message);
    case RULE_STOPPED:
        return script_fail(L, "UNAVAILABLE", "%s", question->job.error.message);
    }
    const struct rule_ask *work = ask_of(question);
    if (work->failure != NULL)
        return script_fail(L, work->failure, "%s", work->error.message);
    return push_decision(L, work);
}

/* The live answer, with what the candidate says beside it. */
static int push_shadowed(lua_State *L, const struct asked *asked)
{
    int base = lua_gettop(L), results = push_answer(L, &asked->first);
    if (!asked->second.is_asked || asked->second.job.result == RULE_STOPPED)
        return results;
    int top = lua_gettop(L), live = results == 1 ? base + 1 : 0;
    const char *error = failure_of(&asked->second);
    if (push_answer(L, &asked->second) != 1 && error == NULL)
        error = lua_tostring(L, top + 2);
    rule_choice_compare(&asked->choice, L, live, top + 1, error);
    lua_settop(L, top);
    return results;
}

/* The canary's answer; where it failed, the live one, with the reason. */
static int push_canary(lua_State *L, const struct asked *asked)
{
    bool failed = asked->second.is_asked;
    int results = push_answer(L, failed ? &asked->second : &asked->first);
    if (results != 1)
        return results;
    set_version(L, "canary", asked->choice.candidate->unit->version);
    if (failed) {
        lua_pushstring(L, failure_of(&asked->first));
        lua_setfield(L, -2, "canary_error");
    }
    return 1;
}

static int push_result(lua_State *L, struct script_wait *wait)
{
    const struct asked *asked = asked_of(wait);
    if (asked->choice.part == PART_SHADOW)
        return push_shadowed(L, asked);
    if (asked->choice.part == PART_CANARY)
        return push_canary(L, asked);
    return push_answer(L, &asked->first);
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
    rule_push_unchanged(L, 3);
    lua_pushliteral(L, "default");
    lua_setfield(L, -2, "agency");
    lua_pushstring(L, generation->id);
    lua_setfield(L, -2, "generation");
    return 1;
}

/* context.seed, or -1. */
static int64_t seed_of(lua_State *L)
{
    lua_getfield(L, 4, "seed");
    int64_t seed = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
    lua_pop(L, 1);
    return seed;
}

/* The id that an operator finds the message by. */
static const char *message_of(lua_State *L, const struct script_coroutine *coroutine)
{
    if (strcmp(coroutine->subject_field, "message_id") == 0)
        return coroutine->subject;
    lua_getfield(L, 3, "message_id"); /* stays on the stack */
    return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
}

static void init_question(struct question *question, struct asked *asked, struct mailbox *reply)
{
    question->asked = asked;
    question->job.mail.deliver = deliver;
    question->job.reply = reply;
}

static int submit(lua_State *L, const struct rule_choice *choice, struct rule_ask *work, lua_State *spare)
{
    struct asked *asked = memory_allocate(sizeof *asked);
    asked->service = script_host_of(L)->rules;
    asked->generations = script_host_of(L)->generations;
    asked->choice = *choice;
    asked->function = work->function;
    asked->spare = spare;
    init_question(&asked->first, asked, script_mailbox(L));
    init_question(&asked->second, asked, script_mailbox(L));
    asked->wait.push = push_result;
    asked->wait.release = release;
    ask(&asked->first, work);
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
    struct rule_choice choice;
    rule_choice_init(&choice, generation, agency, seed_of(L), message_of(L, coroutine));
    lua_State *carrier = load_carrier(L, carriers, reason, sizeof reason), *spare = NULL;
    if (carrier != NULL && choice.part != PART_ALONE)
        spare = load_carrier(L, carriers, reason, sizeof reason);
    struct rule_ask *work =
        carrier == NULL ? NULL
                        : rule_ask_new(generation, agency, rule_choice_first(&choice), function, carrier);
    if (work != NULL)
        return submit(L, &choice, work, spare);
    rule_choice_deinit(&choice);
    if (carrier == NULL)
        return script_fail(L, "RULE", "the message or its context%s", reason);
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
    lua_createtable(L, 0, 4);
    lua_pushstring(L, slug);
    lua_setfield(L, -2, "agency");
    lua_pushboolean(L, declarations->contact);
    lua_setfield(L, -2, "contact");
    lua_pushboolean(L, declarations->report);
    lua_setfield(L, -2, "report");
    lua_createtable(L, 0, (int)declarations->memory_count);
    for (size_t i = 0; i < declarations->memory_count; i++) {
        push_memory(L, &declarations->memory[i]);
        lua_setfield(L, -2, declarations->memory[i].name);
    }
    lua_setfield(L, -2, "memory");
}

/* Both are given what both declare. Where they declare the same name otherwise, the live rules have it. */
static void add_needs(lua_State *L, const struct declarations *live, const struct declarations *candidate)
{
    lua_pushboolean(L, live->contact || candidate->contact);
    lua_setfield(L, -2, "contact");
    lua_pushboolean(L, live->report || candidate->report);
    lua_setfield(L, -2, "report");
    lua_getfield(L, -1, "memory");
    for (size_t i = 0; i < candidate->memory_count; i++) {
        const char *name = candidate->memory[i].name;
        if (declarations_find(live, name) == NULL) {
            push_memory(L, &candidate->memory[i]);
            lua_setfield(L, -2, name);
        }
    }
    lua_pop(L, 1);
}

static int needs(lua_State *L)
{
    const char *location = luaL_checkstring(L, 1), *company = luaL_optstring(L, 2, NULL);
    const struct script_coroutine *coroutine = coroutine_running(L);
    if (coroutine == NULL || coroutine->generation == NULL)
        return binding_unavailable(L, "rules");
    const struct agency *agency = generation_find_agency(coroutine->generation, location, company);
    binding_push_needs(L, agency);
    if (agency != NULL && agency->unit != NULL && agency->candidate != NULL)
        add_needs(L, &agency->unit->declarations, &agency->candidate->unit->declarations);
    return 1;
}

int binding_open_rules(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"outbound", outbound}, {"inbound", inbound}, {"report", report}, {"needs", needs}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
