/* A rule state: one Lua state with one agency's rules and nothing that reaches out, under a limit of memory,
 * and of time a call. Used by one thread at a time. */
#ifndef SCRIPT_RULE_STATE_H
#define SCRIPT_RULE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "base/error.h"
#include "script/rule_limits.h"
#include "script/unit.h"

/* What the rules' table may have functions for, each of (message, context). */
enum rule_function { RULE_OUTBOUND, RULE_INBOUND, RULE_REPORT, RULE_FUNCTIONS };
extern const char *const rule_function_names[]; /* as the keys are spelt; ends with NULL */

struct rule_entry {
    int reference; /* registry reference of the function, or LUA_NOREF */
    int line;      /* where it begins */
    int last_line; /* where it ends */
};

/* What the rule under way has said beside its answer (rule_context.h). */
struct rule_said {
    enum rule_function function;
    bool anything;
    size_t log_lines, log_bytes, log_dropped;
};

struct rule_state {
    lua_State *L;
    struct unit *unit;
    struct unit_set *library;
    struct rule_limits limits;
    struct rule_meter meter; /* of the call under way, or the last one */
    bool spoiled;            /* it was stopped in the middle: what it holds is not to be trusted */
    int rules;               /* registry reference of the table */
    struct rule_entry functions[RULE_FUNCTIONS];
    struct declarations declarations;
    struct rule_said said;
};

#define RULE_LOAD_MS \
    500 /* of processor time, for the file's own chunk and the library files that it requires */

/* Loads the rules and checks the table that they return (rule_shape.h). NULL with "file:line: what". */
struct rule_state *rule_state_new(struct unit *unit, struct unit_set *library,
                                  const struct rule_limits *limits, struct error *error);
void rule_state_free(struct rule_state *state);

/* What the loaded rules claim; what they declare, which the state does not have any more then. */
struct declarations rule_state_take_declarations(struct rule_state *state);
void rule_state_claims(struct rule_state *state, struct claims *claims);

/* lua_pcall within the limits. -1 with "file:line: what"; the stack is for the caller to clear then. */
int rule_state_call(struct rule_state *state, int arguments, int results, int64_t ms, struct error *error);

struct rule_state *rule_state_of(lua_State *L);
/* For C that works for rules in loops of its own, whatever it works on: `steps` (about what an instruction of
 * Lua's machine costs each: some 10 ns) count as instructions. Raises, with the state spoiled, where the
 * call's budget of them or its time is used up. Cheap enough for every few hundred steps. Outside of a call
 * it does nothing. */
void rule_state_charge(lua_State *L, uint64_t steps);
int64_t rule_state_processor_us(void); /* the clock of budgets: processor time of this thread */

/* rule_environment.c: opens what rules may use on an empty state; may raise. */
void rule_environment_open(lua_State *L);

/* rule_coroutine.c: pushes the coroutine library, as luaopen_coroutine does. */
int rule_coroutine_open(lua_State *L);

/* rule_call.c: runs a function of the rules on copies of the values at `message` and `context` (tables) of L,
 * any state of this thread's. 0: L has the decision (host.rules.Decision in lua/meta/host.lua) on top. -1
 * with "file:line: what". */
int rule_call(struct rule_state *state, enum rule_function function, lua_State *L, int message, int context,
              struct error *error);
/* Pushes the decision that stands where there is no rule: the message at `message` of L goes as it is. */
void rule_push_unchanged(lua_State *L, int message);
/* The same as rule_call from within the rules, R being where they run: L is another thread of the same state.
 * Raises. */
void rule_call_within(lua_State *R, enum rule_function function, lua_State *L, int message, int context);

#define RULE_TESTS_MS 1000 /* of processor time for all of a file: other agencies' reload waits */
/* rule_tests.c: runs the file's own tests, sorted by name, each within the limits of a rule. What they do not
 * say of a context comes from `claims`. Without a listener -1 with "file:line: test "name": what" of the
 * first that fails. With one all run, each is told (`failure` NULL where it passed), and the result is -1
 * with the last failure where one failed. The state, which tests may have changed, is then good for nothing
 * but being freed. */
struct rule_tests_listener {
    void (*done)(void *argument, const char *name, const char *failure);
    void *argument;
};
int rule_tests_run(struct rule_state *state, const struct claims *claims,
                   const struct rule_tests_listener *listener, struct error *error);

/* rule_equal.c: t.equal(actual, expected, what?) of these tests. */
int rule_equal(lua_State *L);
/* The same comparison of values that copy_plain made; does not raise. Indices from the bottom. */
bool rule_values_same(lua_State *L, int first, int second);

#endif
