/* An agency's own tests: the functions under `tests` of its rules. Each gets `t`, which can run the file's
 * functions as a message would, and compare. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "script/copy.h"
#include "script/json.h"
#include "script/rule_context.h"
#include "script/rule_excerpt.h"
#include "script/rule_state.h"
#include "script/script.h"

#define NAME_LONGEST 80                       /* bytes of a test's name that an error shows */
#define DEFAULT_NOW_MS INT64_C(1767326400000) /* 2026-01-02T04:00:00Z, a Friday's noon in Manila */

struct suite {
    struct rule_state *state;
    const struct claims *claims;
    const char *name; /* of the test under way */
    int line;         /* where it begins */
};

/* ---- t.outbound, t.inbound, t.report ---- */

static int two_digits(const char *text)
{
    if (!isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]))
        return -1;
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* "2026-01-02T23:00:00+08:00", or what clock_parse_iso takes. */
static bool parse_time(const char *text, int64_t *ms)
{
    char utc[CLOCK_ISO_SIZE];
    size_t length = strlen(text), zone = length - strlen("+08:00");
    if (length <= strlen("+08:00") || (text[zone] != '+' && text[zone] != '-'))
        return clock_parse_iso(text, ms) == 0;
    int hours = two_digits(text + zone + 1), minutes = two_digits(text + zone + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || text[zone + 3] != ':' ||
        zone + 2 > sizeof utc)
        return false;
    snprintf(utc, sizeof utc, "%.*sZ", (int)zone, text);
    int64_t east_ms = (int64_t)(hours * 60 + minutes) * 60000;
    if (clock_parse_iso(utc, ms) != 0)
        return false;
    *ms -= text[zone] == '+' ? east_ms : -east_ms;
    return true;
}

/* The table at `index` of R, or an empty one, as a copy on `to`. */
static void push_fields(lua_State *R, int index, lua_State *to, const char *what, const char *const *names)
{
    char reason[160];
    const struct copy_limits limits = {COPY_MOST.values, COPY_MOST.bytes, false, rule_state_of(R)->limits.ms};
    if (lua_isnoneornil(R, index)) {
        lua_createtable(to, 0, 8);
        return;
    }
    luaL_checktype(R, index, LUA_TTABLE);
    script_check_options(R, index, names);
    if (!copy_within(R, index, to, &limits, reason, sizeof reason))
        luaL_error(R, "%s%s", what, reason);
}

/* What a test's message has where the test does not say: of the fields that the road gives, those that are
 * always there. */
struct sample {
    const char *name;
    enum { SAMPLE_NONE, SAMPLE_TEXT, SAMPLE_LIST, SAMPLE_TABLE, SAMPLE_ONE } type;
    const char *text;
};

static const struct sample outbound_samples[] = {
    {"type", SAMPLE_TEXT, "SMS"},
    {"to", SAMPLE_TEXT, "+639171234567"},
    {"body", SAMPLE_TEXT, "Kumusta"},
    {"sender", SAMPLE_NONE, NULL},
    {"provider", SAMPLE_NONE, NULL},
    {"reference", SAMPLE_NONE, NULL},
    {"attachments", SAMPLE_LIST, NULL},
    {"message_id", SAMPLE_TEXT, "message1"},
    {"contact_id", SAMPLE_TEXT, "contact1"},
    {"conversation_id", SAMPLE_NONE, NULL},
    {"user_id", SAMPLE_NONE, NULL},
    {"contact", SAMPLE_NONE, NULL},
    {"payload", SAMPLE_TABLE, NULL},
    {NULL, SAMPLE_NONE, NULL},
};

static const struct sample inbound_samples[] = {
    {"from", SAMPLE_TEXT, "+639171234567"},
    {"to", SAMPLE_TEXT, "ACME"},
    {"body", SAMPLE_TEXT, "Salamat"},
    {"attachments", SAMPLE_LIST, NULL},
    {"provider", SAMPLE_TEXT, "cast"},
    {"message_id", SAMPLE_TEXT, "message1"},
    {"contact_id", SAMPLE_NONE, NULL},
    {"conversation_id", SAMPLE_NONE, NULL},
    {"contact", SAMPLE_NONE, NULL},
    {"payload", SAMPLE_TABLE, NULL},
    {NULL, SAMPLE_NONE, NULL},
};

static const struct sample report_samples[] = {
    {"status", SAMPLE_TEXT, "delivered"}, {"error", SAMPLE_NONE, NULL},
    {"to", SAMPLE_TEXT, "+639171234567"}, {"body", SAMPLE_TEXT, "Kumusta"},
    {"provider", SAMPLE_NONE, NULL},      {"message_id", SAMPLE_TEXT, "message1"},
    {"attempts", SAMPLE_ONE, NULL},       {NULL, SAMPLE_NONE, NULL},
};

static const struct sample contact_samples[] = {
    {"id", SAMPLE_TEXT, "contact1"},
    {"tags", SAMPLE_LIST, NULL},
    {"custom", SAMPLE_TABLE, NULL},
    {NULL, SAMPLE_NONE, NULL},
};

static const struct sample *const samples_of[RULE_FUNCTIONS] = {outbound_samples, inbound_samples,
                                                                report_samples};
#define MOST_SAMPLES 16

static void push_sample(lua_State *L, const struct sample *sample)
{
    if (sample->type == SAMPLE_TEXT)
        lua_pushstring(L, sample->text);
    else if (sample->type == SAMPLE_ONE)
        lua_pushinteger(L, 1);
    else
        lua_newtable(L);
    if (sample->type == SAMPLE_LIST)
        json_mark_array(L);
}

/* Into the table on top. */
static void add_samples(lua_State *L, const struct sample *sample)
{
    for (; sample->name != NULL; sample++) {
        if (lua_getfield(L, -1, sample->name) == LUA_TNIL && sample->type != SAMPLE_NONE) {
            push_sample(L, sample);
            lua_setfield(L, -3, sample->name);
        }
        lua_pop(L, 1);
    }
}

static void complete_contact(lua_State *L)
{
    if (lua_getfield(L, -1, "contact") == LUA_TTABLE) {
        add_samples(L, contact_samples);
        if (lua_getfield(L, -1, "dnd") == LUA_TNIL) {
            lua_pushboolean(L, false);
            lua_setfield(L, -3, "dnd");
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void push_message(lua_State *R, int index, lua_State *to, enum rule_function function)
{
    const char *names[MOST_SAMPLES] = {NULL};
    const struct sample *samples = samples_of[function];
    for (size_t i = 0; samples[i].name != NULL; i++)
        names[i] = samples[i].name;
    push_fields(R, index, to, "the message", names);
    add_samples(to, samples);
    complete_contact(to);
}

/* In the context on top of `to`. */
static void set_now(lua_State *R, lua_State *to)
{
    int64_t now_ms = DEFAULT_NOW_MS;
    int type = lua_getfield(to, -1, "now");
    if (type == LUA_TSTRING ? !parse_time(lua_tostring(to, -1), &now_ms)
                            : type != LUA_TNIL && type != LUA_TNUMBER)
        luaL_error(R, "the context's now must be in ms, or a time such as \"2026-01-02T23:00:00+08:00\"");
    if (type != LUA_TNUMBER) {
        lua_pushinteger(to, now_ms);
        lua_setfield(to, -3, "now");
    }
    lua_pop(to, 1);
}

/* In the context on top of `to`. */
static void set_default(lua_State *to, const char *key, const char *value)
{
    if (value != NULL && lua_getfield(to, -1, key) == LUA_TNIL) {
        lua_pushstring(to, value);
        lua_setfield(to, -3, key);
    }
    lua_settop(to, 2);
}

static void check_memory(lua_State *R, lua_State *to)
{
    const struct declarations *declarations = &rule_state_of(R)->declarations;
    int type = lua_getfield(to, -1, "memory");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_error(R, "the context's memory must be a table by name, not a %s", lua_typename(to, type));
    for (lua_pushnil(to); type == LUA_TTABLE && lua_next(to, -2); lua_pop(to, 1)) {
        const char *name = lua_type(to, -2) == LUA_TSTRING ? lua_tostring(to, -2) : NULL;
        if (name == NULL)
            luaL_error(R, "the context's memory has a key that is no name");
        if (declarations_find(declarations, name) == NULL)
            rule_context_refuse_memory(R, "the context's memory", name);
        if (!lua_istable(to, -1))
            luaL_error(R, "the context's memory: '%s' must be { count = 3 } or { value = ... }", name);
    }
    lua_settop(to, 2);
}

static void push_context(lua_State *R, int index, lua_State *to, const struct claims *claims)
{
    static const char *const names[] = {"now",  "location", "company", "agency", "settings",
                                        "seed", "attempt",  "memory",  NULL};
    push_fields(R, index, to, "the context", names);
    set_now(R, to);
    set_default(to, "location", claims->locations.count > 0 ? claims->locations.items[0] : "location1");
    set_default(to, "company", claims->companies.count > 0 ? claims->companies.items[0] : NULL);
    check_memory(R, to);
    if (lua_getfield(to, -1, "settings") == LUA_TNIL) {
        lua_newtable(to);
        lua_setfield(to, -3, "settings");
    }
    lua_settop(to, 2);
}

/* A test reads a decision's time by the name under which a rule gives it. */
static void rename_until(lua_State *L)
{
    lua_getfield(L, -1, "until_ms");
    lua_setfield(L, -2, "until_");
    lua_pushnil(L);
    lua_setfield(L, -2, "until_ms");
}

/* Upvalues: the suite, the function. The copies are made on a thread of their own, as values from another
 * state are. */
static int test_call(lua_State *R)
{
    const struct suite *suite = lua_touserdata(R, lua_upvalueindex(1));
    enum rule_function function = (enum rule_function)lua_tointeger(R, lua_upvalueindex(2));
    if (suite->state->functions[function].reference == LUA_NOREF)
        return luaL_error(R, "the rules have no %s", rule_function_names[function]);
    lua_settop(R, 2);
    lua_State *copies = lua_newthread(R);
    push_message(R, 1, copies, function);
    push_context(R, 2, copies, suite->claims);
    rule_call_within(R, function, copies, 1, 2);
    rename_until(copies);
    lua_xmove(copies, R, 1);
    return 1;
}

/* ---- running ---- */

static void push_test(lua_State *L, const struct suite *suite)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, suite->state->rules);
    lua_pushliteral(L, "tests");
    lua_rawget(L, -2);
    lua_pushstring(L, suite->name);
    lua_rawget(L, -2);
}

/* Argument: the suite. */
static int run_test(lua_State *L)
{
    struct suite *suite = lua_touserdata(L, 1);
    lua_Debug function;
    push_test(L, suite);
    luaL_checktype(L, -1, LUA_TFUNCTION); /* a test before it may have taken it away */
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &function);
    suite->line = function.linedefined;
    lua_createtable(L, 0, 4);
    for (int i = 0; i < RULE_FUNCTIONS; i++) {
        lua_pushlightuserdata(L, suite);
        lua_pushinteger(L, i);
        lua_pushcclosure(L, test_call, 2);
        lua_setfield(L, -2, rule_function_names[i]);
    }
    lua_pushcfunction(L, rule_equal);
    lua_setfield(L, -2, "equal");
    lua_call(L, 1, 0);
    return 0;
}

/* "file:line: what" becomes "file:line: test "name": what"; without a line, the test's own. */
static void add_name(const struct suite *suite, struct error *error)
{
    const char *path = suite->state->unit->path;
    size_t path_length = strlen(path);
    char what[sizeof error->message];
    snprintf(what, sizeof what, "%s", error->message);
    long line;
    const char *rest = excerpt_skip_place(what, path, &line);
    if (rest == NULL) {
        bool named = strncmp(what, path, path_length) == 0 && what[path_length] == ':';
        rest = named ? what + path_length + 1 + strspn(what + path_length + 1, " ") : what;
        line = suite->line;
    }
    size_t length = strlen(suite->name);
    length = utf8_valid_prefix(suite->name, length < NAME_LONGEST ? length : NAME_LONGEST);
    error_set(error, ERROR_PERMANENT, "%s:%ld: test \"%.*s\": %s", path, line, (int)length, suite->name,
              rest);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct texts names_of_tests(struct rule_state *state)
{
    lua_State *L = state->L;
    struct texts names = {0};
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->rules);
    lua_pushliteral(L, "tests");
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
            texts_add(&names, slice_from(lua_tostring(L, -2)));
    }
    lua_pop(L, 2);
    if (names.count > 0)
        qsort(names.items, names.count, sizeof *names.items, by_text);
    return names;
}

static int run_next(struct suite *suite, int64_t started_us, struct error *error)
{
    lua_State *L = suite->state->L;
    suite->line = 0;
    if (rule_state_processor_us() - started_us > RULE_TESTS_MS * 1000)
        return error_set(error, ERROR_PERMANENT, "the tests before it took longer than %d ms", RULE_TESTS_MS);
    lua_pushcfunction(L, run_test);
    lua_pushlightuserdata(L, suite);
    return rule_state_call(suite->state, 1, 0, suite->state->limits.ms, error);
}

int rule_tests_run(struct rule_state *state, const struct claims *claims,
                   const struct rule_tests_listener *listener, struct error *error)
{
    struct suite suite = {.state = state, .claims = claims};
    struct texts names = names_of_tests(state);
    int64_t started_us = rule_state_processor_us();
    int result = 0;
    for (size_t i = 0; i < names.count && (result == 0 || listener != NULL); i++) {
        suite.name = names.items[i];
        lua_settop(state->L, 0);
        bool passed = run_next(&suite, started_us, error) == 0;
        if (!passed) {
            add_name(&suite, error);
            result = -1;
        }
        if (listener != NULL)
            listener->done(listener->argument, suite.name, passed ? NULL : error->message);
    }
    texts_deinit(&names);
    return result;
}
