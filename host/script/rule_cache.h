/* The rule states of one thread, kept by what they run; the least recently used one goes when there are many.
 */
#ifndef SCRIPT_RULE_CACHE_H
#define SCRIPT_RULE_CACHE_H

#include "script/rule_state.h"
#include "script/script.h"

struct rule_cache;

struct rule_cache *rule_cache_new(struct script_host *host);
void rule_cache_free(struct rule_cache *cache);

/* Borrowed until the next call of this cache. NULL with the reason where the rules do not load. */
struct rule_state *rule_cache_get(struct rule_cache *cache, struct unit *unit, struct unit_set *library,
                                  struct error *error);
/* Closes it where it was spoiled. */
void rule_cache_return(struct rule_cache *cache, struct rule_state *state);

#endif
