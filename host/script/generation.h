/* Generations: immutable sets of all scripts, counted references, shared by all threads. */
#ifndef SCRIPT_GENERATION_H
#define SCRIPT_GENERATION_H

#include "script/candidate.h"
#include "script/script.h"
#include "script/unit.h"

#define GENERATION_ID_SIZE 16

/* One agency as a generation has it. */
struct agency {
    char *slug;
    struct unit *unit;           /* NULL where its rules never were good */
    struct candidate *candidate; /* tried beside `unit`, or NULL */
    char *hidden;                /* path of the file that is not used, where published rules are; or NULL */
    char *fault;                 /* why, where unit is NULL: "file:line: what" */
    char *excerpt;               /* of the lines around it (rule_excerpt.h), or NULL */
    struct claims broken_claims; /* what a file without unit seems to claim */
    char broken_hash[UNIT_HASH_SIZE];
};

struct claim {
    const char *key; /* borrowed from the agency */
    size_t agency;   /* index */
    bool broken;     /* the agency has no unit */
};

struct claim_index {
    struct claim *items; /* by key */
    size_t count;
};

struct generation {
    atomic_uint references;
    unsigned number;
    char id[GENERATION_ID_SIZE];
    char parent[GENERATION_ID_SIZE]; /* "" of the first */
    int64_t loaded_at_ms;
    struct unit_set *trusted; /* modules of trusted states */
    struct unit_set *library; /* of these, what rules may require: bascule.rules.* */
    struct agency *agencies;  /* by slug */
    size_t agency_count;
    struct claim_index locations, companies;
};

/* Takes references of its own to the sets, and the agencies (their array and contents) as they are: sorted by
 * slug, no location or company claimed twice by agencies that have a unit. */
struct generation *generation_new(struct unit_set *trusted, struct unit_set *library, struct agency *agencies,
                                  size_t agency_count);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation); /* NULL is fine */

/* The agency of a location, else of its company (may be NULL), or NULL: the default rule applies. */
const struct agency *generation_find_agency(const struct generation *generation, const char *location,
                                            const char *company);

const struct claims *agency_claims(const struct agency *agency);
void agency_deinit(struct agency *agency);

/* The current generation; the caller unrefs it. */
struct generation *generations_acquire(struct generations *generations);
bool generations_is_current(struct generations *generations, const struct generation *generation);

/* A thread that may block: mail posted here is delivered on it. */
struct mailbox *generations_keeper(struct generations *generations);

#endif
