/* A message's document, as mongo_message.c describes it: reading it, and changing it on the condition that
 * nobody else did since it was read. Private to host/store/mongo*.c. */
#ifndef STORE_MONGO_MESSAGE_H
#define STORE_MONGO_MESSAGE_H

#include "store/mongo.h"

/* Of a message's events the newest are kept: a document has a most of 16 MB. */
#define MONGO_EVENTS_MOST 1000

/* No message that is accepted at that time or later has a lower id. */
int64_t mongo_first_id(int64_t time_ms);

/* Without events. */
void mongo_message_read(const bson_t *document, struct store_message *message);

struct mongo_change {
    bson_t set, unset, events; /* "$set", "$unset", and what is appended to "events" */
    uint32_t event_count;
};

/* Sets the field; NULL and 0 remove it. */
void mongo_change_text(struct mongo_change *change, const char *field, const char *text);
void mongo_change_time(struct mongo_change *change, const char *field, int64_t ms);
void mongo_change_event(struct mongo_change *change, int64_t at_ms, const char *kind, const char *data);

/* Fills in the change of what was read (without payload and events); any answer but OK leaves the message as
 * it is. */
typedef enum store_status mongo_decide(struct store_session *session, const bson_t *read,
                                       struct mongo_change *change, void *argument);

/* Reads the message, lets `decide` decide, writes; from the beginning where somebody else wrote in between.
 * NOT_FOUND where there is no such message. */
enum store_status mongo_change_message(struct store_session *session, int64_t id, mongo_decide *decide,
                                       void *argument);

/* mongo_claim.c: makes the next parked message due, of those of the same conversation that are newer than
 * `message` (its fields location, conversation, direction, _id). */
enum store_status mongo_unpark_next(struct store_session *session, const bson_t *message, int64_t now_ms);

#endif
