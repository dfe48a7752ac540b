/* What Lua answered (bascule.delivery, see lua/meta/delivery.lua), and what the queue makes of it: the next
 * state, its due time, the events of the timeline, what GHL shall hear. Pure: no thread, no clock, no store.
 *
 * Strings of answers are borrowed until the settlement is made. */
#ifndef QUEUE_OUTCOME_H
#define QUEUE_OUTCOME_H

#include "queue/queue.h"
#include "queue/settlement.h"

enum outcome_name {
    OUTCOME_ACCEPTED,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,  /* the request may have arrived */
    OUTCOME_REJECTED, /* by a rule */
    OUTCOME_DEFERRED, /* by a rule */
    OUTCOME_BUSY,     /* no attempt was begun */
};

enum refusal {
    REFUSAL_RETRYABLE,
    REFUSAL_RATE_LIMITED,
    REFUSAL_PERMANENT,
    REFUSAL_INVALID_NUMBER,
    REFUSAL_UNAUTHORIZED,
    REFUSAL_INSUFFICIENT_CREDIT,
};

extern const char *const outcome_names[]; /* as Lua spells them, in the order of the enums; end with NULL */
extern const char *const refusal_names[];

struct outcome {
    enum outcome_name name;
    enum refusal kind; /* REFUSED */
    const char *reason, *code, *provider, *provider_message_id;
    const char *told; /* what GHL's user is told instead of `reason`; NULL: that */
    const char *sent; /* JSON object: how far a message in several parts has come; NULL: stays as it is */
    bool more_parts;  /* ACCEPTED: a part was, and the next one is to be sent at once */
    int64_t retry_after_ms, until_ms, wait_ms;
    int64_t elapsed_ms; /* until the destination answered; 0: not told */
    bool idempotent, receipt;
    bool attempted;    /* false: a rule failed, or the driver refused before anything was begun */
    struct slice more; /* members of a JSON object, for the event */
};

enum receipt_name { RECEIPT_DELIVERED, RECEIPT_UNDELIVERED, RECEIPT_PENDING, RECEIPT_UNAVAILABLE };
extern const char *const receipt_names[];

struct receipt {
    enum receipt_name name;
    const char *reason, *code;
    const char *sent; /* as above */
    int64_t wait_ms;
    struct slice more;
};

enum report_name {
    REPORT_REPORTED,
    REPORT_RETRY,
    REPORT_GIVEN_UP,
    REPORT_WITHHELD, /* by a rule: GHL does not hear this status */
};
extern const char *const report_names[];

struct report {
    enum report_name name;
    const char *reason;
    int64_t retry_after_ms;
    int64_t elapsed_ms; /* as above */
    bool uncounted;     /* the try was none: a gate was closed, a token is missing */
    struct slice more;
};

#define RULE_ERROR_CODE "rule_error" /* code of an outcome: the rule failed, nothing was attempted */
#define REPORT_TRIES 24 /* then GHL never hears it: with the usual backoff that is some hours of GHL away */

/* What a settlement is made of, beside the answer. */
struct settling {
    const struct store_message *message; /* as claimed; outlives the settlement */
    const struct queue_options *options;
    const char *generation; /* of the scripts that answered */
    int64_t elapsed_ms;     /* of the coroutine, where the answer tells no time */
    int64_t now_ms;
    uint32_t random;
};

/* Each begins `settlement`; the caller ends it. */
void settle_outcome(const struct settling *settling, const struct outcome *outcome,
                    struct settlement *settlement);
void settle_receipt(const struct settling *settling, const struct receipt *receipt,
                    struct settlement *settlement);
void settle_report(const struct settling *settling, const struct report *report,
                   struct settlement *settlement);

/* A message was claimed whose attempt another process began and did not end. The attempt is recorded as
 * unknown and the message queued again as such; whether it may be sent once more is asked of Lua with the
 * next claim. So it is in the timeline before anything is sent again. */
void settle_takeover(const struct settling *settling, struct settlement *settlement);

/* The trusted Lua itself failed with `what`. `begun`: an attempt had begun, so that its outcome is unknown.
 * It is tried again, since a reload may have mended it. */
void settle_fault(const struct settling *settling, const char *what, bool begun,
                  struct settlement *settlement);

#endif
