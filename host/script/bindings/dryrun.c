/* host.dryrun: rules for trying out, beside what runs. Calls run on the caller's thread and do not wait: for
 * commands, not for servers. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"
#include "script/generations.h"
#include "script/rule_excerpt.h"
#include "script/rule_trial.h"
#include "script/state.h"

static const char rules_type[] = "host.dryrun.Rules";

/* The userdata: a generation with rule states of its own. */
struct dry_rules {
    struct generation *generation;
    struct rule_cache *cache;
};

static struct dry_rules *check_rules(lua_State *L)
{
    struct dry_rules *rules = luaL_checkudata(L, 1, rules_type);
    luaL_argcheck(L, rules->generation != NULL, 1, "closed");
    return rules;
}

static struct dry_rules *push_rules(lua_State *L)
{
    struct dry_rules *rules = lua_newuserdatauv(L, sizeof *rules, 0);
    *rules = (struct dry_rules){NULL, NULL};
    luaL_setmetatable(L, rules_type);
    return rules;
}

static int close_rules(lua_State *L)
{
    struct dry_rules *rules = luaL_checkudata(L, 1, rules_type);
    if (rules->cache != NULL)
        rule_cache_free(rules->cache);
    generation_unref(rules->generation);
    *rules = (struct dry_rules){NULL, NULL};
    return 0;
}

/* ---- open ---- */

#define NO_AGENCIES "/nonexistent"

/* Of a folder as the server would load it, the files' own tests among it; without the store, whose versions
 * would come before the files, and which would keep a record of them. */
static struct generation *load_folder(const struct script_host *host, const char *folder, struct error *error)
{
    const struct generations *running = host->generations;
    struct script_host storeless = *host;
    storeless.store = NULL;
    struct generations_options options = {
        .lua_path = running != NULL ? running->lua_path : host->lua_path,
        .agencies_path = folder,
        .entry = running != NULL ? running->entry : "bascule.server",
        .kept = 1,
        .host = &storeless,
    };
    struct generations *loaded = generations_new(&options, error);
    if (loaded == NULL)
        return NULL;
    struct generation *generation = generations_acquire(loaded);
    generations_free(loaded);
    return generation;
}

/* What the program has loaded, or the rules' library alone. */
static struct generation *load_base(const struct script_host *host, struct error *error)
{
    return host->generations != NULL ? generations_acquire(host->generations)
                                     : load_folder(host, NO_AGENCIES, error);
}

/* NULL where the error names no line of the text. */
static char *make_excerpt(struct slice source, const char *path, const char *error)
{
    struct buffer excerpt = {0};
    excerpt_append(&excerpt, source, excerpt_line_of_error(error, path));
    return excerpt.data;
}

/* Of the table {slug, path, source} on top. */
static struct agency read_agency(lua_State *L, const struct generation *base)
{
    struct rule_verdict verdict = {0};
    int table = lua_gettop(L);
    struct slice slug = option_text(L, table, "slug"), path = option_text(L, table, "path");
    struct slice source = option_text(L, table, "source");
    struct agency agency = {.slug = text_duplicate(slug.data)};
    struct unit *unit = unit_compile(slug.data, path.data, source, &verdict.error);
    if (unit != NULL) {
        struct rule_trial trial = {.agency = agency.slug,
                                   .unit = unit,
                                   .library = base->library,
                                   .limits = rule_limits_read(script_host_of(L)->config)};
        rule_trial_run(script_host_of(L)->rules, &trial, &verdict);
        unit->claims = verdict.claims;
        unit->declarations = verdict.declarations;
    }
    if (unit != NULL && !verdict.failed) {
        agency.unit = unit;
    } else {
        agency.fault = text_duplicate(verdict.error.message);
        agency.excerpt = make_excerpt(source, path.data, agency.fault);
        unit_unref(unit);
    }
    return agency;
}

/* Every field is there and a text: so that nothing raises while agencies are in the making. */
static void check_sources(lua_State *L, int index)
{
    static const char *const names[] = {"slug", "path", "source", NULL};
    lua_Integer count = luaL_len(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, index, i);
        luaL_checktype(L, -1, LUA_TTABLE);
        script_check_options(L, -1, names);
        for (const char *const *name = names; *name != NULL; name++)
            option_text(L, lua_gettop(L), *name);
        lua_pop(L, 1);
    }
}

static int by_slug(const void *a, const void *b)
{
    return strcmp(((const struct agency *)a)->slug, ((const struct agency *)b)->slug);
}

static struct generation *load_sources(lua_State *L, int index, const struct generation *base)
{
    lua_Integer count = luaL_len(L, index);
    struct agency *agencies = memory_allocate((size_t)(count + 1) * sizeof *agencies);
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(L, index, i + 1);
        agencies[i] = read_agency(L, base);
        lua_pop(L, 1);
    }
    qsort(agencies, (size_t)count, sizeof *agencies, by_slug);
    return generation_new(base->trusted, base->library, agencies, (size_t)count);
}

static struct generation *load(lua_State *L, const struct script_host *host, struct error *error)
{
    if (lua_isstring(L, 1))
        return load_folder(host, lua_tostring(L, 1), error);
    struct generation *base = load_base(host, error);
    if (base == NULL || lua_isnil(L, 1))
        return base;
    struct generation *loaded = load_sources(L, 1, base);
    generation_unref(base);
    return loaded;
}

/* dryrun.open(nothing | folder | sources) */
static int open_rules(lua_State *L)
{
    struct error error;
    struct script_host *host = script_host_of(L);
    if (state_of(L)->bundle != NULL)
        return luaL_error(L, "host.dryrun is for commands: it would hold up a server");
    if (host->generations == NULL && host->lua_path == NULL)
        return binding_unavailable(L, "rules");
    lua_settop(L, 1);
    if (lua_istable(L, 1))
        check_sources(L, 1);
    else if (!lua_isnil(L, 1))
        luaL_checkstring(L, 1);
    struct dry_rules *rules = push_rules(L);
    rules->generation = load(L, host, &error);
    if (rules->generation == NULL)
        return script_fail(L, "REFUSED", "%s", error.message);
    struct rule_service_options options = rule_service_options_read(host->config);
    rules->cache = rule_cache_new(&options.limits, options.states_kept);
    return 1;
}

/* ---- calls ---- */

static const struct agency *find_slug(const struct generation *generation, const char *slug)
{
    for (size_t i = 0; i < generation->agency_count; i++) {
        if (strcmp(generation->agencies[i].slug, slug) == 0)
            return &generation->agencies[i];
    }
    return NULL;
}

/* rules:agency(location, company) */
static int find_agency(lua_State *L)
{
    const struct dry_rules *rules = check_rules(L);
    const struct agency *agency =
        generation_find_agency(rules->generation, luaL_checkstring(L, 2), luaL_optstring(L, 3, NULL));
    lua_pushstring(L, agency == NULL ? "default" : agency->slug);
    return 1;
}

/* rules:needs(agency) */
static int push_needs(lua_State *L)
{
    const struct dry_rules *rules = check_rules(L);
    binding_push_needs(L, find_slug(rules->generation, luaL_checkstring(L, 2)));
    return 1;
}

/* The agency's, or the default one where it has no such function; NULL without an error: there is neither. */
static struct rule_state *find_state(const struct dry_rules *rules, const struct agency *agency, int function,
                                     struct error *error)
{
    struct unit_set *library = rules->generation->library;
    struct unit *units[] = {agency == NULL ? NULL : agency->unit,
                            unit_set_find(library, "bascule.rules.default")};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct rule_state *state =
            units[i] == NULL ? NULL : rule_cache_get(rules->cache, units[i], library, error);
        if (units[i] != NULL && (state == NULL || state->functions[function].reference != LUA_NOREF))
            return state;
    }
    return NULL;
}

/* rules:call(function, agency, message, context); agency as rules:agency() gave it. */
static int call(lua_State *L)
{
    struct error error = {.kind = ERROR_NONE};
    const struct dry_rules *rules = check_rules(L);
    int function = luaL_checkoption(L, 2, NULL, rule_function_names);
    const struct agency *agency = find_slug(rules->generation, luaL_checkstring(L, 3));
    luaL_checktype(L, 4, LUA_TTABLE);
    luaL_checktype(L, 5, LUA_TTABLE);
    lua_settop(L, 5);
    if (agency != NULL && agency->unit == NULL)
        return script_fail(L, "BROKEN", "%s", agency->fault);
    struct rule_state *state = find_state(rules, agency, function, &error);
    if (state == NULL && error.kind != ERROR_NONE)
        return script_fail(L, "BROKEN", "%s", error.message);
    if (state == NULL) {
        rule_push_unchanged(L, 4);
        return 1;
    }
    int result = rule_call(state, (enum rule_function)function, L, 4, 5, &error);
    struct rule_usage usage = state->meter.usage;
    rule_cache_return(rules->cache, state);
    if (result != 0)
        return script_fail(L, "RULE", "%s", error.message);
    binding_push_usage(L, &usage);
    lua_setfield(L, -2, "usage");
    return 1;
}

/* rules:agencies() */
static int list_agencies(lua_State *L)
{
    const struct generation *generation = check_rules(L)->generation;
    lua_createtable(L, (int)generation->agency_count, 0);
    for (size_t i = 0; i < generation->agency_count; i++) {
        const struct agency *agency = &generation->agencies[i];
        lua_createtable(L, 0, 3);
        lua_pushstring(L, agency->slug);
        lua_setfield(L, -2, "slug");
        lua_pushstring(L, agency->fault);
        lua_setfield(L, -2, "fault");
        lua_pushstring(L, agency->unit != NULL ? agency->unit->hash : agency->broken_hash);
        lua_setfield(L, -2, "hash");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* rules:excerpt(agency, error) */
static int push_excerpt(lua_State *L)
{
    const struct dry_rules *rules = check_rules(L);
    const struct agency *agency = find_slug(rules->generation, luaL_checkstring(L, 2));
    const char *error = luaL_checkstring(L, 3);
    char *made = NULL;
    if (agency != NULL && agency->unit != NULL)
        made = make_excerpt(unit_source(agency->unit), agency->unit->path, error);
    lua_pushstring(L, made != NULL || agency == NULL ? made : agency->excerpt);
    free(made);
    return 1;
}

/* The listener of a file's tests; `argument` is the Lua state, the list on top. */
static void add_test(void *argument, const char *name, const char *failure)
{
    lua_State *L = argument;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, failure);
    lua_setfield(L, -2, "failure");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* rules:tests(agency) */
static int run_tests(lua_State *L)
{
    struct error error;
    const struct dry_rules *rules = check_rules(L);
    const struct agency *agency = find_slug(rules->generation, luaL_checkstring(L, 2));
    struct rule_limits limits = rule_limits_read(script_host_of(L)->config);
    if (agency == NULL || agency->unit == NULL)
        return script_fail(L, "BROKEN", "%s", agency == NULL ? "there is no such agency" : agency->fault);
    struct rule_state *state = rule_state_new(agency->unit, rules->generation->library, &limits, &error);
    if (state == NULL)
        return script_fail(L, "BROKEN", "%s", error.message);
    lua_newtable(L);
    struct rule_tests_listener listener = {add_test, L};
    rule_tests_run(state, &agency->unit->claims, &listener, &error);
    rule_state_free(state);
    return 1;
}

int binding_open_dryrun(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"agencies", list_agencies}, {"agency", find_agency}, {"call", call}, {"excerpt", push_excerpt},
        {"needs", push_needs},       {"tests", run_tests},    {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", close_rules}, {"__close", close_rules}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", open_rules}, {NULL, NULL}};
    luaL_newmetatable(L, rules_type);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
