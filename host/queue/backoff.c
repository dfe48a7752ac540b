#include "queue/queue.h"

/* min(most, base * 2^(attempt-1)) without overflow. */
static int64_t ceiling(unsigned attempt, int64_t base_ms, int64_t most_ms)
{
    int64_t ms = base_ms;
    for (unsigned n = 1; n < attempt && ms < most_ms; n++)
        ms = ms > most_ms / 2 ? most_ms : ms * 2;
    return ms < most_ms ? ms : most_ms;
}

int64_t queue_backoff_ms(unsigned attempt, int64_t base_ms, int64_t most_ms, int64_t retry_after_ms,
                         uint32_t random)
{
    uint64_t steps = (uint64_t)ceiling(attempt, base_ms, most_ms) + 1;
    int64_t ms = (int64_t)(((__uint128_t)random * steps) >> 32);
    if (ms < retry_after_ms)
        ms = retry_after_ms;
    return ms > 0 ? ms : 1;
}
