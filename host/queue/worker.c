#include "queue/worker.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct worker {
    struct queue *queue;
    struct mailbox *mailbox;
    struct script_thread *scripts;
    struct mail end;
    int64_t until_ms; /* of the end */
    pthread_t thread;
    bool asked_to_end, ending; /* its thread's */
    bool abandoned;            /* something of it may still be under way in a service */
    struct worker *next;       /* of those left behind */
};

/* The answer to an abandoned call may be posted as long as the services run, so the mailbox it goes to stays;
 * the process is about to end. One dispatcher ends at a time. */
static struct worker *left_behind;

static void deliver_end(struct mail *mail)
{
    struct worker *worker = (struct worker *)((char *)mail - offsetof(struct worker, end));
    worker->asked_to_end = true;
}

/* How long to wait for mail, or -1 for ever; 0 when there is nothing to wait for any more. */
static int patience_ms(const struct worker *worker)
{
    if (!worker->asked_to_end)
        return -1;
    int64_t left_ms = worker->until_ms - clock_monotonic_ms();
    if (left_ms <= 0 || script_thread_active(worker->scripts) == 0)
        return 0;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    worker->scripts = script_thread_new(worker->queue->host, worker->mailbox);
    for (int ms; (ms = patience_ms(worker)) != 0;) {
        mailbox_wait(worker->mailbox, ms);
        mailbox_drain(worker->mailbox);
    }
    worker->ending = true;
    worker->abandoned = script_thread_active(worker->scripts) > 0;
    script_thread_free(worker->scripts);
    return NULL;
}

struct worker *worker_start(struct queue *queue, struct error *error)
{
    struct worker *worker = memory_allocate(sizeof *worker);
    worker->queue = queue;
    worker->mailbox = mailbox_new(NULL, NULL);
    worker->end.deliver = deliver_end;
    int rc = pthread_create(&worker->thread, NULL, run, worker);
    if (rc == 0)
        return worker;
    error_set(error, ERROR_PERMANENT, "cannot start a delivery worker: %s", strerror(rc));
    mailbox_free(worker->mailbox);
    free(worker);
    return NULL;
}

void worker_end(struct worker *worker, int64_t until_ms)
{
    worker->until_ms = until_ms;
    mailbox_post(worker->mailbox, &worker->end);
}

void worker_free(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    if (worker->abandoned) {
        worker->next = left_behind;
        left_behind = worker;
        return;
    }
    mailbox_free(worker->mailbox);
    free(worker);
}

void worker_post(struct worker *worker, struct mail *mail)
{
    mailbox_post(worker->mailbox, mail);
}

struct script_thread *worker_scripts(struct worker *worker)
{
    return worker->scripts;
}

bool worker_is_ending(const struct worker *worker)
{
    return worker->ending;
}
