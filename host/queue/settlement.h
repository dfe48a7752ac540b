/* A settlement under construction: what the store is told at the end of a claim, with the texts it needs. */
#ifndef QUEUE_SETTLEMENT_H
#define QUEUE_SETTLEMENT_H

#include "store/store.h"

#define SETTLEMENT_EVENTS 2
#define SETTLEMENT_TEXTS 6

struct settlement {
    enum message_track track;
    union {
        struct store_settlement delivery;      /* TRACK_DELIVERY */
        struct store_report_settlement report; /* TRACK_REPORT */
    };
    struct store_event events[SETTLEMENT_EVENTS];
    size_t event_count;
    char *texts[SETTLEMENT_TEXTS]; /* owned; the structs above point into them */
    size_t text_count;
};

/* Begins the settlement of a claimed message: its state, reason and unknown outcome stay as they are. The
 * message must outlive the settlement. */
void settlement_begin(struct settlement *settlement, enum message_track track,
                      const struct store_message *message, int64_t now_ms);
void settlement_deinit(struct settlement *settlement);

/* Keeps `text`, which the settlement frees from now on. */
const char *settlement_keep(struct settlement *settlement, char *text);

/* The same of a text made here. */
const char *settlement_format(struct settlement *settlement, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds an event of the members that were written to `members`, which is emptied. */
void settlement_add_event(struct settlement *settlement, int64_t at_ms, const char *kind,
                          struct buffer *members);

/* GHL is to hear "failed", with an error that a person there understands. */
void settlement_report_failure(struct settlement *settlement, const char *code, const char *type,
                               const char *message);

/* Members of a JSON object, comma separated, without its braces. A NULL or empty text is left out. */
void members_add_text(struct buffer *members, const char *name, const char *text);
void members_add_number(struct buffer *members, const char *name, int64_t number);
void members_add_time(struct buffer *members, const char *name, int64_t wall_ms); /* as ISO 8601 text */
void members_add_switch(struct buffer *members, const char *name, bool value);
void members_add_all(struct buffer *members, struct slice more); /* members made elsewhere */

#endif
