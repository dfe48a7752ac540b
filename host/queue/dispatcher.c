#include "queue/dispatcher.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "queue/delivery.h"
#include "queue/maintenance.h"
#include "queue/upkeep.h"

#define SETTLE_AGAIN_MS 500 /* after a settlement that the store could not take */
#define CLAIM_AGAIN_MS 500  /* after a claim that failed */
#define MAINTENANCE_EVERY_MS 60000

struct dispatcher {
    struct queue *queue;
    pthread_t thread;
    struct lanes *lanes[QUEUE_TRACKS]; /* by enum message_track */
    struct upkeep *upkeep;
    struct worker **workers;
    unsigned *given; /* deliveries under way, by worker */
    unsigned worker_count;
    struct delivery *unsettled; /* to be settled again, oldest first */
    struct delivery **last_unsettled;
    struct maintenance maintenance;
    int64_t maintain_ms;    /* when it is to run next, monotonic */
    int64_t claim_again_ms; /* no claims before, monotonic */
    struct mail stop;
    bool stopping, ended;
    bool claims_fail; /* the newest did */
    int64_t stop_ms;  /* when to end at the latest, monotonic */
};

void dispatcher_ripen(struct dispatcher *dispatcher, enum message_track track, const char *location)
{
    lanes_ripen(dispatcher->lanes[track], location);
}

/* ---- deliveries */

/* The one with the least to do. */
static void give(struct dispatcher *dispatcher, struct delivery *delivery)
{
    unsigned least = 0;
    for (unsigned i = 1; i < dispatcher->worker_count; i++)
        if (dispatcher->given[i] < dispatcher->given[least])
            least = i;
    dispatcher->given[least]++;
    delivery_give(delivery, dispatcher->workers[least]);
}

static void take_back(struct dispatcher *dispatcher, const struct delivery *delivery)
{
    for (unsigned i = 0; i < dispatcher->worker_count; i++)
        if (dispatcher->workers[i] == delivery->worker)
            dispatcher->given[i]--;
}

static bool is_waiting_state(enum message_state state)
{
    return state == MESSAGE_QUEUED || state == MESSAGE_SENDING || state == MESSAGE_DEFERRED;
}

/* What a settlement that is in the store has changed for the lanes. */
static void note_settled(struct dispatcher *dispatcher, const struct delivery *delivery)
{
    if (delivery->track == TRACK_REPORT)
        return;
    const struct store_settlement *settlement = &delivery->settlement.delivery;
    if (settlement->report_status != NULL && settlement->report_delay_ms == 0)
        dispatcher_ripen(dispatcher, TRACK_REPORT, delivery->message.location);
    if (is_waiting_state(delivery->message.state) && !is_waiting_state(settlement->state))
        atomic_fetch_sub(&dispatcher->queue->waiting, 1);
    if (settlement->state == MESSAGE_DEAD)
        LOG_EVENT(LOG_WARN, "message_dead", LOG_FIELD_TEXT("message_id", delivery->message.id),
                  LOG_FIELD_TEXT("location", delivery->message.location));
}

/* The place is free. On the delivery track the next message of the conversation may be due now. A rule that
 * fails may do so by using up its time: were many of its messages given to the workers at once, those of
 * others would wait behind all of them. */
static void end_delivery(struct dispatcher *dispatcher, struct delivery *delivery)
{
    if (delivery->message.state != MESSAGE_SENT) /* else no rule was asked */
        lane_restrict(delivery->lane, delivery->rule_failed);
    lane_released(dispatcher->lanes[delivery->track], delivery->lane, delivery->track == TRACK_DELIVERY);
    delivery_free(delivery);
}

static void settle_again_later(struct dispatcher *dispatcher, struct delivery *delivery)
{
    if (delivery->again_ms == 0) /* once a message is enough */
        LOG_EVENT(LOG_WARN, "settlement_failed", LOG_FIELD_TEXT("message_id", delivery->message.id),
                  LOG_FIELD_TEXT("error", delivery->job.reason));
    metrics_add("bascule_settlement_failures_total", NULL, 1);
    delivery->again_ms = clock_monotonic_ms() + SETTLE_AGAIN_MS;
    delivery->next = NULL;
    *dispatcher->last_unsettled = delivery;
    dispatcher->last_unsettled = &delivery->next;
}

static void deliver_home(struct mail *mail)
{
    struct delivery *delivery = (struct delivery *)((char *)mail - offsetof(struct delivery, job.mail));
    struct dispatcher *dispatcher = delivery->queue->dispatcher;
    if (delivery->worker != NULL) {
        take_back(dispatcher, delivery);
        delivery->worker = NULL;
    }
    switch (delivery->job.status) {
    case STORE_OK:
        note_settled(dispatcher, delivery);
        break;
    case STORE_CONFLICT: /* left, or its lease went to another process */
    case STORE_NOT_FOUND:
        break;
    default:
        if (!dispatcher->ended) {
            settle_again_later(dispatcher, delivery);
            return;
        }
    }
    end_delivery(dispatcher, delivery);
}

static void settle_again(struct dispatcher *dispatcher, int64_t now_ms)
{
    while (dispatcher->unsettled != NULL && dispatcher->unsettled->again_ms <= now_ms) {
        struct delivery *delivery = dispatcher->unsettled;
        dispatcher->unsettled = delivery->next;
        if (dispatcher->unsettled == NULL)
            dispatcher->last_unsettled = &dispatcher->unsettled;
        delivery_settle(delivery);
    }
}

/* ---- claims */

struct claim {
    struct store_job job;
    struct dispatcher *dispatcher;
    struct lane *lane;
    struct store_claim what;
    struct store_message_list list;
};

static enum store_status run_claim(struct store_job *job, struct store_session *session)
{
    struct claim *claim = (struct claim *)job;
    store_message_list_deinit(&claim->list);
    claim->what.now_ms = clock_wall_ms();
    return store_message_claim(session, &claim->what, &claim->list);
}

static void begin_delivery(struct claim *claim, const struct store_message *message)
{
    struct dispatcher *dispatcher = claim->dispatcher;
    struct delivery *delivery =
        delivery_new(dispatcher->queue, claim->what.track, claim->lane, message, deliver_home);
    if (claim->what.track == TRACK_DELIVERY && message->state == MESSAGE_SENDING)
        delivery_take_over(delivery);
    else
        give(dispatcher, delivery);
}

/* A store that is away is told of once, not with every claim. */
static void note_claim(struct dispatcher *dispatcher, const struct claim *claim)
{
    bool failed = claim->job.status != STORE_OK;
    if (failed && !dispatcher->claims_fail)
        LOG_EVENT(LOG_WARN, "claim_failed", LOG_FIELD_TEXT("error", claim->job.reason));
    if (failed)
        dispatcher->claim_again_ms = clock_monotonic_ms() + CLAIM_AGAIN_MS;
    dispatcher->claims_fail = failed;
}

static void deliver_claim(struct mail *mail)
{
    struct claim *claim = (struct claim *)((char *)mail - offsetof(struct claim, job.mail));
    struct dispatcher *dispatcher = claim->dispatcher;
    bool taken = claim->job.status == STORE_OK && !dispatcher->ended;
    unsigned count = taken ? (unsigned)claim->list.count : 0;
    note_claim(dispatcher, claim);
    for (unsigned i = 0; i < count; i++)
        begin_delivery(claim, &claim->list.items[i]);
    if (taken)
        free(claim->list.items); /* what they point to went with the deliveries */
    else
        store_message_list_deinit(&claim->list); /* of a commit that failed, or after the workers' end */
    lane_claimed(dispatcher->lanes[claim->what.track], claim->lane, count);
    free(claim);
}

static void submit_claim(struct dispatcher *dispatcher, enum message_track track, struct lane *lane,
                         unsigned limit)
{
    struct claim *claim = memory_allocate(sizeof *claim);
    const struct queue *queue = dispatcher->queue;
    claim->dispatcher = dispatcher;
    claim->lane = lane;
    claim->what = (struct store_claim){
        .track = track,
        .location = lane_location(lane),
        .owner = queue->host->process_id,
        .limit = limit,
        .lease_ms = queue->options.lease_ms,
    };
    claim->job.mail.deliver = deliver_claim;
    claim->job.reply = queue->mailbox;
    claim->job.run = run_claim;
    store_service_write(queue->host->store, &claim->job);
}

static void claim_in_turn(struct dispatcher *dispatcher, int64_t now_ms)
{
    if (now_ms < dispatcher->claim_again_ms || atomic_load(&dispatcher->queue->draining))
        return;
    for (int i = 0; i < QUEUE_TRACKS; i++) {
        unsigned limit;
        struct lane *lane;
        while ((lane = lanes_next(dispatcher->lanes[i], &limit)) != NULL)
            submit_claim(dispatcher, i, lane, limit);
    }
}

/* ---- thread */

static unsigned under_way(const struct dispatcher *dispatcher)
{
    return lanes_held(dispatcher->lanes[TRACK_DELIVERY]) + lanes_held(dispatcher->lanes[TRACK_REPORT]);
}

static void look_for_work(struct dispatcher *dispatcher, int64_t now_ms)
{
    bool delivers = dispatcher->worker_count > 0 && !atomic_load(&dispatcher->queue->draining);
    upkeep_run(dispatcher->upkeep, now_ms,
               delivers && lanes_free_places(dispatcher->lanes[TRACK_DELIVERY]) > 0,
               delivers && lanes_free_places(dispatcher->lanes[TRACK_REPORT]) > 0);
    metrics_set("bascule_queue_under_way", NULL, under_way(dispatcher));
}

static void maintain_if_due(struct dispatcher *dispatcher, int64_t now_ms)
{
    if (dispatcher->worker_count == 0 || dispatcher->stopping || now_ms < dispatcher->maintain_ms)
        return;
    dispatcher->maintain_ms = now_ms + MAINTENANCE_EVERY_MS;
    maintenance_run(&dispatcher->maintenance, dispatcher->workers[0]);
}

/* How long there is nothing to do but to wait for mail. */
static int idle_ms(const struct dispatcher *dispatcher, int64_t now_ms)
{
    int64_t next_ms = upkeep_next_ms(dispatcher->upkeep);
    if (dispatcher->unsettled != NULL && dispatcher->unsettled->again_ms < next_ms)
        next_ms = dispatcher->unsettled->again_ms;
    if (dispatcher->stopping && dispatcher->stop_ms < next_ms)
        next_ms = dispatcher->stop_ms;
    int64_t ms = next_ms - now_ms;
    return ms < 0 ? 0 : ms > 1000 ? 1000 : (int)ms;
}

static void end_workers(struct dispatcher *dispatcher, int64_t until_ms)
{
    for (unsigned i = 0; i < dispatcher->worker_count; i++)
        worker_end(dispatcher->workers[i], until_ms);
    for (unsigned i = 0; i < dispatcher->worker_count; i++)
        worker_free(dispatcher->workers[i]);
}

static void end_unsettled(struct dispatcher *dispatcher)
{
    while (dispatcher->unsettled != NULL) {
        struct delivery *delivery = dispatcher->unsettled;
        dispatcher->unsettled = delivery->next;
        end_delivery(dispatcher, delivery);
    }
}

static void *run(void *argument)
{
    struct dispatcher *dispatcher = argument;
    struct mailbox *mailbox = dispatcher->queue->mailbox;
    int64_t now_ms = clock_monotonic_ms();
    while (!dispatcher->stopping || (under_way(dispatcher) > 0 && now_ms < dispatcher->stop_ms)) {
        mailbox_wait(mailbox, idle_ms(dispatcher, now_ms));
        mailbox_drain(mailbox);
        now_ms = clock_monotonic_ms();
        settle_again(dispatcher, now_ms);
        claim_in_turn(dispatcher, now_ms);
        if (now_ms >= upkeep_next_ms(dispatcher->upkeep))
            look_for_work(dispatcher, now_ms);
        maintain_if_due(dispatcher, now_ms);
    }
    dispatcher->ended = true;
    end_workers(dispatcher, dispatcher->stop_ms);
    end_unsettled(dispatcher);
    /* What the store still has of ours comes home before the mailbox may go. */
    while (under_way(dispatcher) > 0 || upkeep_is_under_way(dispatcher->upkeep)) {
        mailbox_wait(mailbox, -1);
        mailbox_drain(mailbox);
    }
    return NULL;
}

static void dispatcher_free(struct dispatcher *dispatcher)
{
    for (int i = 0; i < QUEUE_TRACKS; i++)
        lanes_free(dispatcher->lanes[i]);
    upkeep_free(dispatcher->upkeep);
    free(dispatcher->workers);
    free(dispatcher->given);
    free(dispatcher);
}

static int start_threads(struct dispatcher *dispatcher, struct error *error)
{
    struct queue *queue = dispatcher->queue;
    while (dispatcher->worker_count < queue->options.workers) {
        struct worker *worker = worker_start(queue, error);
        if (worker == NULL)
            return -1;
        dispatcher->workers[dispatcher->worker_count++] = worker;
    }
    int rc = pthread_create(&dispatcher->thread, NULL, run, dispatcher);
    if (rc != 0)
        return error_set(error, ERROR_PERMANENT, "cannot start the dispatcher: %s", strerror(rc));
    return 0;
}

int dispatcher_start(struct queue *queue, struct error *error)
{
    struct dispatcher *dispatcher = memory_allocate(sizeof *dispatcher);
    unsigned half = queue->options.in_flight / 2;
    dispatcher->queue = queue;
    /* Halves, so that neither track starves the other: a GHL that is slow does not stop sending. */
    dispatcher->lanes[TRACK_DELIVERY] = lanes_new(queue->options.in_flight - half);
    dispatcher->lanes[TRACK_REPORT] = lanes_new(half);
    dispatcher->upkeep = upkeep_new(queue);
    dispatcher->workers = memory_allocate((queue->options.workers + 1) * sizeof *dispatcher->workers);
    dispatcher->given = memory_allocate((queue->options.workers + 1) * sizeof *dispatcher->given);
    dispatcher->last_unsettled = &dispatcher->unsettled;
    queue->dispatcher = dispatcher; /* before the threads, which read it */
    if (start_threads(dispatcher, error) == 0)
        return 0;
    end_workers(dispatcher, 0);
    dispatcher_free(dispatcher);
    return -1;
}

static void deliver_stop(struct mail *mail)
{
    struct dispatcher *dispatcher = (struct dispatcher *)((char *)mail - offsetof(struct dispatcher, stop));
    dispatcher->stopping = true;
}

void dispatcher_stop(struct dispatcher *dispatcher, int64_t deadline_ms)
{
    dispatcher->stop.deliver = deliver_stop;
    dispatcher->stop_ms = clock_monotonic_ms() + deadline_ms;
    mailbox_post(dispatcher->queue->mailbox, &dispatcher->stop);
    pthread_join(dispatcher->thread, NULL);
    mailbox_drain(dispatcher->queue->mailbox); /* late wakes */
    dispatcher_free(dispatcher);
}
