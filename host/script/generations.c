/* What runs: the current generation and those kept for going back. */
#include "script/generations.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"

void faults_add(struct faults *faults, const char *path, const char *message, const char *excerpt,
                int64_t at_ms)
{
    faults->items = memory_resize(faults->items, (faults->count + 1) * sizeof *faults->items);
    faults->items[faults->count++] =
        (struct fault){text_duplicate(path), text_duplicate(message), text_duplicate(excerpt), at_ms};
}

void faults_deinit(struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        free(faults->items[i].path);
        free(faults->items[i].message);
        free(faults->items[i].excerpt);
    }
    free(faults->items);
    *faults = (struct faults){0};
}

void generations_replace_faults(struct generations *generations, struct faults *faults)
{
    pthread_mutex_lock(&generations->mutex);
    struct faults old = generations->faults;
    generations->faults = *faults;
    pthread_mutex_unlock(&generations->mutex);
    metrics_set("bascule_script_faults", NULL, (int64_t)faults->count);
    *faults = (struct faults){0};
    faults_deinit(&old);
}

/* ---- the keeper's thread ---- */

struct keeper_stop {
    struct mail mail;
    struct generations *generations;
    bool stopped;
};

static void deliver_stop(struct mail *mail)
{
    ((struct keeper_stop *)mail)->stopped = true;
}

static void *keep(void *argument)
{
    struct keeper_stop *stop = argument;
    struct mailbox *keeper = stop->generations->keeper;
    while (!stop->stopped) {
        mailbox_wait(keeper, -1);
        mailbox_drain(keeper);
    }
    free(stop);
    return NULL;
}

/* Starts it with the mail that will end it. */
static struct keeper_stop *start_keeper(struct generations *generations)
{
    struct keeper_stop *stop = memory_allocate(sizeof *stop);
    stop->mail.deliver = deliver_stop;
    stop->generations = generations;
    generations->keeper = mailbox_new(NULL, NULL);
    pthread_create(&generations->keeper_thread, NULL, keep, stop);
    return stop;
}

struct mailbox *generations_keeper(struct generations *generations)
{
    return generations->keeper;
}

/* ---- what runs ---- */

struct generation *generations_acquire(struct generations *generations)
{
    pthread_mutex_lock(&generations->mutex);
    struct generation *generation =
        generation_ref(atomic_load_explicit(&generations->current, memory_order_relaxed));
    pthread_mutex_unlock(&generations->mutex);
    return generation;
}

/* `generation` is held by the caller, so its address is nobody else's. */
bool generations_is_current(struct generations *generations, const struct generation *generation)
{
    return atomic_load_explicit(&generations->current, memory_order_acquire) == generation;
}

void generations_current_id(struct generations *generations, char id[16])
{
    struct generation *generation = generations_acquire(generations);
    memcpy(id, generation->id, GENERATION_ID_SIZE);
    generation_unref(generation);
}

static void set_current(struct generations *generations, struct generation *generation)
{
    atomic_store_explicit(&generations->current, generation, memory_order_release);
    metrics_set("bascule_script_generation", NULL, generation->number);
}

void generations_publish(struct generations *generations, struct generation *generation)
{
    struct generation *dropped = NULL;
    pthread_mutex_lock(&generations->mutex);
    const struct generation *parent = atomic_load_explicit(&generations->current, memory_order_relaxed);
    generation->number = ++generations->last_number;
    if (parent != NULL)
        memcpy(generation->parent, parent->id, GENERATION_ID_SIZE);
    if (generations->kept_count == generations->kept_most)
        dropped = generations->kept[--generations->kept_count];
    memmove(generations->kept + 1, generations->kept, generations->kept_count * sizeof *generations->kept);
    generations->kept[0] = generation;
    generations->kept_count++;
    generations->rolled_back = false;
    set_current(generations, generation);
    pthread_mutex_unlock(&generations->mutex);
    generation_unref(dropped);
}

/* The kept one with that id, or the one before the current; NULL where there is none. */
static struct generation *find_kept(struct generations *generations, const char *id)
{
    const struct generation *current = atomic_load_explicit(&generations->current, memory_order_relaxed);
    for (size_t i = 0; i < generations->kept_count; i++) {
        struct generation *kept = generations->kept[i];
        if (id == NULL ? kept->number < current->number : strcmp(kept->id, id) == 0)
            return kept;
    }
    return NULL;
}

int generations_rollback(struct generations *generations, const char *id, struct error *error)
{
    pthread_mutex_lock(&generations->reload_mutex);
    pthread_mutex_lock(&generations->mutex);
    struct generation *generation = find_kept(generations, id);
    if (generation != NULL) {
        generations->rolled_back = generation != generations->kept[0];
        set_current(generations, generation);
        LOG_EVENT(LOG_WARN, "scripts_rolled_back", LOG_FIELD_TEXT("generation", generation->id));
    }
    pthread_mutex_unlock(&generations->mutex);
    pthread_mutex_unlock(&generations->reload_mutex);
    if (generation == NULL && id == NULL)
        return error_set(error, ERROR_INVALID, "no generation before the current one is kept");
    if (generation == NULL)
        return error_set(error, ERROR_INVALID, "no generation '%s' is kept", id);
    return 0;
}

/* ---- beginning and end ---- */

struct generations *generations_new(const struct generations_options *options, struct error *error)
{
    struct generations *generations = memory_allocate(sizeof *generations);
    generations->lua_path = text_duplicate(options->lua_path);
    generations->agencies_path = text_duplicate(options->agencies_path);
    generations->entry = text_duplicate(options->entry);
    generations->kept_most = options->kept < 2 ? 2 : options->kept;
    generations->kept = memory_allocate((generations->kept_most + 1) * sizeof *generations->kept);
    generations->host = options->host;
    generations->rules_revision = -1;
    pthread_mutex_init(&generations->reload_mutex, NULL);
    pthread_mutex_init(&generations->mutex, NULL);
    generations->keeper_stop = start_keeper(generations);
    generations_reload(generations, error);
    if (atomic_load(&generations->current) == NULL) {
        generations_free(generations);
        return NULL;
    }
    return generations;
}

void generations_stop(struct generations *generations)
{
    if (generations->keeper_stop == NULL)
        return;
    mailbox_post(generations->keeper, &generations->keeper_stop->mail);
    pthread_join(generations->keeper_thread, NULL);
    generations->keeper_stop = NULL;
}

void generations_free(struct generations *generations)
{
    if (generations == NULL)
        return;
    generations_unwatch(generations);
    generations_stop(generations);
    mailbox_free(generations->keeper);
    for (size_t i = 0; i < generations->kept_count; i++)
        generation_unref(generations->kept[i]);
    free(generations->kept);
    sources_deinit(&generations->trusted_sources);
    sources_deinit(&generations->agency_sources);
    sources_deinit(&generations->published_sources);
    sources_deinit(&generations->candidate_sources);
    unit_set_unref(generations->trusted);
    unit_set_unref(generations->library);
    faults_deinit(&generations->faults);
    free(generations->trial_fault);
    free(generations->lua_path);
    free(generations->agencies_path);
    free(generations->entry);
    pthread_mutex_destroy(&generations->reload_mutex);
    pthread_mutex_destroy(&generations->mutex);
    free(generations);
}
