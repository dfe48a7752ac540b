/* A candidate: a version of an agency's rules that is tried beside the live one, and what came of it so far.
 *
 * In the shadow it runs after the live rules on the same input, and only what differs is kept. As a canary it
 * decides for a share of the messages, until its calls fail more often than the live ones: then it is
 * spoiled, decides nothing any more, and is taken back (generations_tend). Shared by all threads and
 * generations by counted references; the counts are of this process and of this version and share. */
#ifndef SCRIPT_CANDIDATE_H
#define SCRIPT_CANDIDATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/config.h"
#include "script/unit.h"

enum candidate_mode { CANDIDATE_SHADOW, CANDIDATE_CANARY };
extern const char *const candidate_mode_names[]; /* "shadow", "canary"; ends with NULL */

/* When a canary is taken back. */
struct candidate_policy {
    int64_t min_calls;     /* of the candidate, before it is judged */
    int64_t error_percent; /* how much its share of failed calls may be above the live rules' */
};
struct candidate_policy candidate_policy_read(const struct config *config);

#define CANDIDATE_EXAMPLES 5 /* the newest ones are kept */
#define CANDIDATE_REASON_SIZE 128

struct candidate_example {
    char message[48]; /* id */
    char what[160];   /* the names of the fields that differ, or the error */
};

struct candidate_tally {
    int64_t calls, same, different, errors; /* of the candidate; `same` and `different` in the shadow only */
    int64_t live_calls, live_errors;        /* while it was a canary */
    struct candidate_example examples[CANDIDATE_EXAMPLES];
    unsigned example_count;
};

struct candidate {
    atomic_uint references;
    struct unit *unit; /* its version is unit->version */
    enum candidate_mode mode;
    unsigned percent; /* of the messages that a canary decides for */
    atomic_bool spoiled;
    pthread_mutex_t mutex; /* guards what follows */
    struct candidate_tally tally;
    char reason[CANDIDATE_REASON_SIZE]; /* of being spoiled */
};

/* Takes a reference of its own to the unit. */
struct candidate *candidate_new(struct unit *unit, enum candidate_mode mode, unsigned percent);
struct candidate *candidate_ref(struct candidate *candidate);
void candidate_unref(struct candidate *candidate); /* NULL is fine */

/* Whether it decides for the message with this seed: the same at each attempt. */
bool candidate_takes(const struct candidate *candidate, int64_t seed);

/* One call in the shadow. `what`: the fields that differ, or the error. */
enum candidate_comparison { COMPARISON_SAME, COMPARISON_DIFFERENT, COMPARISON_ERROR };
void candidate_count_shadow(struct candidate *candidate, enum candidate_comparison comparison,
                            const char *message, const char *what);

/* One call while it is a canary: its own, or one of the live rules. True where that spoiled it: once. */
bool candidate_count_canary(struct candidate *candidate, const struct candidate_policy *policy, bool own,
                            const char *error, const char *message);

struct candidate_tally candidate_tally_of(struct candidate *candidate);

#endif
