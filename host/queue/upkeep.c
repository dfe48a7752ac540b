#include "queue/upkeep.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "queue/dispatcher.h"
#include "store/store_memory.h"

#define SCAN_EVERY_MS 200
#define SCAN_LANES 256
#define SWEEP_EVERY_MS 10000
#define SWEEP_SLACK_MS 60000
#define FORGET_EVERY_MS 10000

struct scan {
    bool wanted;
    char *after; /* the next page begins behind it; NULL: at the start */
    struct store_lanes lanes;
};

struct upkeep {
    struct queue *queue;
    struct store_job scan_job, sweep_job, count_job, memory_job;
    bool scanning, sweeping, counting, forgetting;
    bool scans_fail;                 /* the newest did */
    struct scan scans[QUEUE_TRACKS]; /* by enum message_track */
    int64_t next_scan_ms, next_sweep_ms, next_forget_ms;
    int64_t moved, waiting;
    bool more_to_forget;
};

#define UPKEEP_OF(pointer, member) ((struct upkeep *)((char *)(pointer)-offsetof(struct upkeep, member)))

/* ---- scan */

static enum store_status run_scan(struct store_job *job, struct store_session *session)
{
    struct upkeep *upkeep = UPKEEP_OF(job, scan_job);
    enum store_status status = STORE_OK;
    for (int i = 0; i < QUEUE_TRACKS && status == STORE_OK; i++) {
        struct scan *scan = &upkeep->scans[i];
        store_lanes_deinit(&scan->lanes);
        if (scan->wanted)
            status = store_lanes_due(session, i, clock_wall_ms(), scan->after, SCAN_LANES, &scan->lanes);
    }
    return status;
}

/* True where there are more pages. */
static bool take_page(struct upkeep *upkeep, enum message_track track)
{
    struct scan *scan = &upkeep->scans[track];
    size_t count = scan->lanes.count;
    for (size_t i = 0; i < count; i++)
        dispatcher_ripen(upkeep->queue->dispatcher, track, scan->lanes.locations[i]);
    free(scan->after);
    scan->after = count == SCAN_LANES ? text_duplicate(scan->lanes.locations[count - 1]) : NULL;
    store_lanes_deinit(&scan->lanes);
    return scan->after != NULL;
}

static void deliver_scan(struct mail *mail)
{
    struct upkeep *upkeep = UPKEEP_OF(mail, scan_job.mail);
    upkeep->scanning = false;
    bool failed = upkeep->scan_job.status != STORE_OK;
    if (failed && !upkeep->scans_fail)
        LOG_EVENT(LOG_WARN, "scan_failed", LOG_FIELD_TEXT("error", upkeep->scan_job.reason));
    upkeep->scans_fail = failed;
    if (failed)
        return;
    for (int i = 0; i < QUEUE_TRACKS; i++)
        if (take_page(upkeep, i))
            upkeep->next_scan_ms = 0;
}

/* ---- sweep and count */

/* Nothing that this program schedules lies further ahead, but for deferrals, which are the rules' own. */
static int64_t most_ahead_ms(const struct queue_options *options)
{
    int64_t most_ms = options->retry_most_ms > options->lease_ms ? options->retry_most_ms : options->lease_ms;
    return most_ms + SWEEP_SLACK_MS;
}

static enum store_status run_sweep(struct store_job *job, struct store_session *session)
{
    struct upkeep *upkeep = UPKEEP_OF(job, sweep_job);
    int64_t now_ms, error_ms;
    upkeep->moved = 0;
    /* First, or the sweep would take this process's own error for a step of the others' clocks. */
    if (store_clock(session, &now_ms, &error_ms) == STORE_OK)
        clock_follow(now_ms, error_ms);
    return store_message_sweep(session, clock_wall_ms(), most_ahead_ms(&upkeep->queue->options),
                               &upkeep->moved);
}

static void deliver_sweep(struct mail *mail)
{
    struct upkeep *upkeep = UPKEEP_OF(mail, sweep_job.mail);
    upkeep->sweeping = false;
    if (upkeep->sweep_job.status == STORE_OK && upkeep->moved > 0)
        LOG_EVENT(LOG_WARN, "clock_stepped", LOG_FIELD_NUMBER("messages_made_due", upkeep->moved));
}

static enum store_status run_count(struct store_job *job, struct store_session *session)
{
    return store_message_count(session, &UPKEEP_OF(job, count_job)->waiting);
}

static void deliver_count(struct mail *mail)
{
    struct upkeep *upkeep = UPKEEP_OF(mail, count_job.mail);
    upkeep->counting = false;
    if (upkeep->count_job.status == STORE_OK)
        atomic_store(&upkeep->queue->waiting, upkeep->waiting);
}

/* ---- memory of rules */

static enum store_status run_forget(struct store_job *job, struct store_session *session)
{
    return store_memory_sweep(session, clock_wall_ms(), &UPKEEP_OF(job, memory_job)->more_to_forget);
}

/* Part by part, so that messages are accepted in between. */
static void deliver_forget(struct mail *mail)
{
    struct upkeep *upkeep = UPKEEP_OF(mail, memory_job.mail);
    upkeep->forgetting = false;
    if (upkeep->memory_job.status == STORE_OK && upkeep->more_to_forget)
        upkeep->next_forget_ms = 0;
}

/* ---- the clock */

struct upkeep *upkeep_new(struct queue *queue)
{
    struct upkeep *upkeep = memory_allocate(sizeof *upkeep);
    upkeep->queue = queue;
    upkeep->scan_job = (struct store_job){.mail.deliver = deliver_scan, .run = run_scan};
    upkeep->sweep_job = (struct store_job){.mail.deliver = deliver_sweep, .run = run_sweep};
    upkeep->count_job = (struct store_job){.mail.deliver = deliver_count, .run = run_count};
    upkeep->memory_job = (struct store_job){.mail.deliver = deliver_forget, .run = run_forget};
    upkeep->scan_job.reply = upkeep->sweep_job.reply = queue->mailbox;
    upkeep->count_job.reply = upkeep->memory_job.reply = queue->mailbox;
    return upkeep;
}

void upkeep_free(struct upkeep *upkeep)
{
    for (int i = 0; i < QUEUE_TRACKS; i++) {
        store_lanes_deinit(&upkeep->scans[i].lanes);
        free(upkeep->scans[i].after);
    }
    free(upkeep);
}

int64_t upkeep_next_ms(const struct upkeep *upkeep)
{
    int64_t next_ms = upkeep->next_scan_ms;
    next_ms = upkeep->next_sweep_ms < next_ms ? upkeep->next_sweep_ms : next_ms;
    return upkeep->next_forget_ms < next_ms ? upkeep->next_forget_ms : next_ms;
}

bool upkeep_is_under_way(const struct upkeep *upkeep)
{
    return upkeep->scanning || upkeep->sweeping || upkeep->counting || upkeep->forgetting;
}

static void scan_if_due(struct upkeep *upkeep, int64_t now_ms)
{
    if (now_ms < upkeep->next_scan_ms)
        return;
    upkeep->next_scan_ms = now_ms + SCAN_EVERY_MS;
    if (upkeep->scanning || !(upkeep->scans[TRACK_DELIVERY].wanted || upkeep->scans[TRACK_REPORT].wanted))
        return;
    upkeep->scanning = true;
    store_service_read(upkeep->queue->host->store, &upkeep->scan_job);
}

static void sweep_if_due(struct upkeep *upkeep, int64_t now_ms)
{
    if (now_ms < upkeep->next_sweep_ms)
        return;
    upkeep->next_sweep_ms = now_ms + SWEEP_EVERY_MS;
    struct store_service *store = upkeep->queue->host->store;
    if (!upkeep->sweeping)
        store_service_write(store, &upkeep->sweep_job);
    if (!upkeep->counting)
        store_service_read(store, &upkeep->count_job);
    upkeep->sweeping = upkeep->counting = true;
}

static void forget_if_due(struct upkeep *upkeep, int64_t now_ms)
{
    if (now_ms < upkeep->next_forget_ms)
        return;
    upkeep->next_forget_ms = now_ms + FORGET_EVERY_MS;
    if (upkeep->forgetting)
        return;
    upkeep->forgetting = true;
    store_service_write(upkeep->queue->host->store, &upkeep->memory_job);
}

void upkeep_run(struct upkeep *upkeep, int64_t now_ms, bool scan_delivery, bool scan_report)
{
    if (!upkeep->scanning) { /* else a store thread reads them */
        upkeep->scans[TRACK_DELIVERY].wanted = scan_delivery;
        upkeep->scans[TRACK_REPORT].wanted = scan_report;
    }
    scan_if_due(upkeep, now_ms);
    sweep_if_due(upkeep, now_ms);
    forget_if_due(upkeep, now_ms);
    metrics_set("bascule_queue_waiting", NULL, atomic_load(&upkeep->queue->waiting));
}
