#include "script/candidate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "base/utf8.h"

#define PER_CENT 100

const char *const candidate_mode_names[] = {"shadow", "canary", NULL};

struct candidate_policy candidate_policy_read(const struct config *config)
{
    return (struct candidate_policy){
        .min_calls = config_integer(config, "BASCULE_CANARY_MIN_CALLS"),
        .error_percent = config_integer(config, "BASCULE_CANARY_ERROR_PERCENT"),
    };
}

struct candidate *candidate_new(struct unit *unit, enum candidate_mode mode, unsigned percent)
{
    struct candidate *candidate = memory_allocate(sizeof *candidate);
    atomic_init(&candidate->references, 1);
    atomic_init(&candidate->spoiled, false);
    pthread_mutex_init(&candidate->mutex, NULL);
    candidate->unit = unit_ref(unit);
    candidate->mode = mode;
    candidate->percent = percent;
    return candidate;
}

struct candidate *candidate_ref(struct candidate *candidate)
{
    atomic_fetch_add_explicit(&candidate->references, 1, memory_order_relaxed);
    return candidate;
}

void candidate_unref(struct candidate *candidate)
{
    if (candidate == NULL || atomic_fetch_sub_explicit(&candidate->references, 1, memory_order_acq_rel) != 1)
        return;
    unit_unref(candidate->unit);
    pthread_mutex_destroy(&candidate->mutex);
    free(candidate);
}

bool candidate_takes(const struct candidate *candidate, int64_t seed)
{
    return candidate->mode == CANDIDATE_CANARY && !atomic_load(&candidate->spoiled) &&
           (unsigned)(seed % PER_CENT) < candidate->percent;
}

static void copy_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%.*s", (int)utf8_valid_prefix(text, strnlen(text, size - 1)), text);
}

static void keep_example(struct candidate_tally *tally, const char *message, const char *what)
{
    unsigned kept =
        tally->example_count < CANDIDATE_EXAMPLES - 1 ? tally->example_count : CANDIDATE_EXAMPLES - 1;
    memmove(tally->examples + 1, tally->examples, kept * sizeof *tally->examples);
    copy_text(tally->examples[0].message, sizeof tally->examples[0].message, message);
    copy_text(tally->examples[0].what, sizeof tally->examples[0].what, what);
    tally->example_count = kept + 1;
}

void candidate_count_shadow(struct candidate *candidate, enum candidate_comparison comparison,
                            const char *message, const char *what)
{
    static const char *const labels[] = {"result=\"same\"", "result=\"different\"", "result=\"error\""};
    struct candidate_tally *tally = &candidate->tally;
    int64_t *counts[] = {&tally->same, &tally->different, &tally->errors};
    pthread_mutex_lock(&candidate->mutex);
    tally->calls++;
    ++*counts[comparison];
    if (comparison != COMPARISON_SAME)
        keep_example(tally, message, what);
    pthread_mutex_unlock(&candidate->mutex);
    metrics_add("bascule_rule_shadow_calls_total", labels[comparison], 1);
}

/* a/b is larger than c/d by more than `percent` hundredths; d may be 0. */
static bool exceeds(int64_t a, int64_t b, int64_t c, int64_t d, int64_t percent)
{
    int64_t divisor = d == 0 ? 1 : d;
    return PER_CENT * a * divisor > PER_CENT * c * b + percent * b * divisor;
}

/* Under the mutex. */
static bool judge(struct candidate *candidate, const struct candidate_policy *policy)
{
    const struct candidate_tally *tally = &candidate->tally;
    if (tally->calls < policy->min_calls || atomic_load(&candidate->spoiled) ||
        !exceeds(tally->errors, tally->calls, tally->live_errors, tally->live_calls, policy->error_percent))
        return false;
    snprintf(candidate->reason, sizeof candidate->reason,
             "%lld of its %lld calls failed, and %lld of %lld calls of the live rules",
             (long long)tally->errors, (long long)tally->calls, (long long)tally->live_errors,
             (long long)tally->live_calls);
    atomic_store(&candidate->spoiled, true);
    return true;
}

bool candidate_count_canary(struct candidate *candidate, const struct candidate_policy *policy, bool own,
                            const char *error, const char *message)
{
    struct candidate_tally *tally = &candidate->tally;
    const char *label = own ? "arm=\"candidate\"" : "arm=\"live\"";
    pthread_mutex_lock(&candidate->mutex);
    ++*(own ? &tally->calls : &tally->live_calls);
    *(own ? &tally->errors : &tally->live_errors) += error != NULL;
    if (own && error != NULL)
        keep_example(tally, message, error);
    bool spoiled = judge(candidate, policy);
    pthread_mutex_unlock(&candidate->mutex);
    metrics_add("bascule_rule_canary_calls_total", label, 1);
    metrics_add("bascule_rule_canary_errors_total", label, error != NULL);
    return spoiled;
}

struct candidate_tally candidate_tally_of(struct candidate *candidate)
{
    pthread_mutex_lock(&candidate->mutex);
    struct candidate_tally tally = candidate->tally;
    pthread_mutex_unlock(&candidate->mutex);
    return tally;
}
