#include "queue/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define CLAIM_MOST 64  /* messages a claim: what one commit of the store carries well */
#define CLAIM_LEAST 16 /* a lane with a backlog waits for so many places: claims cost the store's writer */
#define BUCKETS 1024

struct lane {
    struct lane *next;      /* of its bucket */
    struct lane *next_ripe; /* of the turn's line */
    unsigned held;
    unsigned kept; /* places kept for the claim under way; 0: none is */
    bool ripe;     /* there may be work */
    bool listed;   /* stands in line */
    bool backlog;  /* its newest claim came back full */
    bool to_one;   /* may hold one place only */
    char location[];
};

struct lanes {
    unsigned places;
    unsigned held; /* and kept */
    struct lane *buckets[BUCKETS];
    struct lane *first, **last;
};

struct lanes *lanes_new(unsigned places)
{
    struct lanes *lanes = memory_allocate(sizeof *lanes);
    lanes->places = places > 0 ? places : 1;
    lanes->last = &lanes->first;
    return lanes;
}

void lanes_free(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct lane *lane = lanes->buckets[i], *next; lane != NULL; lane = next) {
            next = lane->next;
            free(lane);
        }
    }
    free(lanes);
}

unsigned lanes_free_places(const struct lanes *lanes)
{
    return lanes->places - lanes->held;
}

unsigned lanes_held(const struct lanes *lanes)
{
    return lanes->held;
}

const char *lane_location(const struct lane *lane)
{
    return lane->location;
}

/* FNV-1a: locations are ids that GHL made, not what an attacker chose. */
static struct lane **bucket_of(struct lanes *lanes, const char *location)
{
    unsigned hash = 2166136261u;
    for (const char *at = location; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return &lanes->buckets[hash % BUCKETS];
}

static struct lane *lane_of(struct lanes *lanes, const char *location)
{
    struct lane **bucket = bucket_of(lanes, location);
    for (struct lane *lane = *bucket; lane != NULL; lane = lane->next)
        if (strcmp(lane->location, location) == 0)
            return lane;
    size_t size = strlen(location) + 1;
    struct lane *lane = memory_allocate(sizeof *lane + size);
    memcpy(lane->location, location, size);
    lane->next = *bucket;
    *bucket = lane;
    return lane;
}

static void forget_if_idle(struct lanes *lanes, struct lane *lane)
{
    if (lane->held > 0 || lane->kept > 0 || lane->ripe || lane->listed)
        return;
    struct lane **at = bucket_of(lanes, lane->location);
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    free(lane);
}

static void stand_in_line(struct lanes *lanes, struct lane *lane)
{
    if (!lane->ripe || lane->listed || lane->kept > 0)
        return;
    lane->listed = true;
    lane->next_ripe = NULL;
    *lanes->last = lane;
    lanes->last = &lane->next_ripe;
}

void lanes_ripen(struct lanes *lanes, const char *location)
{
    struct lane *lane = lane_of(lanes, location);
    lane->ripe = true;
    stand_in_line(lanes, lane);
}

/* How many more the lane may claim now; 0: it must wait for its own messages to end. */
static unsigned allowance(const struct lanes *lanes, const struct lane *lane)
{
    unsigned free_places = lanes_free_places(lanes);
    unsigned most = (free_places + lane->held) / 4;
    if (most == 0 || lane->to_one)
        most = 1;
    unsigned more = most > lane->held ? most - lane->held : 0;
    if (more > free_places)
        more = free_places;
    unsigned least = lane->backlog ? (most / 2 < CLAIM_LEAST ? most / 2 : CLAIM_LEAST) : 1;
    if (more < least)
        return 0;
    return more < CLAIM_MOST ? more : CLAIM_MOST;
}

static struct lane *leave_line(struct lanes *lanes)
{
    struct lane *lane = lanes->first;
    lanes->first = lane->next_ripe;
    if (lanes->first == NULL)
        lanes->last = &lanes->first;
    lane->listed = false;
    return lane;
}

struct lane *lanes_next(struct lanes *lanes, unsigned *limit)
{
    while (lanes->first != NULL && lanes_free_places(lanes) > 0) {
        struct lane *lane = leave_line(lanes);
        unsigned more = allowance(lanes, lane);
        if (more == 0)
            continue; /* stays ripe; the end of one of its messages lets it stand in line again */
        lane->ripe = false;
        lane->kept = more;
        lanes->held += more;
        *limit = more;
        return lane;
    }
    return NULL;
}

void lane_claimed(struct lanes *lanes, struct lane *lane, unsigned count)
{
    lane->backlog = count >= lane->kept;
    lanes->held -= lane->kept - count;
    lane->held += count;
    lane->kept = 0;
    if (lane->backlog)
        lane->ripe = true;
    stand_in_line(lanes, lane);
    forget_if_idle(lanes, lane);
}

void lane_restrict(struct lane *lane, bool to_one)
{
    lane->to_one = to_one;
}

void lane_released(struct lanes *lanes, struct lane *lane, bool ripe)
{
    lane->held--;
    lanes->held--;
    lane->ripe = lane->ripe || ripe;
    stand_in_line(lanes, lane);
    forget_if_idle(lanes, lane);
}
