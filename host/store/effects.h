/* Effects on memory, as every backend takes them: their limits, which of them are one, and what must hold.
 * Private to host/store. */
#ifndef STORE_EFFECTS_H
#define STORE_EFFECTS_H

#include "store/backend.h"

/* FAILED, with the reason noted, for effects beyond the limits of store_memory.h. */
enum store_status effects_check(struct store_session *session, const struct store_effect *effects,
                                size_t count);

/* Additions to one counter become one, at the place of the first; the rest stays as it is, in order. Answers
 * how many there are; `taken` has room for STORE_EFFECTS_MOST. */
size_t effects_take_together(const struct store_effect *effects, size_t count, struct store_effect *taken);

/* An entry, as the message that asks or acts is shown it. */
struct memory_entry {
    int64_t count; /* without the message's own share */
    int64_t added; /* the message's own share */
    char *value, *previous;
    bool own; /* the value is what the message itself set or forgot */
    int64_t previous_expires_ms, expires_ms;
};
void memory_entry_deinit(struct memory_entry *entry); /* leaves it empty */

/* The value before the message's own. */
const char *memory_entry_value(const struct memory_entry *entry, int64_t now_ms);

/* Whether the effect's condition holds, of an entry that is not past its time (or empty). */
bool effect_holds(const struct store_effect *effect, const struct memory_entry *entry);

#endif
