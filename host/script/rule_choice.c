#include "script/rule_choice.h"

#include <stdio.h>
#include <string.h>

#include "script/generations.h"
#include "script/rule_state.h"

#define DIFFERENCES_MOST 12

void rule_choice_init(struct rule_choice *choice, struct generation *generation, const struct agency *agency,
                      int64_t seed, const char *message)
{
    struct candidate *candidate = agency == NULL ? NULL : agency->candidate;
    *choice = (struct rule_choice){.generation = generation_ref(generation), .agency = agency};
    snprintf(choice->message, sizeof choice->message, "%s", message);
    if (candidate == NULL || agency->unit == NULL || atomic_load(&candidate->spoiled))
        return;
    choice->candidate = candidate;
    if (candidate->mode == CANDIDATE_SHADOW)
        choice->part = PART_SHADOW;
    else
        choice->part = seed >= 0 && candidate_takes(candidate, seed) ? PART_CANARY : PART_BESIDE_CANARY;
}

void rule_choice_deinit(struct rule_choice *choice)
{
    generation_unref(choice->generation);
}

static struct unit *live_unit(const struct rule_choice *choice)
{
    return choice->agency == NULL ? NULL : choice->agency->unit;
}

struct unit *rule_choice_first(const struct rule_choice *choice)
{
    return choice->part == PART_CANARY ? choice->candidate->unit : live_unit(choice);
}

struct unit *rule_choice_second(const struct rule_choice *choice, bool failed)
{
    if (choice->part == PART_SHADOW)
        return choice->candidate->unit;
    return choice->part == PART_CANARY && failed ? live_unit(choice) : NULL;
}

void rule_choice_count(const struct rule_choice *choice, struct generations *generations, bool own,
                       const char *error)
{
    struct candidate_policy policy = candidate_policy_read(generations->host->config);
    if (candidate_count_canary(choice->candidate, &policy, own, error, choice->message))
        generations_withdraw_soon(generations);
}

/* ---- comparing ---- */

struct differences {
    const char *names[DIFFERENCES_MOST];
    size_t count;
};

static void note(struct differences *differences, const char *name)
{
    if (differences->count < DIFFERENCES_MOST)
        differences->names[differences->count++] = name;
}

static bool is_empty_table(lua_State *L, int index)
{
    if (!lua_istable(L, index))
        return false;
    lua_pushvalue(L, index);
    lua_pushnil(L);
    bool empty = lua_next(L, -2) == 0;
    lua_pop(L, empty ? 1 : 3);
    return empty;
}

/* Nothing, and a list of nothing, are the same. */
static bool same_field(lua_State *L, int live, int candidate, const char *name)
{
    int top = lua_gettop(L);
    lua_pushstring(L, name);
    lua_rawget(L, live);
    lua_pushstring(L, name);
    lua_rawget(L, candidate);
    bool none = (lua_isnil(L, top + 1) || is_empty_table(L, top + 1)) &&
                (lua_isnil(L, top + 2) || is_empty_table(L, top + 2));
    bool same = none || rule_values_same(L, top + 1, top + 2);
    lua_settop(L, top);
    return same;
}

/* Fields of one of the messages, at `live` and `candidate`, that differ; each is noted once. */
static void compare_messages(lua_State *L, int live, int candidate, bool new_only,
                             struct differences *differences)
{
    for (lua_pushnil(L); lua_next(L, live); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        if (name == NULL)
            continue;
        lua_pushvalue(L, -2);
        bool new = lua_rawget(L, candidate) == LUA_TNIL;
        lua_pop(L, 1);
        if ((new || !new_only) && !same_field(L, live, candidate, name))
            note(differences, name);
    }
}

/* The names live as long as the two decisions. */
static void compare(lua_State *L, int live, int candidate, struct differences *differences)
{
    static const char *const fields[] = {"action", "reason", "until_ms", "providers", "parts",
                                         "memory", "dnd",    "reply",    NULL};
    int top = lua_gettop(L);
    for (const char *const *field = fields; *field != NULL; field++) {
        if (!same_field(L, live, candidate, *field))
            note(differences, *field);
    }
    lua_getfield(L, live, "message");
    lua_getfield(L, candidate, "message");
    if (lua_istable(L, top + 1) && lua_istable(L, top + 2)) {
        compare_messages(L, top + 1, top + 2, false, differences);
        compare_messages(L, top + 2, top + 1, true, differences);
    }
    lua_settop(L, top);
}

static void push_names(lua_State *L, const struct differences *differences)
{
    lua_createtable(L, (int)differences->count, 0);
    for (size_t i = 0; i < differences->count; i++) {
        lua_pushstring(L, differences->names[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void set_shadow(lua_State *L, int live, const struct candidate *candidate,
                       const struct differences *differences, const char *error)
{
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, candidate->unit->version);
    lua_setfield(L, -2, "version");
    lua_pushboolean(L, error == NULL && differences->count == 0);
    lua_setfield(L, -2, "same");
    lua_pushstring(L, error); /* nil where it is NULL */
    lua_setfield(L, -2, "error");
    if (differences->count > 0) {
        push_names(L, differences);
        lua_setfield(L, -2, "differs");
    }
    lua_setfield(L, live, "shadow");
}

static void count(const struct rule_choice *choice, const struct differences *differences, const char *error)
{
    struct buffer what = {0};
    enum candidate_comparison comparison = error != NULL             ? COMPARISON_ERROR
                                           : differences->count == 0 ? COMPARISON_SAME
                                                                     : COMPARISON_DIFFERENT;
    buffer_append_text(&what, error == NULL ? "" : error);
    for (size_t i = 0; i < differences->count; i++)
        buffer_append_format(&what, "%s%s", i == 0 ? "" : ", ", differences->names[i]);
    candidate_count_shadow(choice->candidate, comparison, choice->message, what.data);
    buffer_deinit(&what);
}

void rule_choice_compare(const struct rule_choice *choice, lua_State *L, int live, int candidate,
                         const char *error)
{
    struct differences differences = {.count = 0};
    if (error == NULL && live == 0)
        note(&differences, "failure");
    else if (error == NULL)
        compare(L, live, candidate, &differences);
    count(choice, &differences, error);
    if (live != 0)
        set_shadow(L, live, choice->candidate, &differences, error);
}
