/* Jobs that wait for a rule thread, fair between agencies: the next job is that of the agency whose rules
 * have used least processor time lately (virtual time, as in fair queueing of packets; an agency that comes
 * anew starts at the present minimum, so that having been away saves nothing up). An agency's own jobs keep
 * their order. Not for several threads at once: the service's mutex guards it. */
#ifndef SCRIPT_RULE_QUEUE_H
#define SCRIPT_RULE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "script/rule_service.h"

struct rule_queue;
struct rule_line; /* one agency's jobs and its account */

/* With several threads each agency runs on all but one of them at most, so that one is always left to the
 * others. */
struct rule_queue *rule_queue_new(unsigned threads);
void rule_queue_free(struct rule_queue *queue); /* an empty one */

void rule_queue_put(struct rule_queue *queue, const char *agency, struct rule_job *job);

/* The next job, and in `line` its agency's, to be given back by rule_queue_done. NULL where none may run now.
 */
struct rule_job *rule_queue_take(struct rule_queue *queue, struct rule_line **line);
void rule_queue_done(struct rule_queue *queue, struct rule_line *line, int64_t used_us);

/* Any job that waits, to be refused; NULL where there is none. */
struct rule_job *rule_queue_drop(struct rule_queue *queue);

size_t rule_queue_waiting(const struct rule_queue *queue);

#endif
