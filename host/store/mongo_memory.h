/* One entry of the rules' memory in MongoDB. Private to mongo_memory.c, mongo_entry.c and mongo_effect.c.
 *
 * An entry is a document: the counter, the value with the one before it, and the marks of the messages that
 * counted last. A mark lies in the entry's own document because counter and mark must change as one; when
 * there are many, the document's marks move into documents of their own (mongo_mark). A mark in the entry
 * goes before one beside it. The entry's `moved` grows with every such move, so that whoever found no mark of
 * its message, in the entry or beside it, can add one on the condition that this still is so.
 *
 *     memory       {_id: {scope, name, key}, life, revision, count, marks: [{message, added}], moved,
 *                   value, kept_by, previous, previous_expires_ms, expires_ms}
 *     memory_mark  {_id: life and message, life, entry: {scope, name, key}, added, revision, expires_ms}
 *
 * `life` is another one when an entry begins anew after its time: marks of the one before are then nobody's,
 * and are swept. */
#ifndef STORE_MONGO_MEMORY_H
#define STORE_MONGO_MEMORY_H

#include "store/effects.h"
#include "store/mongo.h"

/* Marks in the entry's own document, beyond which they move out. */
#define MONGO_MARKS_HELD 64

struct mongo_entry {
    struct memory_entry is;
    char *kept_by;
    int64_t revision; /* 0: there is no such document */
    bson_oid_t life;
    int64_t moved;
    uint32_t marks; /* in the document */
    int mark;       /* the message's own among them, or -1 */
    bool has_mark;  /* in the document or beside it */
};
void mongo_entry_deinit(struct mongo_entry *entry);

bson_t *mongo_entry_key(const struct store_memory_key *key); /* {_id: {scope, name, key}} */

/* OK also where there is none, or it is past its time. */
enum store_status mongo_entry_find(struct store_session *session, const struct store_memory_key *key,
                                   const char *message_id, struct mongo_entry *entry);
/* As the message is shown it: empty where it is past its time. */
enum store_status mongo_entry_find_kept(struct store_session *session, const struct store_memory_key *key,
                                        const char *message_id, int64_t now_ms, struct mongo_entry *entry);

/* Moves the marks of the entry's document into documents of their own. */
enum store_status mongo_entry_move_marks(struct store_session *session, const struct store_memory_key *key);

/* Carries one effect out, in one write to the entry's document. REFUSED where its condition does not hold.
 * `before` is the entry as that write found it; the caller deinits it whatever the answer. */
enum store_status mongo_entry_apply(struct store_session *session, const char *message_id,
                                    const struct store_effect *effect, int64_t now_ms,
                                    struct mongo_entry *before);
/* Takes that back, as far as nobody else has built upon it: a counter loses the difference, a value is put
 * back unless another message has replaced it. */
enum store_status mongo_entry_take_back(struct store_session *session, const char *message_id,
                                        const struct store_effect *effect, int64_t now_ms,
                                        const struct mongo_entry *before);

/* Until when the entry of a mark is kept, in the life that the mark is of; 0: it is not any more. */
enum store_status mongo_entry_lives(struct store_session *session, const bson_t *mark, int64_t now_ms,
                                    int64_t *until_ms);

#endif
