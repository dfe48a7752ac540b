/* Maintenance: what the trusted Lua does now and then (bascule.maintenance.run), on a delivery worker. */
#ifndef QUEUE_MAINTENANCE_H
#define QUEUE_MAINTENANCE_H

#include "queue/worker.h"

struct maintenance {
    struct mail mail;
    struct worker *worker;
    atomic_bool busy;
};

/* Any thread. Starts a run on the worker, unless one is under way. */
void maintenance_run(struct maintenance *maintenance, struct worker *worker);

#endif
