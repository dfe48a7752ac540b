/* A delivery worker: a thread with trusted and rule states of its own, which runs deliveries as coroutines.
 */
#ifndef QUEUE_WORKER_H
#define QUEUE_WORKER_H

#include "queue/queue_internal.h"

struct worker;

struct worker *worker_start(struct queue *queue, struct error *error);
/* Asks it to end once nothing is under way there, or at `until_ms` (monotonic) at the latest. */
void worker_end(struct worker *worker, int64_t until_ms);
/* Waits for that. Deliveries that had not ended are left as they are, and have come home so. */
void worker_free(struct worker *worker);

/* Any thread: the worker delivers `mail` on its own. */
void worker_post(struct worker *worker, struct mail *mail);

/* On the worker's thread. */
struct script_thread *worker_scripts(struct worker *worker);
bool worker_is_ending(const struct worker *worker);

#endif
