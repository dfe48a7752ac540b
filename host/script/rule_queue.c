#include "script/rule_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define BUCKETS 1024
#define IDLE_LINES_KEPT                                                                 \
    256 /* accounts of agencies that have nothing waiting, before those without debt go \
         */

struct rule_line {
    char *agency;
    struct rule_job *first, *last;
    unsigned running;
    int64_t virtual_us; /* processor time used, on the queue's virtual clock */
    int64_t last_us;    /* what its last job used: the guess for those that run */
    struct rule_line *next_in_bucket;
    struct rule_line *previous, *next; /* among those that have jobs waiting */
};

struct rule_queue {
    struct rule_line *buckets[BUCKETS];
    struct rule_line *ready;
    unsigned most_running; /* of one agency */
    size_t lines, sweep_at, waiting;
    int64_t virtual_us; /* where the agency stood that was served last */
};

struct rule_queue *rule_queue_new(unsigned threads)
{
    struct rule_queue *queue = memory_allocate(sizeof *queue);
    queue->most_running = threads > 1 ? threads - 1 : 1;
    queue->sweep_at = IDLE_LINES_KEPT;
    return queue;
}

/* FNV-1a */
static struct rule_line **bucket_of(struct rule_queue *queue, const char *agency)
{
    uint32_t hash = 2166136261U;
    for (; *agency != '\0'; agency++)
        hash = (hash ^ (unsigned char)*agency) * 16777619U;
    return &queue->buckets[hash % BUCKETS];
}

static bool is_idle(const struct rule_line *line)
{
    return line->first == NULL && line->running == 0;
}

/* An idle account that the clock has passed is as good as none. */
static void sweep(struct rule_queue *queue)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct rule_line **link = &queue->buckets[i]; *link != NULL;) {
            struct rule_line *line = *link;
            if (!is_idle(line) || line->virtual_us > queue->virtual_us) {
                link = &line->next_in_bucket;
                continue;
            }
            *link = line->next_in_bucket;
            free(line->agency);
            free(line);
            queue->lines--;
        }
    }
    queue->sweep_at = 2 * queue->lines + IDLE_LINES_KEPT;
}

void rule_queue_free(struct rule_queue *queue)
{
    queue->virtual_us = INT64_MAX;
    sweep(queue);
    free(queue);
}

static struct rule_line *find_or_add(struct rule_queue *queue, const char *agency)
{
    struct rule_line **bucket = bucket_of(queue, agency);
    for (struct rule_line *line = *bucket; line != NULL; line = line->next_in_bucket) {
        if (strcmp(line->agency, agency) == 0)
            return line;
    }
    if (queue->lines >= queue->sweep_at)
        sweep(queue);
    struct rule_line *line = memory_allocate(sizeof *line);
    line->agency = text_duplicate(agency);
    line->next_in_bucket = *bucket;
    *bucket = line;
    queue->lines++;
    return line;
}

static void make_ready(struct rule_queue *queue, struct rule_line *line)
{
    if (line->running == 0 && line->virtual_us < queue->virtual_us)
        line->virtual_us = queue->virtual_us;
    line->previous = NULL;
    line->next = queue->ready;
    if (queue->ready != NULL)
        queue->ready->previous = line;
    queue->ready = line;
}

static void make_unready(struct rule_queue *queue, struct rule_line *line)
{
    *(line->previous != NULL ? &line->previous->next : &queue->ready) = line->next;
    if (line->next != NULL)
        line->next->previous = line->previous;
}

void rule_queue_put(struct rule_queue *queue, const char *agency, struct rule_job *job)
{
    struct rule_line *line = find_or_add(queue, agency);
    job->next = NULL;
    if (line->first == NULL)
        make_ready(queue, line);
    *(line->first != NULL ? &line->last->next : &line->first) = job;
    line->last = job;
    queue->waiting++;
}

/* Its account, with a guess of what its jobs under way will add. */
static int64_t standing(const struct rule_line *line)
{
    return line->virtual_us + line->running * line->last_us;
}

/* A walk over all that wait: as many as messages are under way at most, and each costs less than its rule. */
static struct rule_line *choose(const struct rule_queue *queue)
{
    struct rule_line *least = NULL;
    for (struct rule_line *line = queue->ready; line != NULL; line = line->next) {
        if (line->running < queue->most_running && (least == NULL || standing(line) < standing(least)))
            least = line;
    }
    return least;
}

static struct rule_job *pop(struct rule_queue *queue, struct rule_line *line)
{
    struct rule_job *job = line->first;
    line->first = job->next;
    if (line->first == NULL)
        make_unready(queue, line);
    queue->waiting--;
    return job;
}

struct rule_job *rule_queue_take(struct rule_queue *queue, struct rule_line **chosen)
{
    struct rule_line *line = choose(queue);
    if (line == NULL)
        return NULL;
    line->running++;
    if (queue->virtual_us < line->virtual_us)
        queue->virtual_us = line->virtual_us;
    *chosen = line;
    return pop(queue, line);
}

struct rule_job *rule_queue_drop(struct rule_queue *queue)
{
    return queue->ready == NULL ? NULL : pop(queue, queue->ready);
}

void rule_queue_done(struct rule_queue *queue, struct rule_line *line, int64_t used_us)
{
    (void)queue;
    line->running--;
    line->last_us = used_us > 0 ? used_us : 1;
    line->virtual_us += line->last_us;
}

size_t rule_queue_waiting(const struct rule_queue *queue)
{
    return queue->waiting;
}
