#include "script/rule_ask.h"

#include <stdlib.h>

#include <lauxlib.h>

static struct rule_ask *ask_of(struct rule_work *work)
{
    return (struct rule_ask *)((char *)work - offsetof(struct rule_ask, work));
}

void rule_ask_free(struct rule_ask *ask)
{
    if (ask->carrier != NULL)
        carrier_give(NULL, ask->carrier);
    generation_unref(ask->generation);
    free(ask);
}

static void release(struct rule_work *work)
{
    rule_ask_free(ask_of(work));
}

static struct unit *default_unit(const struct generation *generation)
{
    return unit_set_find(generation->library, "bascule.rules.default");
}

/* NULL without `failure`: the unit has no such function. */
static struct rule_state *try_unit(struct rule_ask *ask, struct rule_thread *thread, struct unit *unit)
{
    struct rule_state *state = rule_thread_state(thread, unit, ask->generation->library, &ask->error);
    if (state == NULL)
        ask->failure = "BROKEN";
    else if (state->functions[ask->function].reference == LUA_NOREF)
        state = NULL;
    return state;
}

/* What an agency has no function for is left to the default rules. */
static struct rule_state *find_state(struct rule_ask *ask, struct rule_thread *thread)
{
    struct rule_state *state = NULL;
    struct unit *fallback = default_unit(ask->generation);
    if (ask->agency != NULL) {
        ask->slug = ask->agency->slug;
        ask->version = ask->unit->version;
        state = try_unit(ask, thread, ask->unit);
    }
    if (state == NULL && ask->failure == NULL) {
        ask->slug = "default";
        ask->version = 0;
        state = fallback == NULL ? NULL : try_unit(ask, thread, fallback);
    }
    return state;
}

static void run(struct rule_work *work, struct rule_thread *thread)
{
    struct rule_ask *ask = ask_of(work);
    struct rule_state *state = find_state(ask, thread);
    if (state == NULL) {
        if (ask->failure == NULL)
            rule_push_unchanged(ask->carrier, 1);
        return;
    }
    if (rule_call(state, ask->function, ask->carrier, 1, 2, &ask->error) != 0)
        ask->failure = "RULE";
    ask->usage = state->meter.usage;
    rule_thread_return(thread, state);
}

struct rule_ask *rule_ask_new(struct generation *generation, const struct agency *agency, struct unit *unit,
                              enum rule_function function, lua_State *carrier)
{
    const struct unit *asked = agency != NULL ? unit : default_unit(generation);
    if (asked == NULL)
        return NULL;
    struct rule_ask *ask = memory_allocate(sizeof *ask);
    ask->work = (struct rule_work){
        .run = run,
        .release = release,
        .agency = agency != NULL ? agency->slug : "default",
        .path = asked->path,
        .hash = asked->hash,
    };
    ask->generation = generation_ref(generation);
    ask->agency = agency;
    ask->unit = unit;
    ask->function = function;
    ask->carrier = carrier;
    return ask;
}
