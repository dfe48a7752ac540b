/* The dispatcher: the thread that owns the lanes. It claims for those that have work due, hands what it got
 * to the workers, and takes home what they settled. */
#ifndef QUEUE_DISPATCHER_H
#define QUEUE_DISPATCHER_H

#include "queue/queue_internal.h"

/* Makes queue->dispatcher and starts its thread and its workers. Its mailbox is the queue's. */
int dispatcher_start(struct queue *queue, struct error *error);
/* Waits up to `deadline_ms` for what is under way, then ends the threads. No claim begins any more. */
void dispatcher_stop(struct dispatcher *dispatcher, int64_t deadline_ms);

/* The dispatcher's thread only: there may be work in this lane. */
void dispatcher_ripen(struct dispatcher *dispatcher, enum message_track track, const char *location);

#endif
