/* The agencies' part of a reload: each one's rules are loaded, tried and settled by themselves. They come
 * from the files and from the store; of an agency that has both, what was published runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "script/generations.h"
#include "script/rule_excerpt.h"
#include "script/rule_trial.h"

/* ---- judging ---- */

/* The contract has inbound already. */
static void warn_of_inbound(const char *agency)
{
    LOG_EVENT(LOG_WARN, "rules_function_unused", LOG_FIELD_TEXT("agency", agency),
              LOG_FIELD_TEXT("key", "inbound"),
              LOG_FIELD_TEXT("message", "this version takes no replies from providers; nothing but the "
                                        "file's tests calls inbound"));
}

/* Loads the rules as a rule thread would, and with `tests` runs their own. */
static struct rule_verdict try_rules(const struct generations *generations, struct unit *unit, bool tests)
{
    struct rule_trial trial = {
        .agency = unit->name,
        .unit = unit,
        .library = generations->library,
        .with_tests = tests,
        .limits = rule_limits_read(generations->host->config),
    };
    struct rule_verdict verdict;
    rule_trial_run(generations->host->rules, &trial, &verdict);
    if (!verdict.failed && tests && verdict.has_inbound)
        warn_of_inbound(unit->name);
    return verdict;
}

/* What a unit that is not shared yet says of itself; takes over from the verdict. */
static void keep_words(struct unit *unit, struct rule_verdict *verdict)
{
    claims_deinit(&unit->claims);
    declarations_deinit(&unit->declarations);
    unit->claims = verdict->claims;
    unit->declarations = verdict->declarations;
}

/* A file's tests are run until it runs; those of a version were run where it was published. */
static void judge_rules(struct generations *generations, struct source *source)
{
    if (source->unit == NULL)
        return;
    bool runs = source->good == source->unit || source->candidate != NULL;
    struct rule_verdict verdict = try_rules(generations, source->unit, !runs && source->version == 0);
    source->fits = !verdict.failed;
    if (verdict.failed)
        source_set_fault(source, verdict.error.message);
    /* A unit that has run before is shared by threads; it has these already, and they are the same. */
    if (!runs && source->fits) {
        keep_words(source->unit, &verdict);
    } else {
        claims_deinit(&verdict.claims);
        declarations_deinit(&verdict.declarations);
    }
}

static void judge_changed(struct generations *generations, struct sources *sources, bool all)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->items[i].changed || all)
            judge_rules(generations, &sources->items[i]);
    }
}

/* ---- what counts of each agency ---- */

struct effective effective_list(const struct generations *generations)
{
    const struct sources *files = &generations->agency_sources, *published = &generations->published_sources;
    struct effective list = {0};
    list.items = memory_allocate((files->count + published->count) * sizeof *list.items);
    for (size_t f = 0, p = 0; f < files->count || p < published->count;) {
        int order = f == files->count       ? 1
                    : p == published->count ? -1
                                            : strcmp(files->items[f].name, published->items[p].name);
        list.items[list.count++] = order < 0 ? &files->items[f] : &published->items[p];
        f += order <= 0;
        p += order >= 0;
    }
    return list;
}

void effective_deinit(struct effective *list)
{
    free(list->items);
}

static const struct unit *unit_of(const struct source *source)
{
    return source->fits ? source->unit : source->good;
}

struct claimed {
    const char *key;
    size_t agency;
};

static int by_key_then_agency(const void *a, const void *b)
{
    const struct claimed *left = a, *right = b;
    int order = strcmp(left->key, right->key);
    return order != 0 ? order : (left->agency > right->agency) - (left->agency < right->agency);
}

static size_t gather_claims(const struct effective *agencies, bool companies, struct claimed *claimed)
{
    size_t count = 0;
    for (size_t i = 0; i < agencies->count; i++) {
        const struct unit *unit = unit_of(agencies->items[i]);
        if (unit == NULL)
            continue;
        const struct texts *keys = companies ? &unit->claims.companies : &unit->claims.locations;
        for (size_t k = 0; k < keys->count; k++, count++) {
            if (claimed != NULL)
                claimed[count] = (struct claimed){keys->items[k], i};
        }
    }
    return count;
}

static int refuse_claim(struct error *error, const char *path, bool company, const char *key,
                        const char *owner)
{
    return error_set(error, ERROR_INVALID, "%s: %s \"%s\" belongs to agency '%s' already", path,
                     company ? "company" : "location", key, owner);
}

/* What two agencies claim is the fault of the later one by slug. */
static void find_conflicts(const struct effective *agencies, bool companies)
{
    struct error error;
    size_t count = gather_claims(agencies, companies, NULL);
    struct claimed *claimed = memory_allocate(count * sizeof *claimed);
    gather_claims(agencies, companies, claimed);
    qsort(claimed, count, sizeof *claimed, by_key_then_agency);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(claimed[first].key, claimed[i].key) != 0)
            first = i;
        struct source *source = agencies->items[claimed[i].agency];
        if (claimed[first].agency == claimed[i].agency || !source->fits)
            continue;
        source->conflicts = true;
        refuse_claim(&error, source->path, companies, claimed[i].key,
                     agencies->items[claimed[first].agency]->name);
        source_set_fault(source, error.message);
    }
    free(claimed);
}

static bool holds(const struct texts *texts, const char *key)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->items[i], key) == 0)
            return true;
    }
    return false;
}

static int check_claims(const struct effective *agencies, const struct unit *unit, bool companies,
                        struct error *error)
{
    const struct texts *keys = companies ? &unit->claims.companies : &unit->claims.locations;
    for (size_t i = 0; i < agencies->count; i++) {
        const struct unit *other = unit_of(agencies->items[i]);
        if (other == NULL || strcmp(other->name, unit->name) == 0)
            continue;
        for (size_t k = 0; k < keys->count; k++) {
            if (holds(companies ? &other->claims.companies : &other->claims.locations, keys->items[k]))
                return refuse_claim(error, unit->path, companies, keys->items[k], other->name);
        }
    }
    return 0;
}

/* Under reload_mutex. */
static int check_unit(const struct generations *generations, struct unit *unit, struct error *error)
{
    struct rule_verdict verdict = try_rules(generations, unit, true);
    keep_words(unit, &verdict);
    if (verdict.failed)
        return error_set(error, ERROR_INVALID, "%s", verdict.error.message);
    struct effective agencies = effective_list(generations);
    int result = check_claims(&agencies, unit, false, error);
    if (result == 0)
        result = check_claims(&agencies, unit, true, error);
    effective_deinit(&agencies);
    return result;
}

int generations_check(struct generations *generations, const char *slug, struct slice text,
                      struct error *error, long *line, struct buffer *excerpt)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s/rules.lua", slug);
    struct unit *unit = unit_compile(slug, path.data, text, error);
    int result = -1;
    if (unit != NULL) {
        pthread_mutex_lock(&generations->reload_mutex);
        result = check_unit(generations, unit, error);
        pthread_mutex_unlock(&generations->reload_mutex);
    }
    *line = result == 0 ? 0 : excerpt_line_of_error(error->message, path.data);
    if (*line > 0)
        excerpt_append(excerpt, text, *line);
    unit_unref(unit);
    buffer_deinit(&path);
    return result;
}

/* ---- settling ---- */

/* An agency's first published version takes the place of what its file said. */
static void inherit_good(const struct generations *generations, struct source *source)
{
    const struct source *file = sources_find(&generations->agency_sources, source->name);
    if (source->version != 0 && source->good == NULL && file != NULL && file->good != NULL)
        source->good = unit_ref(file->good);
}

static void settle(const struct generations *generations, struct source *source)
{
    inherit_good(generations, source);
    if (source->fits && !source->conflicts) {
        source_set_fault(source, NULL);
        struct unit *unit = unit_ref(source->unit);
        unit_unref(source->good);
        source->good = unit;
    } else if (source->good == NULL && source->changed) {
        source_guess_claims(source);
    }
}

/* A file behind a published version is at fault only where it does not load. */
static void forgive_hidden(struct generations *generations)
{
    for (size_t i = 0; i < generations->agency_sources.count; i++) {
        struct source *file = &generations->agency_sources.items[i];
        if (file->fits && sources_find(&generations->published_sources, file->name) != NULL)
            source_set_fault(file, NULL);
    }
}

/* Whose rules are in order runs on them from now on; the others stay on what they had. */
static void settle_agencies(struct generations *generations)
{
    struct effective agencies = effective_list(generations);
    for (size_t i = 0; i < agencies.count; i++)
        agencies.items[i]->conflicts = false;
    find_conflicts(&agencies, false);
    find_conflicts(&agencies, true);
    for (size_t i = 0; i < agencies.count; i++)
        settle(generations, agencies.items[i]);
    forgive_hidden(generations);
    effective_deinit(&agencies);
}

static void settle_candidates(struct sources *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct source *source = &candidates->items[i];
        if (!source->fits) {
            candidate_unref(source->candidate);
            source->candidate = NULL;
        } else if (source->candidate == NULL) {
            source_set_fault(source, NULL);
            source->candidate = candidate_new(source->unit, source->mode, source->percent);
        }
    }
}

static void forget_texts(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        buffer_deinit(&sources->items[i].text);
}

/* What of the store changed is taken last, for that cannot fail. */
static int read_sources(struct generations *generations, bool *changed, struct error *error)
{
    struct published *published;
    struct sources files;
    if (published_fetch(generations, &published, error) != 0)
        return -1;
    if (sources_read_agencies(generations->agencies_path, &generations->agency_sources, &files, changed,
                              error) != 0) {
        published_free(published);
        return -1;
    }
    generations->agency_sources = files;
    if (published_take(generations, published))
        *changed = true;
    return 0;
}

int generations_read_agencies(struct generations *generations, bool library_changed, bool *changed,
                              struct error *error)
{
    if (read_sources(generations, changed, error) != 0)
        return -1;
    *changed = *changed || library_changed;
    judge_changed(generations, &generations->agency_sources, library_changed);
    judge_changed(generations, &generations->published_sources, library_changed);
    judge_changed(generations, &generations->candidate_sources, library_changed);
    if (*changed) {
        settle_agencies(generations);
        settle_candidates(&generations->candidate_sources);
        published_record(generations);
    }
    forget_texts(&generations->agency_sources);
    forget_texts(&generations->published_sources);
    forget_texts(&generations->candidate_sources);
    return 0;
}
