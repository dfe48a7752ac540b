#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Of the followed clock, from the monotonic one; NOTHING_FOLLOWED: this machine's own counts. */
#define NOTHING_FOLLOWED INT64_MIN
static _Atomic int64_t followed_ahead_ms = NOTHING_FOLLOWED;

int64_t clock_wall_ms(void)
{
    int64_t ahead_ms = atomic_load_explicit(&followed_ahead_ms, memory_order_relaxed);
    return ahead_ms == NOTHING_FOLLOWED ? read_ms(CLOCK_REALTIME) : read_ms(CLOCK_MONOTONIC) + ahead_ms;
}

void clock_follow(int64_t wall_ms, int64_t error_ms)
{
    int64_t present_ms = atomic_load_explicit(&followed_ahead_ms, memory_order_relaxed);
    int64_t ahead_ms = wall_ms - read_ms(CLOCK_MONOTONIC);
    bool near = present_ms != NOTHING_FOLLOWED && ahead_ms - present_ms <= error_ms &&
                present_ms - ahead_ms <= error_ms;
    if (!near)
        atomic_store_explicit(&followed_ahead_ms, ahead_ms, memory_order_relaxed);
}

int64_t clock_monotonic_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

char *clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    int64_t milliseconds = (wall_ms % 1000 + 1000) % 1000; /* also before 1970 */
    time_t seconds = (time_t)((wall_ms - milliseconds) / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        memset(&tm, 0, sizeof tm);
    char text[64];
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + length, sizeof text - length, ".%03dZ", (int)milliseconds);
    snprintf(out, CLOCK_ISO_SIZE, "%.*s", (int)CLOCK_ISO_SIZE - 1, text);
    return out;
}

/* strptime alone takes spaces and missing digits. */
static bool has_shape(const char *text)
{
    for (const char *shape = "0000-00-00T00:00:00"; *shape != '\0'; shape++, text++)
        if (*shape == '0' ? *text < '0' || *text > '9' : *text != *shape)
            return false;
    return true;
}

/* Reads ".5", ".678912" as milliseconds, what is finer cut off; -1 where no digit follows the point. */
static int read_fraction(const char **text)
{
    int milliseconds = 0, scale = 100;
    const char *at = *text + 1;
    for (; *at >= '0' && *at <= '9'; at++, scale /= 10)
        milliseconds += (*at - '0') * scale;
    bool empty = at == *text + 1;
    *text = at;
    return empty ? -1 : milliseconds;
}

int clock_parse_iso(const char *text, int64_t *wall_ms)
{
    struct tm tm = {0};
    if (!has_shape(text))
        return -1;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL)
        return -1;
    int milliseconds = *rest == '.' ? read_fraction(&rest) : 0;
    int day = tm.tm_mday;
    int64_t seconds = (int64_t)timegm(&tm); /* which turns February 30 into March 2 */
    if (milliseconds < 0 || tm.tm_mday != day || strcmp(rest, "Z") != 0)
        return -1;
    *wall_ms = seconds * 1000 + milliseconds;
    return 0;
}
