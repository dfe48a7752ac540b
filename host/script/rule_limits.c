#include "script/rule_limits.h"

#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "base/bytes.h"
#include "script/rule_state.h"

#define HOOK_INSTRUCTIONS 200 /* some 2 us between two counts */
#define HOOK_INSTRUCTIONS_LEAST 2
#define CLOCK_INSTRUCTIONS                                                           \
    2000 /* some 20 us between two looks at the clock, which are calls of the kernel \
          */
#define FRESH_BYTES \
    ((size_t)65536) /* memory that is filled anew takes some 10 us, in one instruction or many */
#define PLACE_LEVELS 64

/* An instruction may compare, scan or (as a number) read a text or a table from end to end, at up to 5 ns a
 * byte: the larger they are, the fewer go unwatched. */
#define UNWATCHED_BYTES (HOOK_INSTRUCTIONS * (size_t)32768)

struct rule_limits rule_limits_read(const struct config *config)
{
    return (struct rule_limits){
        .memory_bytes = (size_t)config_integer(config, "BASCULE_RULE_MEMORY_BYTES"),
        .ms = config_integer(config, "BASCULE_RULE_MS"),
        .instructions = (uint64_t)config_integer(config, "BASCULE_RULE_INSTRUCTIONS"),
        .value_bytes = (size_t)config_integer(config, "BASCULE_RULE_VALUE_BYTES"),
        .log_lines = (size_t)config_integer(config, "BASCULE_RULE_LOG_LINES"),
        .log_bytes = (size_t)config_integer(config, "BASCULE_RULE_LOG_BYTES"),
        .parts = (size_t)config_integer(config, "BASCULE_RULE_PARTS"),
        .names = (size_t)config_integer(config, "BASCULE_RULE_NAMES"),
        .stress = config_switch(config, "BASCULE_LUA_STRESS_GC"),
    };
}

static uint64_t lower(uint64_t most, int64_t wanted)
{
    return wanted > 0 && (uint64_t)wanted < most ? (uint64_t)wanted : most;
}

void rule_limits_lower(struct rule_limits *limits, const struct own_limits *own)
{
    limits->ms = (int64_t)lower((uint64_t)limits->ms, own->ms);
    limits->instructions = lower(limits->instructions, own->instructions);
    limits->memory_bytes = lower(limits->memory_bytes, own->memory_bytes);
}

static int interval(const struct rule_meter *meter)
{
    size_t instructions = UNWATCHED_BYTES / (meter->largest_bytes + 1);
    if (instructions < HOOK_INSTRUCTIONS_LEAST)
        return HOOK_INSTRUCTIONS_LEAST;
    return instructions < HOOK_INSTRUCTIONS ? (int)instructions : HOOK_INSTRUCTIONS;
}

void rule_meter_explain(const struct rule_meter *meter, char *text, size_t size)
{
    switch (meter->fault) {
    case RULE_WITHIN:
        snprintf(text, size, "kept its limits");
        break;
    case RULE_OVER_TIME:
        snprintf(text, size, "took longer than %lld ms", (long long)meter->limits.ms);
        break;
    case RULE_OVER_INSTRUCTIONS:
        snprintf(text, size, "ran more than %llu instructions",
                 (unsigned long long)meter->limits.instructions);
        break;
    case RULE_OVER_MEMORY:
        snprintf(text, size, "used more than %zu bytes of memory", meter->limits.memory_bytes);
        break;
    }
}

/* ---- what stops a call ---- */

static void on_count(lua_State *L, lua_Debug *place);

/* Raises the fault with its place. From now on the hook fires at every instruction: a pcall in a loop must
 * not swallow the error and go on. */
static void stop(struct rule_meter *meter, lua_State *L)
{
    char text[96];
    rule_meter_explain(meter, text, sizeof text);
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    lua_Debug place;
    for (int level = 0; level < PLACE_LEVELS && lua_getstack(L, level, &place); level++) {
        lua_getinfo(L, "Sl", &place);
        if (place.currentline > 0) {
            lua_pushfstring(L, "%s:%d: %s", place.short_src, place.currentline, text);
            lua_error(L);
        }
    }
    lua_pushstring(L, text);
    lua_error(L);
}

static void look_at_clock(struct rule_meter *meter)
{
    if (rule_state_processor_us() - meter->started_us >= meter->limits.ms * 1000)
        meter->fault = RULE_OVER_TIME;
}

/* Rules say how much some calls are charged for: the count stays at its end, and does not begin anew. */
static void count(struct rule_meter *meter, uint64_t steps)
{
    const uint64_t most = INT64_MAX;
    if (meter->fault != RULE_WITHIN)
        return;
    meter->usage.instructions =
        steps < most - meter->usage.instructions ? meter->usage.instructions + steps : most;
    if (meter->usage.instructions > meter->limits.instructions) {
        meter->fault = RULE_OVER_INSTRUCTIONS;
    } else if (meter->usage.instructions >= meter->clock_due) {
        meter->clock_due = meter->usage.instructions + CLOCK_INSTRUCTIONS;
        look_at_clock(meter);
    }
}

static void on_count(lua_State *L, lua_Debug *place)
{
    (void)place;
    struct rule_meter *meter = &rule_state_of(L)->meter;
    int wanted = interval(meter);
    if (meter->armed == L) { /* it was cut short: the whole counts, or allocating would stop the counting */
        meter->armed = NULL;
        meter->clock_due = 0;
        count(meter, HOOK_INSTRUCTIONS);
    } else {
        count(meter, (uint64_t)lua_gethookcount(L));
    }
    if (wanted < HOOK_INSTRUCTIONS)
        meter->clock_due = 0;
    meter->fresh_bytes = 0;
    rule_meter_check(meter, L);
    if (lua_gethookcount(L) != wanted)
        lua_sethook(L, on_count, LUA_MASKCOUNT, wanted);
}

void rule_meter_check(struct rule_meter *meter, lua_State *L)
{
    if (meter->fault != RULE_WITHIN)
        stop(meter, L);
}

void rule_meter_charge(struct rule_meter *meter, lua_State *L, uint64_t steps)
{
    if (meter->running == NULL)
        return;
    count(meter, steps);
    rule_meter_check(meter, L);
}

void rule_state_charge(lua_State *L, uint64_t steps)
{
    rule_meter_charge(&rule_state_of(L)->meter, L, steps);
}

/* ---- memory ---- */

/* The hook of what runs fires at its next instruction. lua_sethook may be called at any moment (Lua's own
 * interpreter does from a signal's handler). */
static void arm(struct rule_meter *meter)
{
    if (meter->running == NULL || meter->armed == meter->running)
        return;
    meter->armed = meter->running;
    lua_sethook(meter->running, on_count, LUA_MASKCOUNT, 1);
}

/* A call of a table that is its own __call is one instruction, which moves its arguments up the stack one by
 * one: nothing but the stack's growth tells of it. */
static bool is_late(struct rule_meter *meter, size_t size)
{
    if (size >= FRESH_BYTES && meter->fault == RULE_WITHIN)
        look_at_clock(meter);
    return size >= FRESH_BYTES && meter->fault == RULE_OVER_TIME;
}

/* Whoever meets the limit makes the collector go through everything each time: the clock is to see it. */
static bool fits(struct rule_meter *meter, size_t size, size_t more)
{
    if (meter->running == NULL ||
        (meter->held_bytes + more <= meter->limits.memory_bytes && !is_late(meter, size)))
        return true;
    arm(meter);
    return false;
}

void *rule_meter_allocate(void *argument, void *block, size_t old_size, size_t size)
{
    struct rule_meter *meter = argument;
    size_t old = block == NULL ? 0 : old_size;
    if (size > old && !fits(meter, size, size - old))
        return NULL;
    meter->held_bytes += size - old;
    if (meter->held_bytes > meter->usage.memory_bytes)
        meter->usage.memory_bytes = meter->held_bytes;
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (size > meter->largest_bytes)
        meter->largest_bytes = size;
    meter->fresh_bytes += size; /* a block that grows may be moved whole */
    if (meter->fresh_bytes > FRESH_BYTES)
        arm(meter);
    return memory_resize(block, size);
}

/* ---- around a call ---- */

void rule_meter_begin(struct rule_meter *meter, lua_State *L, const struct rule_limits *limits)
{
    meter->limits = *limits;
    meter->usage = (struct rule_usage){.memory_bytes = meter->held_bytes};
    meter->clock_due = CLOCK_INSTRUCTIONS;
    meter->fresh_bytes = 0;
    meter->armed = NULL;
    meter->coroutine_depth = 0;
    meter->fault = RULE_WITHIN;
    meter->started_us = rule_state_processor_us();
    meter->running = L;
    lua_sethook(L, on_count, LUA_MASKCOUNT, interval(meter));
}

void rule_meter_end(struct rule_meter *meter)
{
    lua_sethook(meter->running, NULL, 0, 0);
    meter->running = NULL;
    meter->usage.us = rule_state_processor_us() - meter->started_us;
}
