/* A rules file of someone unknown: it is refused with its reason, or each of its functions answers with a
 * decision or with a reason, within small limits. Lua's compiler is the parser here. */
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/file.h"
#include "script/rule_state.h"
#include "script/script.h"

#define UNITS_MOST 32
#define FILE_LONGEST ((size_t)1 << 20)

/* Instructions are what strikes; the time is for what they do not count. */
static const struct rule_limits limits = {.memory_bytes = 1 << 20,
                                          .ms = 1000,
                                          .instructions = 20000,
                                          .value_bytes = 200,
                                          .log_lines = 3,
                                          .log_bytes = 100,
                                          .parts = 3,
                                          .names = 3};

static const char *const messages[RULE_FUNCTIONS] = {
    "{\"to\":\"+639171234567\",\"body\":\"Kumusta \\u00e9\",\"attachments\":[],\"payload\":{\"a\":[1,{}]}}",
    "{\"from\":\"+639171234567\",\"to\":\"ACME\",\"body\":\"STOP\",\"attachments\":[\"https://a.x/1\"]}",
    "{\"status\":\"failed\",\"error\":{\"code\":\"9\",\"type\":\"x\",\"message\":\"m\"},\"attempts\":2}",
};
static const char context[] = "{\"now\":1767326400000,\"location\":\"a\",\"settings\":{\"sender\":\"ACME\"},"
                              "\"seed\":7,\"memory\":{\"v\":{\"value\":[1]},\"today\":{\"count\":2}}}";

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct unit *read_unit(const char *path)
{
    struct buffer text = {0}, name = {0};
    struct error error;
    struct stat stamp;
    const char *file = strrchr(path, '/') + 1;
    check(file_read(path, FILE_LONGEST, &stamp, &text) == NULL);
    buffer_append_format(&name, "bascule.rules.%.*s", (int)(strlen(file) - strlen(".lua")), file);
    struct unit *unit = unit_compile(name.data, path, (struct slice){text.data, text.length}, &error);
    check(unit != NULL);
    buffer_deinit(&name);
    buffer_deinit(&text);
    return unit;
}

static struct unit_set *read_library(void)
{
    struct unit *units[UNITS_MOST];
    glob_t found;
    check(glob(TEST_SOURCE_DIR "/lua/bascule/rules/*.lua", 0, NULL, &found) == 0);
    check(found.gl_pathc <= UNITS_MOST);
    for (size_t i = 0; i < found.gl_pathc; i++)
        units[i] = read_unit(found.gl_pathv[i]);
    struct unit_set *library = unit_set_new(units, found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++)
        unit_unref(units[i]);
    globfree(&found);
    return library;
}

static void push_json(lua_State *L, const char *json)
{
    char reason[160];
    check(script_json_decode(L, slice_from(json), reason, sizeof reason));
}

static void ask(struct rule_state *rules, enum rule_function function, lua_State *L)
{
    struct error error = {0};
    push_json(L, messages[function]);
    push_json(L, context);
    if (rule_call(rules, function, L, 1, 2, &error) == 0) {
        check(lua_gettop(L) == 3 && lua_istable(L, 3));
        check(lua_getfield(L, 3, "action") == LUA_TSTRING);
    } else {
        check(lua_gettop(L) == 2 && error.message[0] != '\0');
    }
    lua_settop(L, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct unit_set *library;
    static lua_State *L;
    if (library == NULL) {
        library = read_library();
        L = luaL_newstate();
    }
    struct error error = {0};
    struct unit *unit =
        unit_compile("fuzz", "agencies/fuzz/rules.lua", (struct slice){(const char *)data, size}, &error);
    struct rule_state *rules = unit == NULL ? NULL : rule_state_new(unit, library, &limits, &error);
    check(rules != NULL || error.message[0] != '\0');
    for (int i = 0; rules != NULL && i < RULE_FUNCTIONS && !rules->spoiled; i++) {
        if (rules->functions[i].reference != LUA_NOREF)
            ask(rules, (enum rule_function)i, L);
    }
    rule_state_free(rules);
    unit_unref(unit);
    return 0;
}
