/* What agencies' rules remember between messages. Rules are pure: they are given what is remembered and
 * answer with effects, which happen when the message's attempt begins (store_attempt_begin) or when they are
 * applied by themselves.
 *
 * An entry is named by scope, name and key. What these texts say is the caller's: "GKAWb4yu7A4L", "today",
 * "contact:C1|2026-11-21". It is a counter or a value, and is forgotten at a time of its own.
 *
 * A message is asked about more than once: its attempt fails and its rule is called again. So that the rule
 * then sees what it saw at first, a message is never shown its own effects; and so that nothing happens
 * twice, its newest effect on an entry replaces its earlier one. */
#ifndef STORE_STORE_MEMORY_H
#define STORE_STORE_MEMORY_H

#include "store/store.h"

struct store_memory_key {
    const char *scope, *name, *key;
};

struct store_remembered {
    int64_t count; /* 0 where there is nothing */
    char *value;   /* JSON text, or NULL */
};

/* Reads `count` entries into `remembered`, in the same order, without what `message_id` itself did: its own
 * share of a counter, and for a value that it set or forgot itself the one before. NULL: nobody's is left
 * out. What was kept until `now_ms` is forgotten. store_remembered_deinit frees the values. */
enum store_status store_memory_read(struct store_session *session, const char *message_id,
                                    const struct store_memory_key *keys, size_t count, int64_t now_ms,
                                    struct store_remembered *remembered);
void store_remembered_deinit(struct store_remembered *remembered, size_t count);

enum store_effect_op {
    EFFECT_ADD,    /* to a counter */
    EFFECT_SET,    /* a value */
    EFFECT_FORGET, /* a value; no error where there is none */
};
int store_effect_op_parse(const char *name, enum store_effect_op *op); /* "add", "set", "forget"; -1: none */

/* Of `by` and `most`, either sign: sums of these stay far from the ends of 64 bits. */
#define STORE_EFFECT_NUMBER_MOST INT64_C(1000000000)
#define STORE_EFFECT_NO_LIMIT INT64_MAX
#define STORE_EFFECTS_MOST 64 /* of one call */

struct store_effect {
    struct store_memory_key entry;
    enum store_effect_op op;
    int64_t by;         /* EFFECT_ADD */
    int64_t most;       /* EFFECT_ADD: the condition that the counter is no more than this with it, or
                           STORE_EFFECT_NO_LIMIT */
    const char *value;  /* EFFECT_SET: JSON text */
    bool first;         /* EFFECT_SET: the condition that no value of another message is kept */
    int64_t expires_ms; /* EFFECT_ADD, EFFECT_SET: when the entry is forgotten. A counter keeps the latest
                           that it was given, a value that of its newest effect */
};

/* On MongoDB a process that dies within this call, or whose store's answer is lost, may leave some of them
 * done. They then are the message's as any other: it is not shown them, and its next effect on the same entry
 * takes their place. While another call that will be refused is under way, its additions may be seen for a
 * moment: never fewer than will stay, so no `most` is passed.
 *
 * All of them or, where a condition does not hold, REFUSED and none. Several of one call on one counter add
 * up before `most` is looked at; of several on one value the last stands. The effects are `message_id`'s
 * (NULL: nobody's, and then each call counts anew). FAILED for an effect beyond the limits above. */
enum store_status store_memory_apply(struct store_session *session, const char *message_id,
                                     const struct store_effect *effects, size_t count, int64_t now_ms);

/* Removes a bounded part of what was kept until `now_ms`; `more` says whether there may be more. Reading does
 * not depend on it. */
enum store_status store_memory_sweep(struct store_session *session, int64_t now_ms, bool *more);

#endif
