/* Effects on memory: what all backends have in common. */
#include "store/effects.h"

#include <stdlib.h>
#include <string.h>

/* ---- limits ---- */

static bool is_sound(const struct store_effect *effect)
{
    const int64_t most = STORE_EFFECT_NUMBER_MOST;
    if (effect->op == EFFECT_SET)
        return effect->value != NULL;
    if (effect->op == EFFECT_FORGET)
        return true;
    return effect->by >= -most && effect->by <= most && effect->most >= -most;
}

enum store_status effects_check(struct store_session *session, const struct store_effect *effects,
                                size_t count)
{
    if (count > STORE_EFFECTS_MOST)
        return store_session_refuse(session, "too many effects on memory in one call");
    for (size_t i = 0; i < count; i++)
        if (!is_sound(&effects[i]))
            return store_session_refuse(session,
                                        "an effect on memory with no value, or a number out of range");
    return STORE_OK;
}

/* ---- together ---- */

static bool adds_to_same(const struct store_effect *a, const struct store_effect *b)
{
    return a->op == EFFECT_ADD && b->op == EFFECT_ADD && strcmp(a->entry.key, b->entry.key) == 0 &&
           strcmp(a->entry.name, b->entry.name) == 0 && strcmp(a->entry.scope, b->entry.scope) == 0;
}

static void add_to(struct store_effect *sum, const struct store_effect *effect)
{
    sum->by += effect->by;
    sum->most = effect->most < sum->most ? effect->most : sum->most;
    sum->expires_ms = effect->expires_ms > sum->expires_ms ? effect->expires_ms : sum->expires_ms;
}

size_t effects_take_together(const struct store_effect *effects, size_t count, struct store_effect *taken)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        while (same < length && !adds_to_same(&taken[same], &effects[i]))
            same++;
        if (same < length)
            add_to(&taken[same], &effects[i]);
        else
            taken[length++] = effects[i];
    }
    return length;
}

/* ---- entries ---- */

void memory_entry_deinit(struct memory_entry *entry)
{
    free(entry->value);
    free(entry->previous);
    *entry = (struct memory_entry){0};
}

const char *memory_entry_value(const struct memory_entry *entry, int64_t now_ms)
{
    if (!entry->own)
        return entry->value;
    return entry->previous_expires_ms > now_ms ? entry->previous : NULL;
}

bool effect_holds(const struct store_effect *effect, const struct memory_entry *entry)
{
    if (effect->op == EFFECT_ADD)
        return entry->count + effect->by <= effect->most;
    return effect->op != EFFECT_SET || !effect->first || entry->own || entry->value == NULL;
}
