/* Whose rules a call gets where an agency has a candidate (candidate.h): the live ones, the candidate, or one
 * after the other. Each is asked by a job of its own, so that whatever the candidate does costs the live
 * answer nothing:
 *
 * in the shadow    the live rules are asked, and decide; then the candidate, which is compared
 * canary           the candidate is asked, and decides; where it fails, the live rules are asked and decide
 * canary's others  the live rules are asked; their failures are counted for comparison
 *
 * The seed says which: it is the message's own, so each attempt gets the same. */
#ifndef SCRIPT_RULE_CHOICE_H
#define SCRIPT_RULE_CHOICE_H

#include "script/generation.h"

enum rule_part { PART_ALONE, PART_SHADOW, PART_CANARY, PART_BESIDE_CANARY };

struct rule_choice {
    struct generation *generation; /* a reference of its own */
    const struct agency *agency;   /* NULL: the default rules */
    struct candidate *candidate;   /* of the agency; NULL where PART_ALONE */
    enum rule_part part;
    char message[48]; /* id, for examples */
};

/* `seed` -1: there is none, and the live rules decide. */
void rule_choice_init(struct rule_choice *choice, struct generation *generation, const struct agency *agency,
                      int64_t seed, const char *message);
void rule_choice_deinit(struct rule_choice *choice);

/* Who is asked first, and second (NULL: nobody is); `failed` says what came of the first. NULL for the first:
 * the default rules. */
struct unit *rule_choice_first(const struct rule_choice *choice);
struct unit *rule_choice_second(const struct rule_choice *choice, bool failed);

/* Counts a call of a canary or beside it; `error` NULL: it went well. `own`: it was the canary's. One that
 * spoils the canary has it taken back by the generations' keeper. */
void rule_choice_count(const struct rule_choice *choice, struct generations *generations, bool own,
                       const char *error);

/* Sets `shadow` in the live decision at `live` of L to what the candidate's at `candidate` is beside it, or
 * to `error`; and counts it. `live` 0: the live rules failed. Does not raise. */
void rule_choice_compare(const struct rule_choice *choice, lua_State *L, int live, int candidate,
                         const char *error);

#endif
