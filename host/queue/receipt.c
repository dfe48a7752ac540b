#include "queue/outcome.h"

const char *const receipt_names[] = {"delivered", "undelivered", "pending", "unavailable", NULL};

#define POLL_MOST_MS 60000

/* Each wait is half as long again as the one before. */
static int64_t poll_wait_ms(const struct settling *settling, int64_t least_ms)
{
    int64_t wait_ms = settling->options->receipt_poll_ms;
    for (unsigned n = 0; n < settling->message->polls && wait_ms < POLL_MOST_MS; n++)
        wait_ms += wait_ms / 2 + 1;
    if (wait_ms > POLL_MOST_MS)
        wait_ms = POLL_MOST_MS;
    return wait_ms > least_ms ? wait_ms : least_ms;
}

static void add_receipt_event(const struct settling *settling, const char *name, const char *reason,
                              const struct receipt *receipt, struct settlement *settlement)
{
    struct buffer members = {0};
    members_add_text(&members, "receipt", name);
    members_add_text(&members, "provider", settling->message->provider);
    members_add_text(&members, "provider_message_id", settling->message->provider_message_id);
    members_add_text(&members, "code", receipt->code);
    members_add_text(&members, "reason", reason);
    members_add_number(&members, "polls", settling->message->polls + 1);
    members_add_text(&members, "generation", settling->generation);
    members_add_all(&members, receipt->more);
    settlement_add_event(settlement, settling->now_ms, "receipt", &members);
}

static void settle_delivered(const struct settling *settling, const struct receipt *receipt,
                             struct settlement *settlement)
{
    settlement->delivery.state = MESSAGE_DELIVERED;
    settlement->delivery.reason = NULL;
    settlement->delivery.report_status = "delivered";
    add_receipt_event(settling, "delivered", receipt->reason, receipt, settlement);
}

static void settle_undelivered(const struct settling *settling, const struct receipt *receipt,
                               struct settlement *settlement)
{
    const char *given =
        receipt->reason != NULL ? receipt->reason : "the carrier could not deliver the message";
    settlement->delivery.state = MESSAGE_UNDELIVERED;
    settlement->delivery.reason = settlement_keep(settlement, text_duplicate(given));
    settlement_report_failure(settlement, receipt->code != NULL ? receipt->code : "undelivered", "provider",
                              given);
    add_receipt_event(settling, "undelivered", given, receipt, settlement);
}

/* The message stays as it is until the next look, or for good once it was asked for long enough. */
static void settle_open(const struct settling *settling, const struct receipt *receipt,
                        struct settlement *settlement)
{
    int64_t due_ms = settling->now_ms + poll_wait_ms(settling, receipt->wait_ms);
    int64_t last_ms = settling->message->accepted_ms + settling->options->receipt_most_ms;
    if (due_ms <= last_ms) {
        settlement->delivery.due_ms = due_ms;
        return;
    }
    const char *reason = settlement_format(settlement, "no receipt came within %lld minutes",
                                           (long long)(settling->options->receipt_most_ms / 60000));
    settlement->delivery.reason = reason;
    add_receipt_event(settling, "none", reason, receipt, settlement);
}

void settle_receipt(const struct settling *settling, const struct receipt *receipt,
                    struct settlement *settlement)
{
    settlement_begin(settlement, TRACK_DELIVERY, settling->message, settling->now_ms);
    settlement->delivery.polled = true;
    if (receipt->sent != NULL)
        settlement->delivery.sent = settlement_keep(settlement, text_duplicate(receipt->sent));
    if (receipt->name == RECEIPT_DELIVERED)
        settle_delivered(settling, receipt, settlement);
    else if (receipt->name == RECEIPT_UNDELIVERED)
        settle_undelivered(settling, receipt, settlement);
    else
        settle_open(settling, receipt, settlement);
}
