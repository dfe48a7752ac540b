/* What is to run: reads the folders, checks what changed, and publishes a generation when it is good. The
 * trusted tree is taken as a whole or not at all; each agency's rules by themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "script/generations.h"
#include "script/rule_excerpt.h"
#include "script/state.h"

#define LIBRARY_PREFIX "bascule.rules."

/* ---- the trusted tree ---- */

/* Arguments: names of modules. Loads them. */
static int require_all(lua_State *L)
{
    int count = lua_gettop(L);
    for (int i = 1; i <= count; i++) {
        lua_getglobal(L, "require");
        lua_pushvalue(L, i);
        lua_call(L, 1, 0);
    }
    return 0;
}

/* Loads what serves in a fresh state; where it fails, what runs stays. */
static int try_trusted(struct generations *generations, struct unit_set *set, struct error *error)
{
    struct script_state *state = state_new_trusted(generations->host, NULL, set);
    lua_State *L = state->L;
    int modules = 1, result = 0;
    lua_pushcfunction(L, require_all);
    lua_pushstring(L, generations->entry);
    if (unit_set_find(set, "bascule.delivery") != NULL) {
        lua_pushliteral(L, "bascule.delivery");
        modules++;
    }
    if (lua_pcall(L, modules, 0, 0) != LUA_OK)
        result = error_set(error, ERROR_INVALID, "%s", luaL_tolstring(L, -1, NULL));
    state_close(state);
    return result;
}

static struct unit_set *make_set(const struct sources *sources, const char *prefix)
{
    size_t count = 0;
    struct unit **units = memory_allocate(sources->count * sizeof *units);
    for (size_t i = 0; i < sources->count; i++) {
        if (strncmp(sources->items[i].name, prefix, strlen(prefix)) == 0)
            units[count++] = sources->items[i].unit;
    }
    struct unit_set *set = unit_set_new(units, count);
    free(units);
    return set;
}

static const char *first_fault(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->items[i].fault != NULL)
            return sources->items[i].fault;
    }
    return NULL;
}

/* A library that is the same keeps its address, and with it the rule states that were made on it. */
static void take_library(struct generations *generations, struct unit_set *library, bool *changed)
{
    *changed = generations->library == NULL || strcmp(generations->library->hash, library->hash) != 0;
    if (*changed) {
        unit_set_unref(generations->library);
        generations->library = library;
    } else {
        unit_set_unref(library);
    }
}

static void set_trial_fault(struct generations *generations, const char *fault)
{
    free(generations->trial_fault);
    generations->trial_fault = text_duplicate(fault);
    if (fault == NULL)
        return;
    generations->trial_fault_at_ms = clock_wall_ms();
    LOG_EVENT(LOG_ERROR, "script_refused", LOG_FIELD_TEXT("file", generations->entry),
              LOG_FIELD_TEXT("message", fault));
}

/* All files of the tree compiled: do they work together? */
static void judge_trusted(struct generations *generations, bool *library_changed)
{
    struct error error;
    struct unit_set *set = make_set(&generations->trusted_sources, "");
    if (try_trusted(generations, set, &error) != 0) {
        set_trial_fault(generations, error.message);
        unit_set_unref(set);
        return;
    }
    set_trial_fault(generations, NULL);
    unit_set_unref(generations->trusted);
    generations->trusted = set;
    take_library(generations, make_set(&generations->trusted_sources, LIBRARY_PREFIX), library_changed);
}

static int reload_trusted(struct generations *generations, bool *changed, bool *library_changed,
                          struct error *error)
{
    struct sources found;
    *library_changed = false;
    if (sources_read_trusted(generations->lua_path, &generations->trusted_sources, &found, changed, error))
        return -1;
    generations->trusted_sources = found;
    if (*changed && first_fault(&found) == NULL)
        judge_trusted(generations, library_changed);
    else if (*changed)
        set_trial_fault(generations, NULL); /* the files' own faults say it */
    for (size_t i = 0; i < found.count; i++)
        buffer_deinit(&found.items[i].text);
    return 0;
}

/* ---- the generation ---- */

static void copy_texts(struct texts *to, const struct texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        texts_add(to, slice_from(from->items[i]));
}

static struct candidate *candidate_of(const struct generations *generations, const char *slug)
{
    const struct source *source = sources_find(&generations->candidate_sources, slug);
    return source == NULL || source->candidate == NULL ? NULL : candidate_ref(source->candidate);
}

static struct agency agency_of(const struct generations *generations, const struct source *source)
{
    const struct source *file = sources_find(&generations->agency_sources, source->name);
    struct agency agency = {.slug = text_duplicate(source->name)};
    if (file != NULL && file != source)
        agency.hidden = text_duplicate(file->path);
    if (source->good != NULL) {
        agency.unit = unit_ref(source->good);
        agency.candidate = candidate_of(generations, source->name);
        return agency;
    }
    agency.fault = text_duplicate(source->fault);
    agency.excerpt = text_duplicate(source->excerpt);
    memcpy(agency.broken_hash, source->hash, UNIT_HASH_SIZE);
    const struct claims *claims = source->fits ? &source->unit->claims : &source->seeming;
    copy_texts(&agency.broken_claims.locations, &claims->locations);
    copy_texts(&agency.broken_claims.companies, &claims->companies);
    return agency;
}

static struct generation *build(struct generations *generations)
{
    struct effective sources = effective_list(generations);
    struct agency *agencies = memory_allocate(sources.count * sizeof *agencies);
    for (size_t i = 0; i < sources.count; i++)
        agencies[i] = agency_of(generations, sources.items[i]);
    struct generation *generation =
        generation_new(generations->trusted, generations->library, agencies, sources.count);
    effective_deinit(&sources);
    return generation;
}

/* True where it became the current one: not where the disk says what it said before, or what runs anyway. */
static bool publish(struct generations *generations, struct generation *generation)
{
    char current[16] = "";
    bool first = atomic_load(&generations->current) == NULL;
    if (!first)
        generations_current_id(generations, current);
    bool news = first ||
                (strcmp(generation->id, generations->newest_id) != 0 && strcmp(generation->id, current) != 0);
    memcpy(generations->newest_id, generation->id, sizeof generations->newest_id);
    if (news)
        generations_publish(generations, generation);
    else
        generation_unref(generation);
    return news;
}

static void gather_faults(const struct sources *sources, struct faults *faults)
{
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *source = &sources->items[i];
        if (source->fault != NULL)
            faults_add(faults, source->path, source->fault, source->excerpt, source->fault_at_ms);
    }
}

/* The file that the trial's error names, else the entry module's; NULL where neither is there. */
static const struct source *find_trial_source(const struct generations *generations)
{
    const struct sources *sources = &generations->trusted_sources;
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *source = &sources->items[i];
        size_t length = strlen(source->path);
        if (strncmp(generations->trial_fault, source->path, length) == 0 &&
            generations->trial_fault[length] == ':')
            return source;
    }
    return sources_find(sources, generations->entry);
}

static void add_trial_fault(const struct generations *generations, struct faults *faults)
{
    struct buffer excerpt = {0};
    const char *fault = generations->trial_fault, *path = generations->entry;
    const struct source *source = find_trial_source(generations);
    if (source != NULL)
        path = source->path;
    if (source != NULL && source->unit != NULL)
        excerpt_append(&excerpt, unit_source(source->unit), excerpt_line_of_error(fault, path));
    faults_add(faults, path, fault, excerpt.data, generations->trial_fault_at_ms);
    buffer_deinit(&excerpt);
}

/* -1 with the first of what is wrong now; 0: nothing is. */
static int report_faults(struct generations *generations, struct error *error)
{
    struct faults faults = {0};
    gather_faults(&generations->trusted_sources, &faults);
    if (generations->trial_fault != NULL)
        add_trial_fault(generations, &faults);
    gather_faults(&generations->agency_sources, &faults);
    gather_faults(&generations->published_sources, &faults);
    gather_faults(&generations->candidate_sources, &faults);
    int result = faults.count == 0 ? 0 : -1;
    if (result != 0)
        error_set(error, ERROR_INVALID, "%s", faults.items[0].message);
    generations_replace_faults(generations, &faults);
    return result;
}

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void log_reload(struct generations *generations, int64_t started_ns)
{
    char seconds[32];
    struct generation *current = generations_acquire(generations);
    snprintf(seconds, sizeof seconds, "%.4f", (double)(monotonic_ns() - started_ns) / 1e9);
    LOG_EVENT(LOG_INFO, "scripts_loaded", LOG_FIELD_TEXT("generation", current->id),
              LOG_FIELD_TEXT("parent", current->parent), LOG_FIELD_NUMBER("number", current->number),
              LOG_FIELD_NUMBER("agencies", (int64_t)current->agency_count),
              LOG_FIELD_TEXT("seconds", seconds));
    generation_unref(current);
}

/* What runs stays, and who only watches would never hear of it. */
static int refuse_unread(struct error *error, const struct error *why)
{
    LOG_EVENT(LOG_ERROR, "scripts_unread", LOG_FIELD_TEXT("message", why->message));
    metrics_add("bascule_script_reloads_total", "result=\"refused\"", 1);
    return error_set(error, why->kind, "%s", why->message);
}

/* Under reload_mutex. */
static int reload(struct generations *generations, struct error *error)
{
    bool trusted_changed, library_changed, agencies_changed;
    int64_t started_ns = monotonic_ns();
    struct error why;
    if (reload_trusted(generations, &trusted_changed, &library_changed, &why) != 0)
        return refuse_unread(error, &why);
    if (generations->trusted == NULL)
        return report_faults(generations, error);
    if (generations_read_agencies(generations, library_changed, &agencies_changed, &why) != 0)
        return refuse_unread(error, &why);
    bool news = publish(generations, build(generations));
    if (news)
        log_reload(generations, started_ns);
    int result = report_faults(generations, error);
    metrics_add("bascule_script_reloads_total",
                result != 0 ? "result=\"refused\""
                : news      ? "result=\"changed\""
                            : "result=\"unchanged\"",
                1);
    return result != 0 ? result : news;
}

int generations_reload(struct generations *generations, struct error *error)
{
    pthread_mutex_lock(&generations->reload_mutex);
    int result = reload(generations, error);
    pthread_mutex_unlock(&generations->reload_mutex);
    return result;
}
