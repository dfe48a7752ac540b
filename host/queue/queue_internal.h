/* What the files of this room share. */
#ifndef QUEUE_QUEUE_INTERNAL_H
#define QUEUE_QUEUE_INTERNAL_H

#include <stdatomic.h>

#include "queue/queue.h"

#define QUEUE_TRACKS 2 /* of enum message_track */

struct dispatcher;

struct queue {
    struct script_host *host;
    struct queue_options options;
    struct gates *gates;
    struct mailbox *mailbox; /* the dispatcher's: wakes, ends of claims and of deliveries */
    struct dispatcher *dispatcher;
    atomic_bool draining;
    _Atomic int64_t waiting; /* messages that wait: counted now and then, estimated between */
};

#endif
