/* Gates: one a destination (a provider account, GHL for one location), shared by all workers of the process.
 *
 * A gate is a circuit breaker and a pause in one. Consecutive failures open it; after a while one call is let
 * through as a probe, and its success closes it. A rate limit (Retry-After) pauses it; after a pause it is
 * narrow: one call at a time, then as many more as get an answer, half as many after the next pause, until it
 * is as wide as nobody needs. While it is closed to calls, callers learn how long to wait; a message that
 * waits at a gate uses up no attempt. Any thread. */
#ifndef QUEUE_GATES_H
#define QUEUE_GATES_H

#include <stdbool.h>
#include <stdint.h>

struct gates;

struct gates_options {
    unsigned failures_to_open; /* consecutive */
    unsigned open_ms;          /* first time; doubles up to open_most_ms while probes fail */
    unsigned open_most_ms;
    unsigned most_gates; /* destinations in trouble; past it, the one longest untouched is forgotten */
};

struct gates *gates_new(const struct gates_options *options);
void gates_free(struct gates *gates);

/* True: go, and report by gates_leave. False: `wait_ms` says when to ask again (1 or more). */
bool gates_enter(struct gates *gates, const char *key, int64_t now_monotonic_ms, int64_t *wait_ms);

enum gate_outcome {
    GATE_ANSWERED, /* the destination works (any answer that is not its own failure) */
    GATE_FAILED,   /* connection, timeout, 5xx */
    GATE_PAUSED,   /* rate limited: closed for pause_ms; neither success nor failure */
};
void gates_leave(struct gates *gates, const char *key, enum gate_outcome outcome, int64_t pause_ms,
                 int64_t now_monotonic_ms);

#endif
