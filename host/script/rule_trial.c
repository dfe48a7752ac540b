#include "script/rule_trial.h"

#include <stdlib.h>

#include <lauxlib.h>

struct trial_work {
    struct rule_work work;
    struct rule_trial trial;
    char *agency; /* its own copy */
    struct rule_verdict verdict;
};

static void judge(const struct rule_trial *trial, struct rule_verdict *verdict)
{
    struct rule_state *state = rule_state_new(trial->unit, trial->library, &trial->limits, &verdict->error);
    verdict->failed = state == NULL;
    if (state == NULL)
        return;
    rule_state_claims(state, &verdict->claims);
    verdict->has_inbound = state->functions[RULE_INBOUND].reference != LUA_NOREF;
    const struct claims *claims = &verdict->claims;
    if (claims->locations.count + claims->companies.count == 0)
        verdict->failed = error_set(&verdict->error, ERROR_PERMANENT,
                                    "%s: names neither locations nor companies, so it is for no message",
                                    trial->unit->path) != 0;
    else if (trial->with_tests)
        verdict->failed = rule_tests_run(state, claims, NULL, &verdict->error) != 0;
    verdict->declarations = rule_state_take_declarations(state);
    rule_state_free(state);
}

static void run(struct rule_work *work, struct rule_thread *thread)
{
    struct trial_work *trial = (struct trial_work *)work;
    rule_thread_watch(thread, RULE_LOAD_PATIENCE_MS + (trial->trial.with_tests ? RULE_TESTS_PATIENCE_MS : 0));
    judge(&trial->trial, &trial->verdict);
}

static void release(struct rule_work *work)
{
    struct trial_work *trial = (struct trial_work *)work;
    claims_deinit(&trial->verdict.claims);
    declarations_deinit(&trial->verdict.declarations);
    unit_unref(trial->trial.unit);
    unit_set_unref(trial->trial.library);
    free(trial->agency);
    free(trial);
}

static struct trial_work *work_new(const struct rule_trial *trial)
{
    struct trial_work *work = memory_allocate(sizeof *work);
    work->trial = *trial;
    work->agency = text_duplicate(trial->agency);
    work->trial.agency = work->agency;
    unit_ref(trial->unit);
    unit_set_ref(trial->library);
    work->work = (struct rule_work){run, release, work->agency, trial->unit->path, trial->unit->hash};
    return work;
}

void rule_trial_run(struct rule_service *service, const struct rule_trial *trial,
                    struct rule_verdict *verdict)
{
    *verdict = (struct rule_verdict){0};
    if (service == NULL) {
        judge(trial, verdict);
        return;
    }
    struct trial_work *work = work_new(trial);
    struct rule_job job = {.work = &work->work};
    rule_service_run(service, &job);
    if (job.work == NULL) {
        verdict->failed = true;
        verdict->error = job.error;
        return;
    }
    *verdict = work->verdict;
    work->verdict.claims = (struct claims){0};
    work->verdict.declarations = (struct declarations){0};
    release(job.work);
}
