#include "queue/outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const outcome_names[] = {"accepted", "refused", "unknown", "rejected", "deferred", "busy", NULL};
const char *const refusal_names[] = {"retryable",    "rate_limited",        "permanent", "invalid_number",
                                     "unauthorized", "insufficient_credit", NULL};

/* Where the answer gives no reason. */
static const char *const refusal_texts[] = {
    [REFUSAL_RETRYABLE] = "the provider could not be reached",
    [REFUSAL_RATE_LIMITED] = "the provider asks to wait",
    [REFUSAL_PERMANENT] = "the provider refused the message",
    [REFUSAL_INVALID_NUMBER] = "the number cannot receive messages",
    [REFUSAL_UNAUTHORIZED] = "the provider refused the account's key",
    [REFUSAL_INSUFFICIENT_CREDIT] = "the account at the provider has no credit",
};

#define BUSY_PREFIX "waiting: "
#define BUSY_WAIT_MS 1000 /* where Lua names no time */
#define BUSY_JITTER_MOST_MS 500
#define DEFER_LEAST_MS 1000 /* a rule that defers into the past must not spin */

/* "36 hours", for people. */
struct span {
    char text[32];
};

static struct span span_of(int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{3600000, "hours"}, {60000, "minutes"}, {1000, "seconds"}};
    size_t unit = 0;
    while (unit < 2 && ms < 2 * units[unit].ms)
        unit++;
    struct span span;
    snprintf(span.text, sizeof span.text, "%" PRId64 " %s", ms / units[unit].ms, units[unit].name);
    return span;
}

/* The number of the attempt that was just made: claims carry the number of those begun before. */
static unsigned attempt_number(const struct settling *settling)
{
    return settling->message->attempts + 1;
}

static void add_attempt_event(const struct settling *settling, const struct outcome *outcome,
                              struct settlement *settlement)
{
    if (!outcome->attempted)
        return;
    struct buffer members = {0};
    members_add_number(&members, "n", attempt_number(settling));
    members_add_text(&members, "outcome", outcome_names[outcome->name]);
    members_add_text(&members, "provider", outcome->provider);
    members_add_text(&members, "provider_message_id", outcome->provider_message_id);
    members_add_text(&members, "code", outcome->code);
    if (outcome->name == OUTCOME_REFUSED)
        members_add_text(&members, "kind", refusal_names[outcome->kind]);
    members_add_text(&members, "reason", outcome->reason);
    if (settlement->delivery.state == MESSAGE_QUEUED && outcome->name != OUTCOME_ACCEPTED)
        members_add_time(&members, "retry_at", settlement->delivery.due_ms);
    members_add_number(&members, "elapsed_ms",
                       outcome->elapsed_ms > 0 ? outcome->elapsed_ms : settling->elapsed_ms);
    members_add_text(&members, "generation", settling->generation);
    members_add_all(&members, outcome->more);
    settlement_add_event(settlement, settling->now_ms, "attempt", &members);
}

static void add_end_event(const struct settling *settling, const struct outcome *outcome, const char *kind,
                          struct settlement *settlement)
{
    struct buffer members = {0};
    members_add_text(&members, "reason", settlement->delivery.reason);
    members_add_text(&members, "code", outcome->code);
    if (!outcome->attempted) { /* else the attempt's event says it */
        members_add_text(&members, "generation", settling->generation);
        members_add_all(&members, outcome->more);
    }
    settlement_add_event(settlement, settling->now_ms, kind, &members);
}

/* What GHL's user reads: not always the reason, which may name file and line of a rule. */
static const char *told_of(const struct outcome *outcome, const char *reason)
{
    return outcome->told != NULL ? outcome->told : reason;
}

/* Ends the message for good, with what GHL and people are told. */
static void die(const struct settling *settling, const struct outcome *outcome, const char *reason,
                struct settlement *settlement)
{
    settlement->delivery.state = MESSAGE_DEAD;
    settlement->delivery.due_ms = 0;
    settlement->delivery.reason = reason;
    const char *code = outcome->code;
    if (code == NULL)
        code = outcome->name == OUTCOME_REFUSED ? refusal_names[outcome->kind] : "outcome_unknown";
    bool by_rule = strcmp(code, RULE_ERROR_CODE) == 0;
    settlement_report_failure(settlement, code, by_rule ? "rule" : "provider", told_of(outcome, reason));
    add_attempt_event(settling, outcome, settlement);
    add_end_event(settling, outcome, "dead", settlement);
}

static const char *expired_text(const struct settling *settling, const char *reason,
                                struct settlement *settlement)
{
    return settlement_format(settlement, "gave up, it could not be sent within %s: %s",
                             span_of(settling->options->most_age_ms).text, reason);
}

/* Its age after a wait of `wait_ms` is past the most. */
static bool is_too_old(const struct settling *settling, int64_t wait_ms)
{
    return settling->now_ms + wait_ms > settling->message->ready_ms + settling->options->most_age_ms;
}

/* Why no further attempt is made after a wait of `wait_ms`; NULL where one is. A provider that asks to wait
 * tells its pace, no fault: however often, it is no reason to give up. */
static const char *last_word(const struct settling *settling, const struct outcome *outcome, int64_t wait_ms,
                             const char *reason, struct settlement *settlement)
{
    if (is_too_old(settling, wait_ms))
        return expired_text(settling, reason, settlement);
    bool limited = outcome->name == OUTCOME_REFUSED && outcome->kind == REFUSAL_RATE_LIMITED;
    if (limited || attempt_number(settling) < settling->options->attempts)
        return NULL;
    return settlement_format(settlement, "gave up after attempt %u: %s", attempt_number(settling), reason);
}

/* Queues the message for its next attempt, or ends it where there is none. */
static void retry(const struct settling *settling, const struct outcome *outcome, const char *reason,
                  struct settlement *settlement)
{
    const struct queue_options *options = settling->options;
    int64_t wait_ms = queue_backoff_ms(attempt_number(settling), options->retry_base_ms,
                                       options->retry_most_ms, outcome->retry_after_ms, settling->random);
    const char *end = last_word(settling, outcome, wait_ms, reason, settlement);
    if (end != NULL) {
        die(settling, outcome, end, settlement);
        return;
    }
    settlement->delivery.state = MESSAGE_QUEUED;
    settlement->delivery.reason = reason;
    settlement->delivery.due_ms = settling->now_ms + wait_ms;
    add_attempt_event(settling, outcome, settlement);
}

static void end_sending(const struct settling *settling, const struct outcome *outcome,
                        struct store_settlement *delivery)
{
    delivery->state = MESSAGE_SENT;
    delivery->accepted = true;
    delivery->report_status = "pending";
    delivery->due_ms = outcome->receipt ? settling->now_ms + settling->options->receipt_poll_ms : 0;
}

/* With the next part of the message. Each has as many attempts as a message in one piece: the one that went
 * well does not count. */
static void go_on(const struct settling *settling, struct store_settlement *delivery)
{
    delivery->state = MESSAGE_QUEUED;
    delivery->due_ms = settling->now_ms;
    delivery->uncounted = true;
}

static void settle_accepted(const struct settling *settling, const struct outcome *outcome,
                            struct settlement *settlement)
{
    struct store_settlement *delivery = &settlement->delivery;
    delivery->reason = NULL;
    delivery->outcome_unknown = false;
    if (outcome->provider_message_id != NULL)
        delivery->provider_message_id =
            settlement_keep(settlement, text_duplicate(outcome->provider_message_id));
    if (outcome->sent != NULL)
        delivery->sent = settlement_keep(settlement, text_duplicate(outcome->sent));
    if (outcome->more_parts)
        go_on(settling, delivery);
    else
        end_sending(settling, outcome, delivery);
    add_attempt_event(settling, outcome, settlement);
}

/* An unknown outcome stays unknown until an answer settles it: an attempt that never left the house (a
 * connection refused, a key refused) says nothing of the one before. */
static bool answers_for_earlier(enum refusal kind)
{
    return kind == REFUSAL_PERMANENT || kind == REFUSAL_INVALID_NUMBER;
}

static void settle_refused(const struct settling *settling, const struct outcome *outcome,
                           struct settlement *settlement)
{
    const char *given = outcome->reason != NULL ? outcome->reason : refusal_texts[outcome->kind];
    const char *reason = settlement_keep(settlement, text_duplicate(given));
    bool unknown = outcome->code != NULL && strcmp(outcome->code, "outcome_unknown") == 0;
    if (answers_for_earlier(outcome->kind) && !unknown)
        settlement->delivery.outcome_unknown = false;
    if (outcome->kind == REFUSAL_RETRYABLE || outcome->kind == REFUSAL_RATE_LIMITED)
        retry(settling, outcome, reason, settlement);
    else
        die(settling, outcome, reason, settlement);
}

static void settle_unknown(const struct settling *settling, const struct outcome *outcome,
                           struct settlement *settlement)
{
    const char *given = outcome->reason != NULL ? outcome->reason : "no answer came";
    settlement->delivery.outcome_unknown = true;
    if (outcome->idempotent || settling->options->resend_unknown) {
        retry(settling, outcome, settlement_keep(settlement, text_duplicate(given)), settlement);
        return;
    }
    die(settling, outcome,
        settlement_format(settlement, "outcome unknown, so it is not sent again (%s)", given), settlement);
}

static void settle_rejected(const struct settling *settling, const struct outcome *outcome,
                            struct settlement *settlement)
{
    const char *given = outcome->reason != NULL ? outcome->reason : "rejected by the agency's rule";
    settlement->delivery.state = MESSAGE_REJECTED;
    settlement->delivery.reason = settlement_keep(settlement, text_duplicate(given));
    settlement_report_failure(settlement, outcome->code != NULL ? outcome->code : "rejected", "rule",
                              told_of(outcome, settlement->delivery.reason));
    add_end_event(settling, outcome, "rejected", settlement);
}

static void settle_deferred(const struct settling *settling, const struct outcome *outcome,
                            struct settlement *settlement)
{
    struct store_settlement *delivery = &settlement->delivery;
    int64_t least_ms = settling->now_ms + DEFER_LEAST_MS;
    const char *given = outcome->reason != NULL ? outcome->reason : "deferred by the agency's rule";
    delivery->state = MESSAGE_DEFERRED;
    delivery->reason = settlement_keep(settlement, text_duplicate(given));
    delivery->due_ms = outcome->until_ms > least_ms ? outcome->until_ms : least_ms;
    struct buffer members = {0};
    members_add_text(&members, "reason", delivery->reason);
    members_add_time(&members, "until", delivery->due_ms);
    members_add_text(&members, "generation", settling->generation);
    members_add_all(&members, outcome->more);
    settlement_add_event(settlement, settling->now_ms, "deferred", &members);
}

static bool is_waiting(const struct store_message *message)
{
    return message->reason != NULL && strncmp(message->reason, BUSY_PREFIX, strlen(BUSY_PREFIX)) == 0;
}

/* No attempt was begun. The first time of several in a row is put down. A pause of hours is asked about again
 * after the longest backoff: what was never begun and lies further ahead the sweep takes for misplaced. */
static void settle_busy(const struct settling *settling, const struct outcome *outcome,
                        struct settlement *settlement)
{
    struct store_settlement *delivery = &settlement->delivery;
    int64_t wait_ms = outcome->wait_ms > 0 ? outcome->wait_ms : BUSY_WAIT_MS;
    if (wait_ms > settling->options->retry_most_ms)
        wait_ms = settling->options->retry_most_ms;
    int64_t jitter_ms = wait_ms / 4 < BUSY_JITTER_MOST_MS ? wait_ms / 4 : BUSY_JITTER_MOST_MS;
    wait_ms += settling->random % (jitter_ms + 1);
    const char *given = outcome->reason != NULL ? outcome->reason : "the provider";
    delivery->state = MESSAGE_QUEUED;
    delivery->due_ms = settling->now_ms + wait_ms;
    delivery->reason = settlement_format(settlement, BUSY_PREFIX "%s", given);
    if (is_waiting(settling->message))
        return;
    struct buffer members = {0};
    members_add_text(&members, "reason", given);
    members_add_time(&members, "retry_at", delivery->due_ms);
    members_add_text(&members, "generation", settling->generation);
    members_add_all(&members, outcome->more);
    settlement_add_event(settlement, settling->now_ms, "waiting", &members);
}

/* Waiting uses up no attempt, so age alone ends it. */
static void settle_busy_or_old(const struct settling *settling, const struct outcome *outcome,
                               struct settlement *settlement)
{
    if (!is_too_old(settling, 0)) {
        settle_busy(settling, outcome, settlement);
        return;
    }
    const char *given = outcome->reason != NULL ? outcome->reason : "the provider was busy";
    settlement->delivery.state = MESSAGE_DEAD;
    settlement->delivery.reason = expired_text(settling, given, settlement);
    settlement_report_failure(settlement, "expired", "provider", settlement->delivery.reason);
    add_end_event(settling, outcome, "dead", settlement);
}

void settle_outcome(const struct settling *settling, const struct outcome *outcome,
                    struct settlement *settlement)
{
    static void (*const settlers[])(const struct settling *, const struct outcome *, struct settlement *) = {
        [OUTCOME_ACCEPTED] = settle_accepted, [OUTCOME_REFUSED] = settle_refused,
        [OUTCOME_UNKNOWN] = settle_unknown,   [OUTCOME_REJECTED] = settle_rejected,
        [OUTCOME_DEFERRED] = settle_deferred, [OUTCOME_BUSY] = settle_busy_or_old,
    };
    settlement_begin(settlement, TRACK_DELIVERY, settling->message, settling->now_ms);
    settlers[outcome->name](settling, outcome, settlement);
}
