/* Clocks. Wall time is for what people and other machines read; durations are measured on the monotonic
 * clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void);      /* milliseconds since 1970-01-01T00:00:00Z; may be stepped by an operator */
int64_t clock_monotonic_ms(void); /* never goes back; its zero means nothing */

/* Sets this process's wall clock after another one that it shares with other machines, and that shows
 * `wall_ms` now, give or take `error_ms`: clock_wall_ms goes on from there with the monotonic clock, whatever
 * this machine's own wall clock does. Where it is within that error already, nothing changes: called again
 * and again it follows without trembling. Any thread. */
void clock_follow(int64_t wall_ms, int64_t error_ms);

#define CLOCK_ISO_SIZE sizeof "2026-01-02T03:04:05.678Z"

/* Writes ISO 8601 in UTC with milliseconds; returns `out`. */
char *clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);

/* Reads what clock_format_iso writes, also without milliseconds; returns 0, or -1 when `text` is something
 * else. */
int clock_parse_iso(const char *text, int64_t *wall_ms);

#endif
