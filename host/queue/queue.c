#include "queue/queue_internal.h"

#include <stdlib.h>
#include <string.h>

#include "queue/dispatcher.h"

struct queue *queue_start(struct script_host *host, const struct queue_options *options,
                          const struct gates_options *gates, struct error *error)
{
    if (host->store == NULL) {
        error_set(error, ERROR_INVALID, "the queue needs a store");
        return NULL;
    }
    struct queue *queue = memory_allocate(sizeof *queue);
    queue->host = host;
    queue->options = *options;
    queue->gates = gates_new(gates);
    queue->mailbox = mailbox_new(NULL, NULL);
    host->queue = queue;
    if (dispatcher_start(queue, error) == 0)
        return queue;
    host->queue = NULL;
    mailbox_free(queue->mailbox);
    gates_free(queue->gates);
    free(queue);
    return NULL;
}

void queue_drain(struct queue *queue)
{
    atomic_store(&queue->draining, true);
}

void queue_stop(struct queue *queue, int64_t deadline_ms)
{
    if (queue == NULL)
        return;
    queue_drain(queue);
    dispatcher_stop(queue->dispatcher, deadline_ms);
    queue->host->queue = NULL;
    mailbox_free(queue->mailbox);
    gates_free(queue->gates);
    free(queue);
}

struct wake {
    struct mail mail;
    struct queue *queue;
    char location[];
};

static void deliver_wake(struct mail *mail)
{
    struct wake *wake = (struct wake *)mail;
    dispatcher_ripen(wake->queue->dispatcher, TRACK_DELIVERY, wake->location);
    free(wake);
}

void queue_wake(struct queue *queue, const char *location)
{
    atomic_fetch_add(&queue->waiting, 1);
    if (queue->options.workers == 0)
        return;
    size_t size = strlen(location) + 1;
    struct wake *wake = memory_allocate(sizeof *wake + size);
    wake->mail.deliver = deliver_wake;
    wake->queue = queue;
    memcpy(wake->location, location, size);
    mailbox_post(queue->mailbox, &wake->mail);
}

bool queue_accepts(const struct queue *queue)
{
    return !atomic_load(&queue->draining) && atomic_load(&queue->waiting) < queue->options.waiting_limit;
}
