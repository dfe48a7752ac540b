#include "queue/outcome.h"

#include <string.h>

const char *const report_names[] = {"reported", "retry", "given_up", "withheld", NULL};

/* GHL loses interest in a status as we do in a message: counted from its acceptance by the provider, or from
 * when it might have been sent. */
static bool is_too_old(const struct settling *settling)
{
    const struct store_message *message = settling->message;
    int64_t since_ms = message->accepted_ms > message->ready_ms ? message->accepted_ms : message->ready_ms;
    return settling->now_ms > since_ms + settling->options->most_age_ms;
}

static void add_report_event(const struct settling *settling, const char *outcome, int64_t retry_at_ms,
                             const struct report *report, struct settlement *settlement)
{
    struct buffer members = {0};
    members_add_text(&members, "outcome", outcome);
    members_add_text(&members, "status", settling->message->report_status);
    members_add_text(&members, "reason", report->reason);
    if (report->name == REPORT_GIVEN_UP || retry_at_ms == 0)
        members_add_switch(&members, "given_up", strcmp(outcome, report_names[REPORT_GIVEN_UP]) == 0);
    else
        members_add_time(&members, "retry_at", retry_at_ms);
    members_add_number(&members, "n", settling->message->report_attempts + 1);
    members_add_number(&members, "elapsed_ms",
                       report->elapsed_ms > 0 ? report->elapsed_ms : settling->elapsed_ms);
    members_add_text(&members, "generation", settling->generation);
    members_add_all(&members, report->more);
    settlement_add_event(settlement, settling->now_ms, "report", &members);
}

/* How long to wait at least. A try that was none leaves the report as one never begun, and those the sweep
 * makes due when they lie further ahead than the longest backoff. */
static int64_t least_wait_ms(const struct settling *settling, const struct report *report)
{
    int64_t most_ms = settling->options->retry_most_ms;
    return report->uncounted && report->retry_after_ms > most_ms ? most_ms : report->retry_after_ms;
}

static void settle_retry(const struct settling *settling, const struct report *report,
                         struct settlement *settlement)
{
    const struct queue_options *options = settling->options;
    unsigned try = settling->message->report_attempts + 1;
    if (is_too_old(settling) || (!report->uncounted && try >= REPORT_TRIES)) {
        add_report_event(settling, "given_up", 0, report, settlement);
        return;
    }
    settlement->report.due_ms =
        settling->now_ms + queue_backoff_ms(try, options->retry_base_ms, options->retry_most_ms,
                                            least_wait_ms(settling, report), settling->random);
    settlement->report.uncounted = report->uncounted;
    if (!report->uncounted)
        add_report_event(settling, "retry", settlement->report.due_ms, report, settlement);
}

void settle_report(const struct settling *settling, const struct report *report,
                   struct settlement *settlement)
{
    settlement_begin(settlement, TRACK_REPORT, settling->message, settling->now_ms);
    if (report->name == REPORT_RETRY) {
        settle_retry(settling, report, settlement);
        return;
    }
    if (report->name != REPORT_GIVEN_UP)
        settlement->report.reported = settling->message->report_status;
    add_report_event(settling, report_names[report->name], 0, report, settlement);
}
