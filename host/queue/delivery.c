#include "queue/delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "queue/answer.h"

#define DELIVERY_OF(pointer, member) \
    ((struct delivery *)((char *)(pointer)-offsetof(struct delivery, member)))

static enum store_status run_settlement(struct store_job *job, struct store_session *session)
{
    struct delivery *delivery = DELIVERY_OF(job, job);
    if (delivery->track == TRACK_REPORT)
        return store_report_settle(session, &delivery->settlement.report);
    return store_message_settle(session, &delivery->settlement.delivery);
}

struct delivery *delivery_new(struct queue *queue, enum message_track track, struct lane *lane,
                              const struct store_message *message, void (*home)(struct mail *mail))
{
    struct delivery *delivery = memory_allocate(sizeof *delivery);
    delivery->queue = queue;
    delivery->track = track;
    delivery->lane = lane;
    delivery->message = *message;
    delivery->job.mail.deliver = home;
    delivery->job.reply = queue->mailbox;
    delivery->job.run = run_settlement;
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    settlement_deinit(&delivery->settlement);
    store_message_deinit(&delivery->message);
    free(delivery->fault);
    free(delivery);
}

void delivery_settle(struct delivery *delivery)
{
    store_service_write(delivery->queue->host->store, &delivery->job);
}

/* The message is another's, or is to be left as it is. */
static void leave(struct delivery *delivery)
{
    delivery->job.status = STORE_CONFLICT;
    mailbox_post(delivery->queue->mailbox, &delivery->job.mail);
}

static struct settling settling_of(const struct delivery *delivery)
{
    return (struct settling){
        .message = &delivery->message,
        .options = &delivery->queue->options,
        .generation = delivery->generation,
        .elapsed_ms = clock_monotonic_ms() - delivery->started_ms,
        .now_ms = clock_wall_ms(),
        .random = arc4random(),
    };
}

static void count(const char *metric, const char *label, const char *value)
{
    char text[64];
    snprintf(text, sizeof text, "%s=\"%s\"", label, value);
    metrics_add(metric, text, 1);
}

/* A script that failed does not say whether the attempt had begun; the store knows. */
static enum store_status run_fault(struct store_job *job, struct store_session *session)
{
    struct delivery *delivery = DELIVERY_OF(job, job);
    struct store_message present = {0};
    enum store_status status = store_message_get(session, delivery->message.id, &present);
    if (status != STORE_OK)
        return status;
    bool begun = present.attempts > delivery->message.attempts;
    store_message_deinit(&present);
    struct settling settling = settling_of(delivery);
    settlement_deinit(&delivery->settlement);
    settle_fault(&settling, delivery->fault, begun, &delivery->settlement);
    return store_message_settle(session, &delivery->settlement.delivery);
}

/* Its first line; the traceback is for the log. */
static char *first_line(const char *text)
{
    return slice_duplicate((struct slice){text, strcspn(text, "\n")});
}

static void fail(struct delivery *delivery, const char *what)
{
    LOG_EVENT(LOG_ERROR, "delivery_fault", LOG_FIELD_TEXT("message_id", delivery->message.id),
              LOG_FIELD_TEXT("location", delivery->message.location), LOG_FIELD_TEXT("error", what),
              LOG_FIELD_TEXT("generation", delivery->generation));
    metrics_add("bascule_delivery_faults_total", NULL, 1);
    delivery->fault = first_line(what);
    struct settling settling = settling_of(delivery);
    if (delivery->track == TRACK_REPORT) {
        struct report report = {.name = REPORT_RETRY, .reason = delivery->fault};
        settle_report(&settling, &report, &delivery->settlement);
    } else if (delivery->message.state == MESSAGE_SENT) {
        struct receipt receipt = {.name = RECEIPT_UNAVAILABLE, .reason = delivery->fault};
        settle_receipt(&settling, &receipt, &delivery->settlement);
    } else {
        delivery->job.run = run_fault;
    }
    delivery_settle(delivery);
}

/* What Lua answered, the table at 1, makes the settlement; or `reason` says why it cannot. */
struct answer {
    lua_State *L;
    struct buffer more;
    char reason[160];
    bool rule_failed;
};

static bool take_outcome(const struct settling *settling, struct answer *answer,
                         struct settlement *settlement)
{
    struct outcome outcome;
    if (!answer_read_outcome(answer->L, 1, &outcome, &answer->more, answer->reason, sizeof answer->reason))
        return false;
    settle_outcome(settling, &outcome, settlement);
    answer->rule_failed = outcome.code != NULL && strcmp(outcome.code, RULE_ERROR_CODE) == 0;
    count("bascule_outcomes_total", "outcome", outcome_names[outcome.name]);
    return true;
}

static bool take_receipt(const struct settling *settling, struct answer *answer,
                         struct settlement *settlement)
{
    struct receipt receipt;
    if (!answer_read_receipt(answer->L, 1, &receipt, &answer->more, answer->reason, sizeof answer->reason))
        return false;
    settle_receipt(settling, &receipt, settlement);
    count("bascule_receipts_total", "receipt", receipt_names[receipt.name]);
    return true;
}

static bool take_report(const struct settling *settling, struct answer *answer, struct settlement *settlement)
{
    struct report report;
    if (!answer_read_report(answer->L, 1, &report, &answer->more, answer->reason, sizeof answer->reason))
        return false;
    settle_report(settling, &report, settlement);
    count("bascule_reports_total", "outcome", report_names[report.name]);
    return true;
}

/* What is asked of Lua, by the message's track and state. */
struct step {
    const char *function; /* of bascule.delivery */
    bool (*take)(const struct settling *settling, struct answer *answer, struct settlement *settlement);
};

static struct step step_of(const struct delivery *delivery)
{
    if (delivery->track == TRACK_REPORT)
        return (struct step){"report", take_report};
    if (delivery->message.state == MESSAGE_SENT)
        return (struct step){"receipt", take_receipt};
    return (struct step){"send", take_outcome};
}

static void settle_by_answer(struct delivery *delivery, lua_State *L)
{
    struct settling settling = settling_of(delivery);
    struct answer answer = {.L = L};
    bool taken = step_of(delivery).take(&settling, &answer, &delivery->settlement);
    delivery->rule_failed = answer.rule_failed;
    if (taken)
        delivery_settle(delivery);
    else
        fail(delivery, answer.reason);
    buffer_deinit(&answer.more);
}

static void done(lua_State *L, bool ok, const char *message, const char *generation, void *argument)
{
    struct delivery *delivery = argument;
    if (worker_is_ending(delivery->worker)) {
        leave(delivery);
        return;
    }
    snprintf(delivery->generation, sizeof delivery->generation, "%s", generation != NULL ? generation : "");
    if (!ok)
        fail(delivery, message);
    else if (lua_isnoneornil(L, 1))
        leave(delivery);
    else
        settle_by_answer(delivery, L);
}

static int push(lua_State *L, void *argument)
{
    struct delivery *delivery = argument;
    script_set_subject(L, "message_id", delivery->message.id);
    script_push_message(L, &delivery->message);
    return 1;
}

static void deliver_to_worker(struct mail *mail)
{
    struct delivery *delivery = DELIVERY_OF(mail, mail);
    delivery->started_ms = clock_monotonic_ms();
    script_start(worker_scripts(delivery->worker), "bascule.delivery", step_of(delivery).function, push, done,
                 delivery);
}

void delivery_give(struct delivery *delivery, struct worker *worker)
{
    delivery->worker = worker;
    delivery->mail.deliver = deliver_to_worker;
    worker_post(worker, &delivery->mail);
}

void delivery_take_over(struct delivery *delivery)
{
    delivery->started_ms = clock_monotonic_ms();
    struct settling settling = settling_of(delivery);
    settle_takeover(&settling, &delivery->settlement);
    count("bascule_outcomes_total", "outcome", "taken_over");
    delivery_settle(delivery);
}
