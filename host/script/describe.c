/* What to tell: the JSON of /admin/v1/scripts. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "script/generations.h"
#include "script/rule_service.h"

static void append_text(struct buffer *json, const char *name, const char *text)
{
    buffer_append_format(json, "\"%s\":", name);
    if (text == NULL)
        buffer_append_text(json, "null");
    else
        buffer_append_json_string(json, slice_from(text));
}

static void append_time(struct buffer *json, const char *name, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    append_text(json, name, clock_format_iso(ms, text));
}

static void append_generation(struct buffer *json, const struct generation *generation)
{
    buffer_append_text(json, "{");
    append_text(json, "id", generation->id);
    buffer_append_format(json, ",\"number\":%u,", generation->number);
    append_text(json, "parent", generation->parent[0] == '\0' ? NULL : generation->parent);
    buffer_append_text(json, ",");
    append_time(json, "loaded_at", generation->loaded_at_ms);
    buffer_append_text(json, "}");
}

static void append_fault(struct buffer *json, const struct fault *fault)
{
    buffer_append_text(json, "\"last_error\":");
    if (fault == NULL) {
        buffer_append_text(json, "null");
        return;
    }
    buffer_append_text(json, "{");
    append_text(json, "message", fault->message);
    buffer_append_text(json, ",");
    if (fault->excerpt != NULL) {
        append_text(json, "excerpt", fault->excerpt);
        buffer_append_text(json, ",");
    }
    append_time(json, "at", fault->at_ms);
    buffer_append_text(json, "}");
}

static const struct fault *find_fault(const struct faults *faults, const char *path)
{
    for (size_t i = 0; i < faults->count; i++) {
        if (strcmp(faults->items[i].path, path) == 0)
            return &faults->items[i];
    }
    return NULL;
}

static void append_list(struct buffer *json, const char *name, const struct texts *texts)
{
    buffer_append_format(json, ",\"%s\":[", name);
    for (size_t i = 0; i < texts->count; i++) {
        buffer_append_text(json, i == 0 ? "" : ",");
        buffer_append_json_string(json, slice_from(texts->items[i]));
    }
    buffer_append_text(json, "]");
}

/* A file that runs; "kind" is "trusted" or "agency". Ends without its brace. */
static void append_unit(struct buffer *json, const struct unit *unit, const char *kind,
                        const struct faults *faults)
{
    buffer_append_text(json, "{");
    append_text(json, "path", unit->path);
    buffer_append_format(json, ",\"kind\":\"%s\",", kind);
    append_text(json, "hash", unit->hash);
    buffer_append_text(json, ",");
    append_time(json, "loaded_at", unit->loaded_at_ms);
    buffer_append_text(json, ",");
    append_fault(json, find_fault(faults, unit->path));
}

/* A file that never was good. */
static void append_broken(struct buffer *json, const char *kind, const struct fault *fault)
{
    buffer_append_text(json, "{");
    append_text(json, "path", fault->path);
    buffer_append_format(json, ",\"kind\":\"%s\",\"hash\":null,\"loaded_at\":null,", kind);
    append_fault(json, fault);
}

static const struct unit *find_unit(const struct generation *generation, const char *path)
{
    for (size_t i = 0; i < generation->trusted->count; i++) {
        if (strcmp(generation->trusted->units[i]->path, path) == 0)
            return generation->trusted->units[i];
    }
    for (size_t i = 0; i < generation->agency_count; i++) {
        const struct unit *unit = generation->agencies[i].unit;
        if (unit != NULL && strcmp(unit->path, path) == 0)
            return unit;
    }
    return NULL;
}

static void append_quarantine(struct buffer *json, struct rule_service *rules, const struct agency *agency)
{
    struct error why;
    bool quarantined =
        rules != NULL && rule_service_quarantined(rules, agency->slug, agency->unit->hash, &why);
    append_text(json, "quarantined", quarantined ? why.message : NULL);
}

static bool is_told(const struct generation *generation, const char *path)
{
    for (size_t i = 0; i < generation->agency_count; i++) {
        const char *hidden = generation->agencies[i].hidden;
        if (hidden != NULL && strcmp(hidden, path) == 0)
            return true;
    }
    return find_unit(generation, path) != NULL;
}

static void append_agency(struct buffer *json, struct rule_service *rules, const struct agency *agency,
                          const struct faults *faults)
{
    append_unit(json, agency->unit, "agency", faults);
    buffer_append_text(json, ",");
    append_text(json, "agency", agency->slug);
    buffer_append_text(json, ",");
    append_quarantine(json, rules, agency);
    append_list(json, "locations", &agency_claims(agency)->locations);
    append_list(json, "companies", &agency_claims(agency)->companies);
    buffer_append_text(json, "}");
}

/* A file that is there, and whose agency runs what was published. */
static void append_hidden(struct buffer *json, const struct agency *agency, const struct faults *faults)
{
    buffer_append_text(json, "{");
    append_text(json, "path", agency->hidden);
    buffer_append_text(json, ",\"kind\":\"agency\",\"hash\":null,\"loaded_at\":null,");
    append_fault(json, find_fault(faults, agency->hidden));
    buffer_append_text(json, ",");
    append_text(json, "agency", agency->slug);
    if (agency->unit == NULL || agency->unit->version == 0)
        buffer_append_text(json, ",\"note\":\"published rules count instead of the file\"}");
    else
        buffer_append_format(json, ",\"note\":\"published version %lld is used instead of the file\"}",
                             (long long)agency->unit->version);
}

static void append_files(struct buffer *json, struct rule_service *rules, const struct generation *generation,
                         const struct faults *faults)
{
    const char *separator = "";
    for (size_t i = 0; i < generation->trusted->count; i++) {
        buffer_append_text(json, separator);
        append_unit(json, generation->trusted->units[i], "trusted", faults);
        buffer_append_text(json, "}");
        separator = ",";
    }
    for (size_t i = 0; i < generation->agency_count; i++) {
        if (generation->agencies[i].unit == NULL)
            continue;
        buffer_append_text(json, separator);
        append_agency(json, rules, &generation->agencies[i], faults);
        separator = ",";
    }
    for (size_t i = 0; i < generation->agency_count; i++) {
        if (generation->agencies[i].hidden == NULL)
            continue;
        buffer_append_text(json, separator);
        append_hidden(json, &generation->agencies[i], faults);
        separator = ",";
    }
    for (size_t i = 0; i < faults->count; i++) {
        const char *path = faults->items[i].path;
        if (is_told(generation, path))
            continue;
        buffer_append_text(json, separator);
        append_broken(json, strstr(path, "/rules.lua") != NULL ? "agency" : "trusted", &faults->items[i]);
        buffer_append_text(json, "}");
        separator = ",";
    }
}

struct faults generations_copy_faults(struct generations *generations)
{
    struct faults copy = {0};
    pthread_mutex_lock(&generations->mutex);
    for (size_t i = 0; i < generations->faults.count; i++) {
        const struct fault *fault = &generations->faults.items[i];
        faults_add(&copy, fault->path, fault->message, fault->excerpt, fault->at_ms);
    }
    pthread_mutex_unlock(&generations->mutex);
    return copy;
}

void generations_describe(struct generations *generations, struct buffer *json)
{
    struct generation *current = generations_acquire(generations);
    struct faults faults = generations_copy_faults(generations);
    buffer_append_text(json, "{\"current\":");
    append_generation(json, current);
    buffer_append_text(json, ",\"kept\":[");
    pthread_mutex_lock(&generations->mutex);
    for (size_t i = 0; i < generations->kept_count; i++) {
        buffer_append_text(json, i == 0 ? "" : ",");
        append_generation(json, generations->kept[i]);
    }
    bool rolled_back = generations->rolled_back;
    pthread_mutex_unlock(&generations->mutex);
    buffer_append_format(json, "],\"rolled_back\":%s,", rolled_back ? "true" : "false");
    append_fault(json, faults.count == 0 ? NULL : &faults.items[0]);
    buffer_append_text(json, ",\"files\":[");
    append_files(json, generations->host->rules, current, &faults);
    buffer_append_text(json, "]}");
    faults_deinit(&faults);
    generation_unref(current);
}
