/* What to tell of agencies: the JSON of /admin/v1/agencies. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "script/generations.h"
#include "script/rule_service.h"

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(object, name, json_string(text));
}

static json_t *list_of(const struct texts *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(list, json_string(texts->items[i]));
    return list;
}

static json_t *examples_of(const struct candidate_tally *tally)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < tally->example_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "message", tally->examples[i].message, "what",
                                              tally->examples[i].what));
    return list;
}

static void set_count(json_t *object, const char *name, int64_t count)
{
    json_object_set_new(object, name, json_integer(count));
}

static json_t *describe_candidate(struct candidate *candidate)
{
    struct candidate_tally tally = candidate_tally_of(candidate);
    json_t *shown = json_pack("{s:I, s:s, s:s, s:I, s:I}", "version", (json_int_t)candidate->unit->version,
                              "mode", candidate_mode_names[candidate->mode], "hash", candidate->unit->hash,
                              "calls", (json_int_t)tally.calls, "errors", (json_int_t)tally.errors);
    if (candidate->mode == CANDIDATE_CANARY) {
        set_count(shown, "percent", candidate->percent);
        set_count(shown, "live_calls", tally.live_calls);
        set_count(shown, "live_errors", tally.live_errors);
        if (atomic_load(&candidate->spoiled))
            set_text(shown, "spoiled", candidate->reason);
    } else {
        set_count(shown, "same", tally.same);
        set_count(shown, "different", tally.different);
    }
    json_object_set_new(shown, "examples", examples_of(&tally));
    return shown;
}

/* The newest fault of the agency's published rules or file. */
static const char *fault_of(const struct faults *faults, const char *slug)
{
    size_t length = strlen(slug);
    for (size_t i = 0; i < faults->count; i++) {
        const char *end = strstr(faults->items[i].path, "/rules.lua");
        const char *begin = end == NULL ? NULL : end - length;
        if (begin != NULL && begin >= faults->items[i].path && strncmp(begin, slug, length) == 0 &&
            (begin == faults->items[i].path || begin[-1] == '/'))
            return faults->items[i].message;
    }
    return NULL;
}

static void describe_unit(struct rule_service *rules, json_t *shown, const struct agency *agency)
{
    char at[CLOCK_ISO_SIZE];
    struct error reason;
    const struct unit *unit = agency->unit;
    set_text(shown, "hash", unit->hash);
    set_text(shown, "loaded_at", clock_format_iso(unit->loaded_at_ms, at));
    set_text(shown, "origin", unit->version != 0 ? "published" : "file");
    if (unit->version != 0)
        set_count(shown, "version", unit->version);
    if (rules != NULL && rule_service_quarantined(rules, agency->slug, unit->hash, &reason))
        set_text(shown, "quarantine", reason.message);
}

static json_t *describe_agency(struct rule_service *rules, const struct agency *agency,
                               const struct faults *faults)
{
    const struct claims *claims = agency_claims(agency);
    json_t *shown =
        json_pack("{s:s, s:o, s:o, s:b}", "slug", agency->slug, "locations", list_of(&claims->locations),
                  "companies", list_of(&claims->companies), "broken", agency->unit == NULL);
    if (agency->unit != NULL)
        describe_unit(rules, shown, agency);
    set_text(shown, "fault", agency->unit == NULL ? agency->fault : fault_of(faults, agency->slug));
    set_text(shown, "hidden_file", agency->hidden);
    if (agency->candidate != NULL)
        json_object_set_new(shown, "candidate", describe_candidate(agency->candidate));
    return shown;
}

void generations_describe_agencies(struct generations *generations, struct buffer *json)
{
    struct generation *current = generations_acquire(generations);
    struct faults faults = generations_copy_faults(generations);
    json_t *list = json_array();
    for (size_t i = 0; i < current->agency_count; i++)
        json_array_append_new(list,
                              describe_agency(generations->host->rules, &current->agencies[i], &faults));
    char *text = json_dumps(list, JSON_COMPACT);
    buffer_append_text(json, text);
    free(text);
    json_decref(list);
    faults_deinit(&faults);
    generation_unref(current);
}
