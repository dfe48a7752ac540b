/* Store threads: where the blocking calls of store.h run. Where the store's batches are atomic, one writer
 * that commits what has gathered (group commit: one fsync for all jobs that waited); where they are not,
 * several writers, each with one job at a time, whose commits the server gathers. Some readers beside them.
 * Answers go back by mail. */
#ifndef STORE_STORE_SERVICE_H
#define STORE_STORE_SERVICE_H

#include "base/mailbox.h"
#include "store/store.h"

struct store_service;

/* A piece of work. `run` is called on a store thread with a session; for a write it runs inside the batch of
 * the moment, together with other jobs, and may be run again in a batch of its own where that batch failed:
 * it must fill its results anew each time. It returns the call's status. When the batch was committed (or the
 * read is done) `status` holds the outcome and `mail` is posted to `reply`.
 *
 * What a job did is committed unless it returned BUSY, FULL or FAILED. BUSY and FULL are given to all jobs of
 * the batch, and nothing of any of them happened; a batch that FAILED is run again job by job, so that one
 * cannot fail its neighbours. With several writers each job stands alone: it is run once, what it did stays,
 * and two that were submitted one after the other may run at the same time. */
struct store_job {
    struct mail mail; /* the first member; set mail.deliver before submitting */
    struct mailbox *reply;
    enum store_status (*run)(struct store_job *job, struct store_session *session);
    enum store_status status;
    char reason[256]; /* for a status that is an error: a sentence */
};

/* `writers` counts where batches are not atomic; else there is one. With `readers` 0 the writers do the
 * reading too and nothing else needs a session: for a store in memory. */
struct store_service *store_service_start(struct store *store, unsigned writers, unsigned readers,
                                          struct error *error);
/* Finishes what was submitted, then ends the threads. Nothing may be submitted any more. */
void store_service_stop(struct store_service *service);

/* Any thread. The service owns the job until its mail is delivered. */
void store_service_write(struct store_service *service, struct store_job *job);
void store_service_read(struct store_service *service, struct store_job *job);

/* Submits the job (only `run` is set in it) and waits until it is done: for threads that may block. */
void store_service_wait(struct store_service *service, struct store_job *job, bool writes);

#endif
