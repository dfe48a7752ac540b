/* What an agency's rules.lua declares beside its functions and ids: limits, memory, needs (bascule.Rules in
 * lua/meta/rules.lua). Read once, when the file is loaded. */
#ifndef SCRIPT_DECLARATIONS_H
#define SCRIPT_DECLARATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lower limits than the operator's; 0 where the file says nothing. */
struct own_limits {
    int64_t ms;
    int64_t instructions;
    int64_t memory_bytes;
};

/* One name of `memory`. */
struct memory_declaration {
    char *name;
    bool counter;       /* else a value */
    const char *per;    /* "contact", "number", "location" or "agency"; static */
    const char *window; /* of a counter: "hour", "day", "week" or "month"; static; else NULL */
    char *zone;         /* of a counter; else NULL */
    int64_t ttl_ms;     /* of a value; else 0 */
};

struct declarations {
    struct own_limits limits;
    bool contact; /* `needs` has it */
    bool report;  /* there is such a function */
    struct memory_declaration *memory;
    size_t memory_count;
};

/* Borrowed, or NULL. */
const struct memory_declaration *declarations_find(const struct declarations *declarations, const char *name);
void declarations_deinit(struct declarations *declarations);

#endif
