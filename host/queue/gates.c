/* Only destinations in trouble have a gate: the first failure or pause makes it, and the answer that ends the
 * trouble takes it away. So healthy destinations, nearly all of them, cost a look into the map. */
#include "queue/gates.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/bytes.h"

enum {
    BUCKETS = 1024,
    PROBE_LOST_MS = 60000, /* a probe that nobody reported: its caller is gone; another one may try */
    PROBE_WAIT_MS = 1000,  /* how soon to ask again while a probe is under way, at most */
    WIDE = 32,             /* calls at a time: from here on the gate is no narrow one any more */
};

struct gate {
    struct gate *bucket_next;
    TAILQ_ENTRY(gate) recency;
    uint32_t hash;
    unsigned failures; /* consecutive */
    int64_t open_ms;   /* how long it stays open; 0: the breaker is closed */
    int64_t open_until_ms;
    int64_t pause_until_ms;
    int64_t probe_until_ms;  /* a probe is under way, and lost at this time; 0: none */
    unsigned width;          /* calls that may be inside at a time, after a pause; 0: any number */
    unsigned inside;         /* since the newest pause */
    unsigned answers;        /* as many as it is wide make it wider by one */
    int64_t inside_until_ms; /* then who is inside is lost, like a probe */
    char key[];
};

struct gates {
    struct gates_options options;
    pthread_mutex_t mutex;
    struct gate *buckets[BUCKETS];
    TAILQ_HEAD(, gate) recency; /* the longest untouched first */
    unsigned count;
};

struct gates *gates_new(const struct gates_options *options)
{
    struct gates *gates = memory_allocate(sizeof *gates);
    gates->options = *options;
    pthread_mutex_init(&gates->mutex, NULL);
    TAILQ_INIT(&gates->recency);
    return gates;
}

static void gate_remove(struct gates *gates, struct gate *gate)
{
    struct gate **link = &gates->buckets[gate->hash % BUCKETS];
    while (*link != gate)
        link = &(*link)->bucket_next;
    *link = gate->bucket_next;
    TAILQ_REMOVE(&gates->recency, gate, recency);
    gates->count--;
    free(gate);
}

void gates_free(struct gates *gates)
{
    if (gates == NULL)
        return;
    while (!TAILQ_EMPTY(&gates->recency))
        gate_remove(gates, TAILQ_FIRST(&gates->recency));
    pthread_mutex_destroy(&gates->mutex);
    free(gates);
}

static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619U;
    return hash;
}

static struct gate *gate_find(struct gates *gates, const char *key)
{
    uint32_t hash = hash_of(key);
    struct gate *gate = gates->buckets[hash % BUCKETS];
    while (gate != NULL && (gate->hash != hash || strcmp(gate->key, key) != 0))
        gate = gate->bucket_next;
    if (gate != NULL) {
        TAILQ_REMOVE(&gates->recency, gate, recency);
        TAILQ_INSERT_TAIL(&gates->recency, gate, recency);
    }
    return gate;
}

static struct gate *gate_find_or_add(struct gates *gates, const char *key)
{
    struct gate *gate = gate_find(gates, key);
    if (gate != NULL)
        return gate;
    if (gates->count > 0 && gates->count >= gates->options.most_gates)
        gate_remove(gates, TAILQ_FIRST(&gates->recency));
    gate = memory_allocate(sizeof *gate + strlen(key) + 1);
    strcpy(gate->key, key);
    gate->hash = hash_of(key);
    gate->bucket_next = gates->buckets[gate->hash % BUCKETS];
    gates->buckets[gate->hash % BUCKETS] = gate;
    TAILQ_INSERT_TAIL(&gates->recency, gate, recency);
    gates->count++;
    return gate;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t narrow_wait_ms(struct gate *gate, int64_t now_ms)
{
    if (gate->width == 0)
        return 0;
    if (now_ms >= gate->inside_until_ms)
        gate->inside = 0;
    if (gate->inside >= gate->width)
        return PROBE_WAIT_MS;
    gate->inside++;
    gate->inside_until_ms = now_ms + PROBE_LOST_MS;
    return 0;
}

/* How long until this caller may go; 0: now. Who may go through an open gate is its probe. */
static int64_t gate_wait_ms(struct gate *gate, int64_t now_ms)
{
    int64_t closed_until_ms = gate->pause_until_ms;
    if (gate->open_ms > 0)
        closed_until_ms = larger(closed_until_ms, gate->open_until_ms);
    if (now_ms < closed_until_ms)
        return closed_until_ms - now_ms;
    if (gate->open_ms == 0)
        return narrow_wait_ms(gate, now_ms);
    if (now_ms < gate->probe_until_ms)
        return smaller(smaller(gate->open_ms, PROBE_WAIT_MS), gate->probe_until_ms - now_ms);
    gate->probe_until_ms = now_ms + PROBE_LOST_MS;
    return 0;
}

bool gates_enter(struct gates *gates, const char *key, int64_t now_monotonic_ms, int64_t *wait_ms)
{
    pthread_mutex_lock(&gates->mutex);
    struct gate *gate = gate_find(gates, key);
    *wait_ms = gate == NULL ? 0 : gate_wait_ms(gate, now_monotonic_ms);
    pthread_mutex_unlock(&gates->mutex);
    return *wait_ms == 0;
}

static void gate_open(struct gate *gate, int64_t open_ms, int64_t now_ms)
{
    gate->open_ms = larger(open_ms, 1);
    gate->open_until_ms = now_ms + gate->open_ms;
    gate->probe_until_ms = 0;
}

/* While the gate is open, only its probe counts: what else fails went in before it opened. */
static void gate_failed(struct gate *gate, const struct gates_options *options, int64_t now_ms)
{
    if (gate->open_ms > 0) {
        if (gate->probe_until_ms != 0)
            gate_open(gate, smaller(gate->open_ms * 2, options->open_most_ms), now_ms);
        return;
    }
    if (++gate->failures >= options->failures_to_open)
        gate_open(gate, options->open_ms, now_ms);
}

/* True while it stays narrow. */
static bool gate_widen(struct gate *gate)
{
    if (gate->width > 0 && ++gate->answers >= gate->width) {
        gate->answers = 0;
        gate->width++;
    }
    return gate->width > 0 && gate->width < WIDE;
}

static void gate_answered(struct gates *gates, const char *key, int64_t now_ms)
{
    struct gate *gate = gate_find(gates, key);
    if (gate == NULL)
        return;
    bool paused = now_ms < gate->pause_until_ms;
    if (!paused && !gate_widen(gate)) {
        gate_remove(gates, gate);
        return;
    }
    gate->failures = 0;
    gate->open_ms = 0;
    gate->probe_until_ms = 0;
}

/* The first to be told is told for all that went with it. A pause of no length is the caller's own affair. */
static void gate_narrow(struct gate *gate)
{
    gate->width = gate->width > 1 ? gate->width / 2 : 1;
    gate->inside = gate->answers = 0;
}

static void gate_paused(struct gate *gate, int64_t pause_ms, int64_t now_ms)
{
    if (pause_ms > 0 && gate->pause_until_ms <= now_ms)
        gate_narrow(gate);
    gate->pause_until_ms = larger(gate->pause_until_ms, now_ms + larger(pause_ms, 1));
    gate->probe_until_ms = 0; /* it said neither yes nor no: the next one through an open gate probes again */
}

static void gate_left(struct gates *gates, const char *key)
{
    struct gate *gate = gate_find(gates, key);
    if (gate != NULL && gate->inside > 0)
        gate->inside--;
}

void gates_leave(struct gates *gates, const char *key, enum gate_outcome outcome, int64_t pause_ms,
                 int64_t now_monotonic_ms)
{
    pthread_mutex_lock(&gates->mutex);
    gate_left(gates, key);
    switch (outcome) {
    case GATE_ANSWERED:
        gate_answered(gates, key, now_monotonic_ms);
        break;
    case GATE_FAILED:
        gate_failed(gate_find_or_add(gates, key), &gates->options, now_monotonic_ms);
        break;
    case GATE_PAUSED:
        gate_paused(gate_find_or_add(gates, key), pause_ms, now_monotonic_ms);
        break;
    }
    pthread_mutex_unlock(&gates->mutex);
}
