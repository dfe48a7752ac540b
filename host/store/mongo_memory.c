/* Memory of rules: counters, values, and what each message did to them (mongo_memory.h says how an entry is
 * kept).
 *
 * Effects of one call are one write to an entry each, one after the other. Those with a condition go first,
 * so that REFUSED changes nothing: where there are several, all conditions are looked at before, and where
 * one no longer holds when its turn comes, those before it are taken back. For that moment others see more
 * than will stay, and may be refused in vain; never less, so that no limit is passed. All calls take the
 * entries in one order: of two that contend for the same, the first has them all.
 *
 * A process that dies half way, or an answer that is lost, leaves some effects done and the attempt not
 * begun. They carry the message's mark: the message is claimed again, its rules see what they saw at first,
 * and its next effects take the place of these. What they do not touch any more stays counted until its time
 * is over: too much rather than too little. */
#include "store/mongo_memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static enum store_status memory_read(struct store_session *session, const char *message_id,
                                     const struct store_memory_key *keys, size_t count, int64_t now_ms,
                                     struct store_remembered *remembered)
{
    enum store_status status = STORE_OK;
    memset(remembered, 0, count * sizeof *remembered);
    for (size_t i = 0; status == STORE_OK && i < count; i++) {
        struct mongo_entry entry;
        status = mongo_entry_find_kept(session, &keys[i], message_id, now_ms, &entry);
        const char *value = memory_entry_value(&entry.is, now_ms);
        remembered[i] = (struct store_remembered){entry.is.count, text_duplicate(value)};
        mongo_entry_deinit(&entry);
    }
    if (status != STORE_OK)
        store_remembered_deinit(remembered, count);
    return status;
}

/* ---- the order ---- */

static int compare_entries(const struct store_memory_key *a, const struct store_memory_key *b)
{
    int scope = strcmp(a->scope, b->scope);
    int name = scope != 0 ? scope : strcmp(a->name, b->name);
    return name != 0 ? name : strcmp(a->key, b->key);
}

static bool is_conditional(const struct store_effect *effect)
{
    return effect->op == EFFECT_ADD ? effect->most != STORE_EFFECT_NO_LIMIT
                                    : effect->op == EFFECT_SET && effect->first;
}

struct turn {
    struct store_effect effect;
    size_t place;     /* in the call: effects on one entry keep their order */
    bool conditional; /* this one, or another on its entry */
};

static int compare_turns(const void *left, const void *right)
{
    const struct turn *a = left, *b = right;
    if (a->conditional != b->conditional)
        return a->conditional ? -1 : 1;
    int entries = compare_entries(&a->effect.entry, &b->effect.entry);
    return entries != 0 ? entries : (a->place > b->place) - (a->place < b->place);
}

/* Answers how many of them are conditional; those are the first. */
static size_t order(const struct store_effect *effects, size_t count, struct turn *turns)
{
    size_t conditional = 0;
    for (size_t i = 0; i < count; i++) {
        turns[i] = (struct turn){effects[i], i, false};
        for (size_t k = 0; k < count && !turns[i].conditional; k++)
            turns[i].conditional =
                is_conditional(&effects[k]) && compare_entries(&effects[i].entry, &effects[k].entry) == 0;
        conditional += turns[i].conditional;
    }
    qsort(turns, count, sizeof *turns, compare_turns);
    return conditional;
}

/* ---- effects ---- */

static enum store_status check(struct store_session *session, const char *message_id,
                               const struct store_effect *effect, int64_t now_ms)
{
    struct mongo_entry entry;
    enum store_status status = mongo_entry_find_kept(session, &effect->entry, message_id, now_ms, &entry);
    if (status == STORE_OK && !effect_holds(effect, &entry.is))
        status = STORE_REFUSED;
    mongo_entry_deinit(&entry);
    return status;
}

/* The answer stays REFUSED also where taking back fails: an error here is one of the store, of which the
 * session has its sentence, and what is left is what a process that died would have left. */
static void take_back(struct store_session *session, const char *message_id, const struct turn *turns,
                      const struct mongo_entry *before, size_t count, int64_t now_ms)
{
    enum store_status status = STORE_OK;
    for (size_t i = count; status == STORE_OK && i-- > 0;)
        status = mongo_entry_take_back(session, message_id, &turns[i].effect, now_ms, &before[i]);
}

static enum store_status apply_conditional(struct store_session *session, const char *message_id,
                                           const struct turn *turns, size_t count, int64_t now_ms)
{
    struct mongo_entry before[STORE_EFFECTS_MOST];
    enum store_status status = STORE_OK;
    size_t done = 0;
    for (size_t i = 0; status == STORE_OK && count > 1 && i < count; i++)
        status = check(session, message_id, &turns[i].effect, now_ms);
    while (status == STORE_OK && done < count) {
        status = mongo_entry_apply(session, message_id, &turns[done].effect, now_ms, &before[done]);
        if (status == STORE_OK)
            done++;
        else
            mongo_entry_deinit(&before[done]);
    }
    if (status == STORE_REFUSED)
        take_back(session, message_id, turns, before, done, now_ms);
    while (done > 0)
        mongo_entry_deinit(&before[--done]);
    return status;
}

enum store_status mongo_memory_apply(struct store_session *session, const char *message_id,
                                     const struct store_effect *effects, size_t count, int64_t now_ms)
{
    struct store_effect taken[STORE_EFFECTS_MOST];
    struct turn turns[STORE_EFFECTS_MOST];
    enum store_status status = effects_check(session, effects, count);
    if (status != STORE_OK)
        return status;
    size_t taken_count = effects_take_together(effects, count, taken);
    size_t conditional = order(taken, taken_count, turns);
    status = apply_conditional(session, message_id, turns, conditional, now_ms);
    for (size_t i = conditional; status == STORE_OK && i < taken_count; i++) {
        struct mongo_entry before;
        status = mongo_entry_apply(session, message_id, &turns[i].effect, now_ms, &before);
        mongo_entry_deinit(&before);
    }
    return status;
}

/* ---- forgetting ---- */

/* Documents of one call. */
#define SWEPT_AT_ONCE 1000

static enum store_status lengthen(struct store_session *session, const bson_t *mark, int64_t until_ms)
{
    bson_iter_t id;
    bson_t *filter = bson_new();
    if (bson_iter_init_find(&id, mark, "_id"))
        bson_append_iter(filter, "_id", -1, &id);
    enum store_status status = mongo_update(session, MONGO_MARK, filter,
                                            BCON_NEW("$set", "{", "expires_ms", BCON_INT64(until_ms), "}"));
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* Gives marks whose time is over a later one where their entry is still kept: a counter may have been given a
 * later end after they moved out. The others' ids go into `ids`. */
static enum store_status tell_marks_apart(struct store_session *session, int64_t now_ms, bson_t *ids,
                                          uint32_t *count)
{
    const bson_t *mark;
    enum store_status status;
    mongoc_cursor_t *cursor =
        mongo_search(session, MONGO_MARK, BCON_NEW("expires_ms", "{", "$lte", BCON_INT64(now_ms), "}"),
                     BCON_NEW("sort", "{", "expires_ms", BCON_INT32(1), "_id", BCON_INT32(1), "}", "limit",
                              BCON_INT64(SWEPT_AT_ONCE)));
    while ((status = mongo_next(session, cursor, &mark)) == STORE_OK) {
        int64_t until_ms;
        status = mongo_entry_lives(session, mark, now_ms, &until_ms);
        if (status == STORE_OK && until_ms == 0)
            mongo_push(ids, mark, "_id");
        else if (status == STORE_OK)
            status = lengthen(session, mark, until_ms);
        if (status != STORE_OK)
            break;
        (*count)++;
    }
    mongoc_cursor_destroy(cursor);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status sweep_marks(struct store_session *session, int64_t now_ms, bool *more)
{
    bson_t ids = BSON_INITIALIZER;
    uint32_t count = 0;
    enum store_status status = tell_marks_apart(session, now_ms, &ids, &count);
    if (status == STORE_OK)
        status = mongo_forget_these(session, MONGO_MARK, &ids, now_ms);
    *more = *more || count == SWEPT_AT_ONCE;
    bson_destroy(&ids);
    return status;
}

static enum store_status memory_sweep(struct store_session *session, int64_t now_ms, bool *more)
{
    enum store_status status = mongo_forget(session, MONGO_MEMORY, SWEPT_AT_ONCE, now_ms, more);
    return status == STORE_OK ? sweep_marks(session, now_ms, more) : status;
}

void mongo_memory_calls(struct store_backend *backend)
{
    backend->memory_read = memory_read;
    backend->memory_apply = mongo_memory_apply;
    backend->memory_sweep = memory_sweep;
}
