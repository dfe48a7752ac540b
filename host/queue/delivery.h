/* A delivery: one claimed message on its way through a worker, until its settlement is in the store. */
#ifndef QUEUE_DELIVERY_H
#define QUEUE_DELIVERY_H

#include "queue/lanes.h"
#include "queue/outcome.h"
#include "queue/queue_internal.h"
#include "queue/worker.h"

struct delivery {
    struct mail mail;     /* to the worker */
    struct store_job job; /* the settlement; its mail brings the delivery home, settled or not */
    struct queue *queue;
    struct lane *lane;
    struct worker *worker; /* NULL: needs none */
    enum message_track track;
    struct store_message message; /* as claimed */
    struct settlement settlement;
    int64_t started_ms; /* monotonic */
    bool rule_failed;
    char *fault; /* what the script failed with, where it did */
    char generation[16];
    struct delivery *next; /* the dispatcher's list of those to settle again */
    int64_t again_ms;      /* when, monotonic */
};

/* Takes over what `message` points to. `home` runs on the dispatcher's thread when the delivery has ended;
 * job.status says how: STORE_CONFLICT where the message is no longer this process's, or is left alone. */
struct delivery *delivery_new(struct queue *queue, enum message_track track, struct lane *lane,
                              const struct store_message *message, void (*home)(struct mail *mail));
void delivery_free(struct delivery *delivery);

/* Starts it on the worker: delivery.send, .receipt or .report, by track and state. */
void delivery_give(struct delivery *delivery, struct worker *worker);

/* Records an attempt that another process did not end; needs no worker. */
void delivery_take_over(struct delivery *delivery);

/* Submits the settlement, once more after a failure. */
void delivery_settle(struct delivery *delivery);

#endif
