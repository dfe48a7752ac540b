/* The queue: claims what is due, runs it on the delivery workers, settles what comes of it, and sees that
 * nothing waits for what is slow. Knows nothing of providers: what to do is asked of Lua (bascule.delivery:
 * send, receipt, report). About once a minute one worker also runs bascule.maintenance.run.
 *
 * One dispatcher thread owns the lanes (a lane is a location on a track). It claims for the lanes that have
 * work due, in turn, so that no location waits for another: a lane may hold at most a quarter of the places
 * that are free. Workers are threads with trusted and rule states of their own, away from the HTTP loops. */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/gates.h"
#include "script/script.h"

struct queue;

struct queue_options {
    unsigned workers;   /* 0: nothing is delivered by this process */
    unsigned in_flight; /* messages under way in all */
    unsigned attempts;  /* then a message is dead */
    int64_t retry_base_ms, retry_most_ms;
    int64_t most_age_ms; /* a message that could not be sent for so long is dead */
    int64_t lease_ms;
    int64_t receipt_poll_ms; /* until the first look for a receipt; then growing */
    int64_t receipt_most_ms; /* then it stays "sent", without a receipt */
    int64_t waiting_limit;   /* messages that may wait; over it queue_accepts says no */
    bool resend_unknown; /* an unknown outcome, where the provider has no idempotency key: send again, or fail
                          */
};

/* The queue makes its gates and sets host->queue; modules for trusted states are `queue_modules`. */
struct queue *queue_start(struct script_host *host, const struct queue_options *options,
                          const struct gates_options *gates, struct error *error);
/* From now on queue_accepts says no and nothing new is claimed; what is under way goes on. Any thread. */
void queue_drain(struct queue *queue);
/* Drains, lets what is under way end (up to `deadline_ms`), ends the threads. What has not ended then
 * is not settled, and comes back when its lease ends. */
void queue_stop(struct queue *queue, int64_t deadline_ms);

extern const struct script_module queue_modules[]; /* host.queue, host.gate */

/* Any thread, never blocks. A message of `location` was accepted: look there now. */
void queue_wake(struct queue *queue, const char *location);
/* False while draining or while too many messages wait: the webhook is then answered 429. */
bool queue_accepts(const struct queue *queue);

/* Full jitter: uniform in 0..min(most, base * 2^(attempt-1)), at least 1 (AWS Architecture Blog, "Exponential
 * Backoff And Jitter"); never less than `retry_after_ms` where the destination named a time. */
int64_t queue_backoff_ms(unsigned attempt, int64_t base_ms, int64_t most_ms, int64_t retry_after_ms,
                         uint32_t random);

#endif
