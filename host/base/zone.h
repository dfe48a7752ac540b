/* Time zones with their daylight saving time, by CCTZ over the system's tzdata, whose package brings new
 * laws; a process keeps what it has read. Any thread.
 *
 * A zone is an offset ("+08:00", up to 14 hours), "UTC", or a name of tzdata ("America/New_York"). Only names
 * that were found in its folder (TZDIR, else /usr/share/zoneinfo) are ever opened, so what a rule asks for
 * reaches no other file, and what is kept is bounded: about 50 KB for each zone with daylight saving time
 * that was used. */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The years 1 to 9999. */
#define ZONE_MS_LEAST (-62135596800000)
#define ZONE_MS_MOST 253402300799999

/* What clocks and calendars show. */
struct zone_civil {
    int year, month, day;
    int hour, minute, second;
    int weekday;  /* 1 is Monday */
    int offset_s; /* east of UTC */
};

enum zone_kind {
    ZONE_UNIQUE,
    ZONE_SKIPPED, /* clocks were put forward over that time: the moment when they were */
    ZONE_REPEATED /* clocks were put back and showed it twice: the first time */
};

/* Reads the folder's names: a few milliseconds, once a process; whatever comes first does it otherwise. */
void zone_prepare(void);

/* Whether the zone is known: an offset, "UTC", or a name that was found. */
bool zone_is_known(const char *zone);

/* What clocks of the zone show `ms` milliseconds after 1970 UTC. -1 where the zone is not known or the year
 * is not within 1 to 9999, with a sentence in `reason` (static or of this thread, until its next call). */
int zone_civil_at(const char *zone, int64_t ms, struct zone_civil *civil, const char **reason);

/* When clocks of the zone show year, month, day, hour, minute and second of `civil` (its other fields are not
 * looked at). What is too large carries over: the 32nd of January is the first of February. Fails as above.
 */
int zone_instant_of(const char *zone, const struct zone_civil *civil, int64_t *ms, enum zone_kind *kind,
                    const char **reason);

#ifdef __cplusplus
}
#endif
#endif
