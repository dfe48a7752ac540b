#include "queue/outcome.h"

#include <stdio.h>

#define TAKEN_OVER "the process that sent it ended before the answer was recorded"

/* Ends what was begun as an attempt of unknown outcome. Whether it may be sent again Lua knows (the
 * provider's idempotency, the policy): it is asked with the next claim. Only attempts are counted here, so
 * that a message that ends the process each time does not do so for ever. */
static void settle_interrupted(const struct settling *settling, unsigned attempt, const char *reason,
                               int64_t due_ms, struct settlement *settlement)
{
    struct store_settlement *delivery = &settlement->delivery;
    delivery->outcome_unknown = true;
    delivery->reason = settlement_keep(settlement, text_duplicate(reason));
    bool last = attempt >= settling->options->attempts;
    delivery->state = last ? MESSAGE_DEAD : MESSAGE_QUEUED;
    delivery->due_ms = last ? 0 : due_ms;
    struct buffer members = {0};
    members_add_number(&members, "n", attempt);
    members_add_text(&members, "outcome", "unknown");
    members_add_text(&members, "provider", settling->message->provider);
    members_add_text(&members, "reason", reason);
    members_add_text(&members, "generation", settling->generation);
    settlement_add_event(settlement, settling->now_ms, "attempt", &members);
    if (!last)
        return;
    struct buffer end = {0};
    members_add_text(&end, "reason", reason);
    settlement_add_event(settlement, settling->now_ms, "dead", &end);
    settlement_report_failure(settlement, "outcome_unknown", "provider", reason);
}

void settle_takeover(const struct settling *settling, struct settlement *settlement)
{
    settlement_begin(settlement, TRACK_DELIVERY, settling->message, settling->now_ms);
    settle_interrupted(settling, settling->message->attempts, TAKEN_OVER, settling->now_ms, settlement);
}

/* No attempt was counted, so the wait grows with the message's age instead: half of it. */
static int64_t age_wait_ms(const struct settling *settling)
{
    const struct queue_options *options = settling->options;
    int64_t age_ms = (settling->now_ms - settling->message->ready_ms) / 2;
    if (age_ms < options->retry_base_ms)
        age_ms = options->retry_base_ms;
    return queue_backoff_ms(1, age_ms, options->retry_most_ms, options->retry_base_ms, settling->random);
}

static void settle_not_begun(const struct settling *settling, const char *reason,
                             struct settlement *settlement)
{
    struct store_settlement *delivery = &settlement->delivery;
    int64_t due_ms = settling->now_ms + age_wait_ms(settling);
    bool last = due_ms > settling->message->ready_ms + settling->options->most_age_ms;
    delivery->state = last ? MESSAGE_DEAD : MESSAGE_QUEUED;
    delivery->due_ms = last ? 0 : due_ms;
    delivery->reason = settlement_keep(settlement, text_duplicate(reason));
    struct buffer members = {0};
    members_add_text(&members, "reason", reason);
    if (!last)
        members_add_time(&members, "retry_at", due_ms);
    members_add_text(&members, "generation", settling->generation);
    settlement_add_event(settlement, settling->now_ms, last ? "dead" : "fault", &members);
    if (last)
        settlement_report_failure(settlement, "internal_error", "bascule",
                                  "the message could not be processed");
}

void settle_fault(const struct settling *settling, const char *what, bool begun,
                  struct settlement *settlement)
{
    char reason[512];
    snprintf(reason, sizeof reason, "internal error: %.480s", what);
    settlement_begin(settlement, TRACK_DELIVERY, settling->message, settling->now_ms);
    if (begun)
        settle_interrupted(settling, settling->message->attempts + 1, reason,
                           settling->now_ms + age_wait_ms(settling), settlement);
    else
        settle_not_begun(settling, reason, settlement);
}
