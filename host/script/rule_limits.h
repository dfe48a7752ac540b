/* What a rule may use in one call: processor time, instructions, memory; and what stops it. Held by a struct
 * rule_state (rule_state.h), used on its thread. */
#ifndef SCRIPT_RULE_LIMITS_H
#define SCRIPT_RULE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "base/config.h"
#include "script/declarations.h"

struct rule_limits {
    size_t memory_bytes;
    int64_t ms;            /* of processor time, so that a busy machine kills no rule that is innocent */
    uint64_t instructions; /* of Lua's machine, and what C charges: strikes at the same place each time */

    /* Of what a rule says beside its answer: those that are passed by are dropped or refused there and then.
     */
    size_t value_bytes; /* of a remembered value, as JSON */
    size_t log_lines, log_bytes;
    size_t parts; /* of context.split */
    size_t names; /* of `memory` */
    bool stress;  /* the collector at its most aggressive, for tests */
};
/* Makes the limits lower where the rules file does; higher it cannot. */
void rule_limits_lower(struct rule_limits *limits, const struct own_limits *own);
struct rule_limits rule_limits_read(const struct config *config);

/* What a call used. */
struct rule_usage {
    int64_t us; /* processor time */
    uint64_t instructions;
    size_t memory_bytes; /* the most that the state held */
};

enum rule_fault { RULE_WITHIN, RULE_OVER_TIME, RULE_OVER_INSTRUCTIONS, RULE_OVER_MEMORY };

struct rule_meter {
    struct rule_limits limits; /* of the call under way */
    struct rule_usage usage;   /* of the call under way, or of the last one */
    int64_t started_us;
    uint64_t clock_due;       /* instructions at which to look at the clock again */
    size_t held_bytes;        /* by the state */
    size_t largest_bytes;     /* of what it ever held: one text, one table */
    size_t fresh_bytes;       /* allocated since the hook ran last */
    lua_State *running;       /* the coroutine that runs, NULL between calls */
    lua_State *armed;         /* the one whose hook fires at its next instruction */
    unsigned coroutine_depth; /* coroutines that resume or close each other */
    enum rule_fault fault;    /* what stopped the call; the state is not to be trusted then */
};

/* lua_Alloc of a rule state; the argument is its meter. The limit holds only while rules run: what the host
 * does with the state between calls must not fail. */
void *rule_meter_allocate(void *meter, void *block, size_t old_size, size_t size);

/* Around a call that the host makes into the rules on L. */
void rule_meter_begin(struct rule_meter *meter, lua_State *L, const struct rule_limits *limits);
void rule_meter_end(struct rule_meter *meter);

/* Appends "took longer than 10 ms" and its like to nothing: writes it into `text`. */
void rule_meter_explain(const struct rule_meter *meter, char *text, size_t size);

/* Counts steps of C; raises where the budget is used up. */
void rule_meter_charge(struct rule_meter *meter, lua_State *L, uint64_t steps);

/* Raises where the call was stopped already: pcall and coroutines must not outlive it. */
void rule_meter_check(struct rule_meter *meter, lua_State *L);

#endif
