/* The rule states of one thread, kept by what they run; the least recently used one goes when there are many.
 */
#ifndef SCRIPT_RULE_CACHE_H
#define SCRIPT_RULE_CACHE_H

#include "script/rule_state.h"

struct rule_cache;

/* `kept`: states at most. */
struct rule_cache *rule_cache_new(const struct rule_limits *limits, unsigned kept);
void rule_cache_free(struct rule_cache *cache);

/* Borrowed until the next call of this cache. NULL where it is not there. */
struct rule_state *rule_cache_find(struct rule_cache *cache, const struct unit *unit,
                                   const struct unit_set *library);
/* Loads one that is not there; borrowed likewise. NULL with the reason where the rules do not load. */
struct rule_state *rule_cache_load(struct rule_cache *cache, struct unit *unit, struct unit_set *library,
                                   struct error *error);
/* Finds or loads it. */
struct rule_state *rule_cache_get(struct rule_cache *cache, struct unit *unit, struct unit_set *library,
                                  struct error *error);
/* Closes it where it was spoiled. */
void rule_cache_return(struct rule_cache *cache, struct rule_state *state);

#endif
