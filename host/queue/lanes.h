/* Lanes: who is claimed for next. A lane is a location on one track; the lanes of a track share its places
 * (messages that may be under way at once). A lane is ripe when there may be work to claim. Ripe lanes take
 * turns, and one may hold at most a quarter of the places that the others leave (at least one), so that a
 * location whose provider is slow cannot take all. One thread; knows neither store nor time. */
#ifndef QUEUE_LANES_H
#define QUEUE_LANES_H

#include <stdbool.h>
#include <stddef.h>

struct lanes;
struct lane;

struct lanes *lanes_new(unsigned places);
void lanes_free(struct lanes *lanes);

unsigned lanes_free_places(const struct lanes *lanes);
unsigned lanes_held(const struct lanes *lanes); /* under way, or kept for claims under way */

/* There may be work for `location`. Cheap to repeat; remembered while a claim is under way. */
void lanes_ripen(struct lanes *lanes, const char *location);

/* The lane whose turn it is and how many messages it may claim (they are kept for it), or NULL. A lane that
 * has taken its turn must be told the claim's end by lane_claimed before it can come again. */
struct lane *lanes_next(struct lanes *lanes, unsigned *limit);
const char *lane_location(const struct lane *lane);

/* The claim has ended with `count` messages, each of which holds a place until lane_released. */
void lane_claimed(struct lanes *lanes, struct lane *lane, unsigned count);

/* Whether the lane may hold one place only, until it is told otherwise or forgotten: for a lane whose rule
 * fails, which may take all of its time for each message. */
void lane_restrict(struct lane *lane, bool to_one);

/* A message of the lane has ended. `ripe`: that may have freed others behind it. A lane that nothing is known
 * of any more is forgotten with this call. */
void lane_released(struct lanes *lanes, struct lane *lane, bool ripe);

#endif
