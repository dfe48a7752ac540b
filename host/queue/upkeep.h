/* What the dispatcher does by the clock: a scan for lanes that have work due (timed work, and what other
 * processes accepted), the sweep for stepped clocks, the count of what waits, forgetting what rules need no
 * longer remember. */
#ifndef QUEUE_UPKEEP_H
#define QUEUE_UPKEEP_H

#include "queue/queue_internal.h"

struct upkeep; /* the dispatcher's thread only */

struct upkeep *upkeep_new(struct queue *queue);
void upkeep_free(struct upkeep *upkeep);

/* When upkeep_run is to be called next, on the monotonic clock. */
int64_t upkeep_next_ms(const struct upkeep *upkeep);

/* Submits what is due. A track is scanned where its flag says that lanes could be claimed for. */
void upkeep_run(struct upkeep *upkeep, int64_t now_ms, bool scan_delivery, bool scan_report);

bool upkeep_is_under_way(const struct upkeep *upkeep);

#endif
