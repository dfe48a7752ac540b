/* The host's modules that the rules' library is made of: the same arguments give the same answer, and nothing
 * is reached. Their work is in C and charged before it is done: what it costs at most was measured, and
 * what feeds it is bounded (phone_parse reads short texts, hints are made of few names). */
#include <string.h>

#include <lauxlib.h>

#include "base/phone.h"
#include "base/zone.h"
#include "script/bindings/bindings.h"
#include "script/rule_library.h"
#include "script/rule_state.h"

/* Of about 10 ns each. */
#define PHONE_STEPS 2000      /* a number as people write it: 20 us */
#define PHONE_BYTE_STEPS 150  /* libphonenumber's patterns go over it again and again */
#define ZONE_STEPS 40         /* a zone that was used before */
#define ZONE_HINT_STEPS 40000 /* the nearest of six hundred names to one that is none */
#define ARGUMENTS_STEPS 100
#define HINT_STEPS 10000

static int before_phone(lua_State *L)
{
    size_t length;
    luaL_checklstring(L, 1, &length);
    rule_state_charge(L, PHONE_STEPS +
                             PHONE_BYTE_STEPS * (length < PHONE_TEXT_BYTES ? length : PHONE_TEXT_BYTES));
    return 0;
}

static int before_zone(lua_State *L)
{
    rule_state_charge(L, zone_is_known(luaL_checkstring(L, 1)) ? ZONE_STEPS : ZONE_HINT_STEPS);
    return 0;
}

static int before_arguments(lua_State *L)
{
    rule_state_charge(L, ARGUMENTS_STEPS);
    return 0;
}

static int before_hint(lua_State *L)
{
    rule_state_charge(L, HINT_STEPS);
    return 0;
}

static const struct rule_charged argument_rows[] = {
    {"options", before_arguments, false}, {"hint", before_hint, true}, {NULL, NULL, false}};
static const struct rule_charged phone_rows[] = {{"parse", before_phone, false}, {NULL, NULL, false}};
static const struct rule_charged zone_rows[] = {
    {"civil", before_zone, false}, {"instant", before_zone, false}, {NULL, NULL, false}};

static const struct pure_module {
    const char *name;
    lua_CFunction open;
    const struct rule_charged *rows;
} modules[] = {
    {"host.arguments", binding_open_arguments, argument_rows},
    {"host.phone", binding_open_phone, phone_rows},
    {"host.zone", binding_open_zone, zone_rows},
};

bool rule_pure_open(lua_State *L, const char *name)
{
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (strcmp(modules[i].name, name) != 0)
            continue;
        modules[i].open(L);
        rule_charged_set(L, modules[i].rows);
        return true;
    }
    return false;
}
