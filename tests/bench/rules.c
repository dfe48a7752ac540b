/* What the sandbox costs: bench_rules LUA RULES_FILE prints calls a second of the host's rule_call (message
 * and context copied in, decision copied out, all limits on) and of plain Lua calling the same function with
 * the same tables, and the memory of one more agency. LUA is the folder of the bundle ("lua"). */
#include <glob.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/clock.h"
#include "script/rule_cache.h"
#include "script/state.h"

#define ROUNDS 9
#define ROUND_US 150000
#define AGENCIES 1000
#define CALLS 150

static const struct rule_limits limits = {.memory_bytes = (size_t)8 << 20, .ms = 10, .instructions = 1000000};

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench_rules: %s\n", what);
    exit(1);
}

static void must(lua_State *L, int status)
{
    if (status != LUA_OK)
        need(false, lua_tostring(L, -1));
}

static struct buffer read_file(const char *path)
{
    struct buffer text = {0};
    char part[4096];
    FILE *file = fopen(path, "r");
    need(file != NULL, path);
    for (size_t length; (length = fread(part, 1, sizeof part, file)) > 0;)
        buffer_append(&text, part, length);
    fclose(file);
    return text;
}

static struct unit *compile(const char *name, const char *path, struct slice source)
{
    struct error error = {0};
    struct unit *unit = unit_compile(name, path, source, &error);
    need(unit != NULL, error.message);
    return unit;
}

/* The rules' library: lua/bascule/rules/x.lua is the unit bascule.rules.x. */
static struct unit_set *read_library(const char *lua)
{
    char pattern[300], name[120];
    struct unit *units[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/bascule/rules/*.lua", lua);
    need(glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc < 64, pattern);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct buffer text = read_file(found.gl_pathv[i]);
        const char *file = strrchr(found.gl_pathv[i], '/') + 1;
        snprintf(name, sizeof name, "bascule.rules.%.*s", (int)(strlen(file) - strlen(".lua")), file);
        units[i] = compile(name, found.gl_pathv[i], (struct slice){text.data, text.length});
        buffer_deinit(&text);
    }
    struct unit_set *library = unit_set_new(units, found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++)
        unit_unref(units[i]);
    globfree(&found);
    return library;
}

/* A message and a context as the road gives them; the functions of the context are added by the host. */
static const char values[] =
    "local payload = { contactId = 'c7f3kd93hd', locationId = 'GKAWb4yu7A4LSc0skQ6g', messageId = "
    "'m83hd7wh2',\n"
    "  type = 'SMS', phone = '+639171234567', message = 'Kumusta! Your appointment is tomorrow at 9.',\n"
    "  attachments = {}, userId = 'u1', conversationProviderId = 'p1', companyId = 'company1',\n"
    "  conversationId = 'k28dj38d', replyToEmailMessageId = '' }\n"
    "return { type = 'SMS', to = payload.phone, body = payload.message, attachments = {}, message_id = "
    "'m83hd7wh2',\n"
    "    contact_id = payload.contactId, conversation_id = 'k28dj38d', user_id = 'u1', payload = payload },\n"
    "  { now = 1767326400000, location = payload.locationId, company = 'company1', agency = 'acme',\n"
    "    settings = { sender = 'ACME', region = 'PH' }, seed = 7262524421, attempt = 0, memory = {} }\n";

/* Message at 1, context at 2. */
static void push_values(lua_State *L)
{
    lua_settop(L, 0);
    must(L, luaL_loadstring(L, values));
    must(L, lua_pcall(L, 0, 2, 0));
}

/* ---- the two ways to call it ---- */

static void call_host(struct rule_state *state, lua_State *L)
{
    struct error error;
    need(rule_call(state, RULE_OUTBOUND, L, 1, 2, &error) == 0, error.message);
    lua_settop(L, 2);
}

/* Plain Lua, its libraries, and the rules' own; the function at 3, the message's number and text after it. */
static lua_State *open_plain(const char *lua, const char *rules)
{
    static const char loader[] =
        "local lua = ...\n"
        "package.path = lua .. '/?.lua'\n"
        "table.insert(package.searchers, 1, function(name)\n"
        "  local file = lua .. '/' .. name:gsub('^bascule%.', 'bascule/rules/') .. '.lua'\n"
        "  return loadfile(file)\n"
        "end)\n";
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const struct script_module *module = binding_modules; module->name != NULL; module++) {
        lua_pushcfunction(L, module->open);
        lua_setfield(L, -2, module->name);
    }
    lua_pop(L, 1);
    must(L, luaL_loadstring(L, loader));
    lua_pushstring(L, lua);
    must(L, lua_pcall(L, 1, 0, 0));
    push_values(L);
    must(L, luaL_dofile(L, rules));
    lua_getfield(L, 3, "outbound");
    lua_replace(L, 3);
    lua_getfield(L, 1, "to");
    lua_getfield(L, 1, "body");
    return L;
}

static void call_plain(lua_State *L)
{
    for (int i = 4; i <= 5; i++) { /* the rule has overwritten them, where the host gave it a copy */
        lua_pushvalue(L, i);
        lua_setfield(L, 1, i == 4 ? "to" : "body");
    }
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    must(L, lua_pcall(L, 2, 1, 0));
    lua_pop(L, 1);
}

/* Calls a second: by the host where there is a state, else plainly. */
static double measure(struct rule_state *state, lua_State *L)
{
    int64_t began_us = rule_state_processor_us(), took_us = 0;
    long calls = 0;
    for (; took_us < ROUND_US; took_us = rule_state_processor_us() - began_us) {
        for (int i = 0; i < 500; i++, calls++) {
            if (state != NULL)
                call_host(state, L);
            else
                call_plain(L);
        }
    }
    return (double)calls * 1e6 / (double)took_us;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *list)
{
    qsort(list, ROUNDS, sizeof *list, by_size);
    return list[ROUNDS / 2];
}

static void measure_speed(struct unit_set *library, const char *lua, const char *rules)
{
    double host[ROUNDS], plain[ROUNDS], ratio[ROUNDS];
    struct error error = {0};
    struct buffer text = read_file(rules);
    struct unit *unit = compile("acme", rules, (struct slice){text.data, text.length});
    struct rule_state *state = rule_state_new(unit, library, &limits, &error);
    need(state != NULL, error.message);
    lua_State *L = luaL_newstate(), *P = open_plain(lua, rules);
    push_values(L);
    for (int i = 0; i < ROUNDS; i++) {
        host[i] = measure(state, L);
        plain[i] = measure(NULL, P);
        ratio[i] = host[i] / plain[i];
    }
    printf("host_per_s=%.0f plain_per_s=%.0f ratio=%.3f ", median(host), median(plain), median(ratio));
    lua_close(L);
    lua_close(P);
    rule_state_free(state);
    unit_unref(unit);
    buffer_deinit(&text);
}

/* ---- memory ---- */

static double resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    need(file != NULL && fscanf(file, "%*d %ld", &pages) == 1, "/proc/self/statm");
    fclose(file);
    return (double)pages * 4;
}

/* Each agency's file differs, so that none shares a unit; the compiled files are there before, as the workers
 * share them. */
static void measure_memory(struct unit_set *library, const char *rules)
{
    static struct unit *units[AGENCIES];
    struct error error = {0};
    struct buffer text = read_file(rules);
    for (int i = 0; i < AGENCIES; i++) {
        char name[40];
        snprintf(name, sizeof name, "agency%d", i);
        size_t length = text.length;
        buffer_append_format(&text, "-- %d\n", i);
        units[i] = compile(name, rules, (struct slice){text.data, text.length});
        text.length = length;
    }
    struct rule_cache *cache = rule_cache_new(&limits, AGENCIES);
    lua_State *L = luaL_newstate();
    push_values(L);
    malloc_trim(0);
    double before = resident_kb(), held = 0;
    for (int i = 0; i < AGENCIES; i++) {
        struct rule_state *state = rule_cache_get(cache, units[i], library, &error);
        need(state != NULL, error.message);
        for (int calls = 0; calls <= i % CALLS;
             calls++) /* so that they are anywhere between two collections */
            call_host(state, L);
        held += (double)state->meter.held_bytes / 1024;
    }
    printf("agency_kb=%.1f agency_lua_kb=%.1f agencies=%d\n", (resident_kb() - before) / AGENCIES,
           held / AGENCIES, AGENCIES);
    rule_cache_free(cache);
    lua_close(L);
    for (int i = 0; i < AGENCIES; i++)
        unit_unref(units[i]);
    buffer_deinit(&text);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_rules LUA RULES_FILE\n");
        return 2;
    }
    struct unit_set *library = read_library(argv[1]);
    measure_speed(library, argv[1], argv[2]);
    measure_memory(library, argv[2]);
    unit_set_unref(library);
    return 0;
}
