/* Counters and gauges of the process, by name and one optional label; any thread. Names follow Prometheus'
 * rules. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/bytes.h"

/* Adds to a counter, which is made at its first use. `label` may be NULL; else it is `name="value"` without
 * escapes (letters, digits, `_`, `-`, `.` in the value; others become `_`). */
void metrics_add(const char *name, const char *label, int64_t amount);
void metrics_set(const char *name, const char *label, int64_t value); /* a gauge */
int64_t metrics_value(const char *name, const char *label);           /* 0 where there is none */

/* Appends the text exposition format 0.0.4, sorted by name. */
void metrics_write(struct buffer *out);

#endif
