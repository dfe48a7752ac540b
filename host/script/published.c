/* The rules that the store has: what was published there is read, what files hold is recorded, canaries that
 * fail too often are taken back. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "script/generations.h"
#include "store/store_rules.h"

/* ---- reading ---- */

struct published {
    struct store_job job;
    int64_t known, revision;
    struct store_rules_list list; /* where the revision is another */
};

/* The revision is read first: what is published between the two is found once more. */
static enum store_status run_fetch(struct store_job *job, struct store_session *session)
{
    struct published *published = (struct published *)job;
    uint64_t revision;
    enum store_status status = store_rules_revision(session, &revision);
    published->revision = (int64_t)revision;
    if (status == STORE_OK && published->revision != published->known)
        status = store_rules_current(session, &published->list);
    return status;
}

void published_free(struct published *published)
{
    if (published == NULL)
        return;
    store_rules_list_deinit(&published->list);
    free(published);
}

int published_fetch(const struct generations *generations, struct published **published, struct error *error)
{
    *published = NULL;
    if (generations->host->store == NULL)
        return 0;
    struct published *fetched = memory_allocate(sizeof *fetched);
    fetched->job.run = run_fetch;
    fetched->known = generations->rules_revision;
    store_service_wait(generations->host->store, &fetched->job, false);
    int result = 0;
    if (fetched->job.status != STORE_OK)
        result =
            error_set(error, ERROR_RETRYABLE, "the published rules cannot be read: %s", fetched->job.reason);
    if (result == 0 && fetched->revision != fetched->known)
        *published = fetched;
    else
        published_free(fetched);
    return result;
}

static struct source_version version_of(const struct store_rules_version *version)
{
    return (struct source_version){
        .agency = version->agency,
        .version = (int64_t)version->version,
        .text = {version->source, version->source_length},
        .mode = version->mode == RULES_CANARY ? CANDIDATE_CANARY : CANDIDATE_SHADOW,
        .percent = version->percent,
    };
}

static bool take(const struct store_rules_list *list, bool live, struct sources *sources)
{
    struct source_version *versions = memory_allocate(list->count * sizeof *versions);
    struct sources found;
    size_t count = 0;
    bool changed;
    for (size_t i = 0; i < list->count; i++) {
        if ((list->items[i].mode == RULES_LIVE) == live)
            versions[count++] = version_of(&list->items[i]);
    }
    sources_take_versions(versions, count, sources, &found, &changed);
    *sources = found;
    free(versions);
    return changed;
}

bool published_take(struct generations *generations, struct published *published)
{
    if (published == NULL)
        return false;
    bool live = take(&published->list, true, &generations->published_sources);
    bool candidates = take(&published->list, false, &generations->candidate_sources);
    generations->rules_revision = published->revision;
    published_free(published);
    return live || candidates;
}

/* ---- recording ---- */

struct record {
    struct store_job job;
    const struct sources *files;
    unsigned kept;
};

static bool came_to_run(const struct source *file)
{
    return file->changed && file->good != NULL && file->good == file->unit &&
           unit_source(file->unit).length <= STORE_RULES_SOURCE_MOST_BYTES;
}

static enum store_status run_record(struct store_job *job, struct store_session *session)
{
    const struct record *record = (const struct record *)job;
    enum store_status status = STORE_OK;
    for (size_t i = 0; i < record->files->count && (status == STORE_OK || status == STORE_DUPLICATE); i++) {
        const struct source *file = &record->files->items[i];
        uint64_t version;
        struct store_rules_new rules = {
            .agency = file->name,
            .source = unit_source(file->unit),
            .hash = file->hash,
            .by = "file",
            .now_ms = clock_wall_ms(),
            .kept = record->kept,
        };
        if (came_to_run(file))
            status = store_rules_record(session, &rules, &version);
    }
    return status == STORE_DUPLICATE ? STORE_OK : status;
}

void published_record(struct generations *generations)
{
    struct record record = {
        .job = {.run = run_record},
        .files = &generations->agency_sources,
        .kept = (unsigned)config_integer(generations->host->config, "BASCULE_RULE_VERSIONS_KEPT"),
    };
    bool any = false;
    for (size_t i = 0; i < record.files->count; i++)
        any = any || came_to_run(&record.files->items[i]);
    if (generations->host->store == NULL || !any)
        return;
    store_service_wait(generations->host->store, &record.job, true);
    if (record.job.status != STORE_OK)
        LOG_EVENT(LOG_WARN, "rules_unrecorded", LOG_FIELD_TEXT("message", record.job.reason));
}

/* ---- looking ---- */

static enum store_status run_look(struct store_job *job, struct store_session *session)
{
    struct published *published = (struct published *)job;
    uint64_t revision;
    enum store_status status = store_rules_revision(session, &revision);
    published->revision = (int64_t)revision;
    return status;
}

bool published_is_due(struct generations *generations)
{
    struct published look = {.job = {.run = run_look}};
    if (generations->host->store == NULL)
        return false;
    store_service_wait(generations->host->store, &look.job, false);
    pthread_mutex_lock(&generations->reload_mutex);
    bool due = look.job.status == STORE_OK && look.revision != generations->rules_revision;
    pthread_mutex_unlock(&generations->reload_mutex);
    return due;
}

/* ---- taking back ---- */

struct withdrawal {
    struct store_job job;
    const char *slug;
    struct candidate *candidate;
};

static enum store_status run_withdrawal(struct store_job *job, struct store_session *session)
{
    const struct withdrawal *withdrawal = (const struct withdrawal *)job;
    struct store_rules_change change = {
        .agency = withdrawal->slug,
        .version = (uint64_t)withdrawal->candidate->unit->version,
        .expected = RULES_CANARY,
        .mode = RULES_WITHDRAWN,
        .reason = withdrawal->candidate->reason,
        .by = "bascule",
        .now_ms = clock_wall_ms(),
    };
    return store_rules_set_mode(session, &change);
}

/* True where this process was the one to do it; where another was first, the next look at the store tells. */
static bool withdraw(const struct generations *generations, const struct agency *agency)
{
    struct withdrawal withdrawal = {{.run = run_withdrawal}, agency->slug, agency->candidate};
    store_service_wait(generations->host->store, &withdrawal.job, true);
    if (withdrawal.job.status == STORE_OK) {
        metrics_add("bascule_rule_canaries_withdrawn_total", NULL, 1);
        LOG_EVENT(LOG_ERROR, "rules_canary_withdrawn", LOG_FIELD_TEXT("agency", agency->slug),
                  LOG_FIELD_NUMBER("version", agency->candidate->unit->version),
                  LOG_FIELD_TEXT("message", agency->candidate->reason));
    } else if (withdrawal.job.status != STORE_CONFLICT) {
        LOG_EVENT(LOG_ERROR, "rules_canary_not_withdrawn", LOG_FIELD_TEXT("agency", agency->slug),
                  LOG_FIELD_TEXT("message", withdrawal.job.reason));
    }
    return withdrawal.job.status == STORE_OK;
}

void generations_withdraw_spoiled(struct generations *generations)
{
    struct generation *current = generations_acquire(generations);
    bool any = false;
    for (size_t i = 0; i < current->agency_count && generations->host->store != NULL; i++) {
        const struct agency *agency = &current->agencies[i];
        if (agency->candidate != NULL && atomic_load(&agency->candidate->spoiled))
            any = withdraw(generations, agency) || any;
    }
    generation_unref(current);
    if (any)
        generations_reload(generations, NULL);
}

struct tending {
    struct mail mail;
    struct generations *generations;
};

static void deliver_tending(struct mail *mail)
{
    struct tending *tending = (struct tending *)mail;
    generations_withdraw_spoiled(tending->generations);
    free(tending);
}

void generations_withdraw_soon(struct generations *generations)
{
    struct tending *tending = memory_allocate(sizeof *tending);
    tending->mail.deliver = deliver_tending;
    tending->generations = generations;
    mailbox_post(generations->keeper, &tending->mail);
}
